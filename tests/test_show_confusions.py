"""show_confusions.py shows the products that were confused."""

import base64
import json
import re
import sys

import pandas as pd

import show_confusions
from drawn_pictures import OTHERS
from figures import examples
from loading.pixels import decoded, encoded
from tiny_catalogs import indexed, jpeg, write

PAIR = {"category_id": 10, "predicted_category_id": 20, "products": 5, "product_ids": [3, 4]}


def test_a_pair_is_shown_by_its_products_and_examples_of_what_they_were_taken_for(tmp_path, monkeypatch):
    pictures = {number: jpeg(number) for number in range(1, 9)} | {6: OTHERS["TIFF"][1]}
    products = [
        {"_id": number, "category_id": 10 if number < 5 else 20, "imgs": [{"picture": first}, {"picture": jpeg(9)}]}
        for number, first in pictures.items()
    ]
    indexed(write(tmp_path / "train.bson", products)).to_parquet(tmp_path / "train.parquet", index=False)
    names = "class_id,category_id,level1,level2,level3\n0,10,2024,a,b\n1,20,2025,<d>,e\n2,30,2026,g,h\n"
    (tmp_path / "classes.csv").write_text(names)
    unseen = PAIR | {"predicted_category_id": 30, "product_ids": [1]}
    evaluation = {"products": 9, "picture_md5": "unique", "product_md5": "off", "confused_pairs": [PAIR, unseen]}
    (tmp_path / "e.json").write_text(json.dumps(evaluation))
    words = {"evaluation": "e.json", "classes": "classes.csv", "catalog": "train.bson", "index": "train.parquet"}
    words |= {"output": "page.html"}
    options = [word for name, file in words.items() for word in (f"--{name}", str(tmp_path / file))]
    monkeypatch.setattr(sys, "argv", ["show_confusions", *options])
    show_confusions.main()
    rows = (tmp_path / "page.html").read_text().split("<tr>")[2:]
    shown = [[base64.b64decode(text) for text in re.findall(r'base64,([^"]*)"', row)] for row in rows]
    pictures[6] = encoded(decoded(pictures[6]))  # no browser shows a TIFF
    assert shown == [[pictures[number] for number in (3, 4, 5, 6, 7)], [pictures[1]]]
    assert "2024 / a / b" in rows[0]
    assert "2025 / &lt;d&gt; / e" in rows[0]


def test_examples_are_first_pictures_of_different_products():
    index = pd.DataFrame({"product_id": [1, 1, 2, 3, 4, 5], "category_id": [20] * 5 + [8]})
    assert examples.example_rows(index, {20}).index.tolist() == [0, 2, 3]
