"""Ids as people have them, from dumps over all programs to a submission and its score."""

import csv
import gzip
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

from checkout import CASES
from programs import error_of, run
from records.files import RecordFile
from tiny_catalogs import jpeg, product, write

OBJECT = bson.ObjectId("65a1b2c3d4e5f60718293a4b")
CATEGORIES = {"Shoes": "Shoes", "Hats, caps": "Hats, caps", OBJECT: str(OBJECT), -1: "-1", 7.0: "7"}
PRODUCTS = 40


def id_of(number: int) -> tuple[object, str]:
    """An id of one of five kinds in a dump, and what people have."""
    other = uuid.UUID(int=number)
    kinds = (
        (f"sku {number}", f"sku {number}"),
        (bson.ObjectId(number.to_bytes(12)), number.to_bytes(12).hex()),
        (bson.Binary.from_uuid(other), str(other)),
        (float(-number), str(-number)),
        (number, str(number)),
    )
    return kinds[number % len(kinds)]


def of_train(number: int) -> dict:
    category = list(CATEGORIES)[number // 5 % len(CATEGORIES)]
    return product(id_of(number)[0], [jpeg(number), jpeg(100 + number % 7)], category)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The answers of all programs up to the submission; most test products are in train too."""
    folder = tmp_path_factory.mktemp("ids")
    write(folder / "train.bson", [of_train(number) for number in range(1, PRODUCTS + 1)])
    twin = product(id_of(101)[0], [jpeg(3), jpeg(103)], None)
    bad = product("a product without pictures", [], None)
    write(folder / "test.bson", [*(of_train(number) for number in range(1, 21)), bad, twin])
    with (folder / "category_names.csv").open("w", newline="") as file:
        lines = [(text, f"level {text}", "", "") for text in reversed(CATEGORIES.values())]
        csv.writer(file).writerows(
            [("category_id", *(f"category_level{level}" for level in (1, 2, 3))), *lines, ("unused", "", "", "")]
        )
    for name, words in (("train", ()), ("test", ("--without-categories",))):
        outputs = ("--output", folder / f"{name}.parquet", "--rejects", folder / f"{name}.csv")
        succeed(
            "index_catalog", folder / f"{name}.bson", "--on-bad-product", "skip", "--processes", 1, *words, *outputs
        )
    train, classes = folder / "train.parquet", folder / "classes.csv"
    succeed("label_categories", "--names", folder / "category_names.csv", "--index", train, "--output", classes)
    succeed("split_catalog", "--catalog", folder / "train.bson", "--index", train, "--seed", 1,
            "--valid-fraction", 0.3, "--output-folder", folder / "split")  # fmt: skip
    for name, index, known in (("test", folder / "test.parquet", train),
                               ("valid", folder / "split/valid.parquet", folder / "split/train.parquet")):  # fmt: skip
        succeed("list_images", "--index", index, "--known", known, "--picture-md5", "off",
                "--output", folder / f"{name}-images.parquet")  # fmt: skip
        count = len(pd.read_parquet(folder / f"{name}-images.parquet"))
        probabilities = np.random.default_rng(count).dirichlet(np.ones(len(CATEGORIES) + 1), count)
        np.save(folder / f"{name}.npy", probabilities.astype(np.float16))
    return folder


def succeed(program: str, *words: object) -> None:
    done = run(program, *words)
    assert done.returncode == 0, done.stderr


def submit(folder: Path, *words: object):
    return run("write_submission", "--index", folder / "test.parquet", "--rejects", folder / "test.csv",
               "--images", folder / "test-images.parquet", "--known", folder / "train.parquet",
               "--classes", folder / "classes.csv", "--picture-md5", "unique", "--product-md5", "on",
               "--probabilities", folder / "test.npy", "--output", folder / "s.csv.gz", *words)  # fmt: skip


def rows_of(content: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(content.splitlines())


def test_classes_have_the_ids_of_the_table(folder):
    rows = list(rows_of((folder / "classes.csv").read_text()))
    assert [row["category_id"] for row in rows] == [*reversed(CATEGORIES.values()), "unused"]


def test_without_a_table_classes_are_numbers_then_texts_in_their_order(folder, tmp_path):
    succeed("label_categories", "--index", folder / "train.parquet", "--output", tmp_path / "classes.csv")
    rows = list(rows_of((tmp_path / "classes.csv").read_text()))
    assert [row["category_id"] for row in rows] == ["-1", "7", str(OBJECT), "Hats, caps", "Shoes"]
    assert [row["level1"] for row in rows] == ["-1", "7", str(OBJECT), "Hats, caps", "Shoes"]


def test_records_have_the_classes_of_their_categories(folder):
    for part in ("train", "valid"):
        succeed("pack_records", "--split", folder / f"split/{part}.bson", "--index", folder / f"split/{part}.parquet",
                "--classes", folder / "classes.csv", "--output", folder / f"{part}.rec")  # fmt: skip
        documents = bson.decode_all((folder / f"split/{part}.bson").read_bytes())
        class_of = {category: number for number, category in enumerate(reversed(CATEGORIES))}
        expected = sorted(
            (class_of[each["category_id"]], image["picture"]) for each in documents for image in each["imgs"]
        )
        records = RecordFile(folder / f"{part}.rec")
        assert sorted(records.read(position) for position in range(len(records))) == expected


def test_a_submission_has_the_ids_of_all_products_in_their_order(folder):
    assert submit(folder).returncode == 0
    rows = list(rows_of(gzip.decompress((folder / "s.csv.gz").read_bytes()).decode()))
    expected = [id_of(number)[1] for number in range(1, 21)]
    assert [row["_id"] for row in rows] == [*expected, "a product without pictures", id_of(101)[1]]
    assert {row["category_id"] for row in rows} <= {*CATEGORIES.values(), "unused"}
    assert rows[-1]["category_id"] == CATEGORIES[of_train(3)["category_id"]]  # of its twin


def test_a_sample_and_the_truth_name_products_as_people_have_them(folder):
    ids = [id_of(number)[1] for number in range(1, 21)] + ["a product without pictures", id_of(101)[1]]
    sample = folder / "sample_submission.csv"
    sample.write_text("\n".join(["_id,category_id", *(f"{each},x" for each in reversed(ids))]))
    assert submit(folder, "--sample-submission", sample).returncode == 0
    sample.write_text("\n".join(["_id,category_id", *(f"{each},x" for each in ids[1:])]))
    assert f"{sample}: product {ids[0]} is not asked for (1 such" in error_of(
        submit(folder, "--sample-submission", sample)
    )
    truth = folder / "truth.csv"
    rows = rows_of(gzip.decompress((folder / "s.csv.gz").read_bytes()).decode())
    right = [(row["_id"], row["category_id"] if number else "no") for number, row in enumerate(rows)]
    with truth.open("w", newline="") as file:
        csv.writer(file).writerows([("_id", "category_id"), *right])
    done = run("score_submission", "--submission", folder / "s.csv.gz", "--truth", truth)
    assert done.stdout.startswith("21 of 22 products right"), done.stderr


def test_an_evaluation_and_its_page_name_products_and_categories_as_people_have_them(folder):
    files = [folder / name for name in ("split/valid.parquet", "split/train.parquet", "valid-images.parquet")]
    succeed("evaluate_predictions", "--split", 1, *files, "--member", 1, folder / "valid.npy",
            "--classes", folder / "classes.csv", "--mean", "arithmetic", "--picture-md5", "off", "--product-md5", "off",
            "--output", folder / "e.json", "--products", folder / "e.parquet")  # fmt: skip
    evaluation, table = json.loads((folder / "e.json").read_text()), pd.read_parquet(folder / "e.parquet")
    valid = bson.decode_all((folder / "split/valid.bson").read_bytes())
    known = {id_of(number)[1]: CATEGORIES[of_train(number)["category_id"]] for number in range(1, PRODUCTS + 1)}
    assert len(table) == len(valid)
    assert dict(zip(table.product_id, table.category_id, strict=True)).items() <= known.items()
    for pair in evaluation["confused_pairs"]:
        assert {known[product_id] for product_id in pair["product_ids"]} == {pair["category_id"]}
    succeed("show_confusions", "--evaluation", folder / "e.json", "--classes", folder / "classes.csv",
            "--catalog", folder / "train.bson", "--index", folder / "train.parquet",
            "--output", folder / "confusions.html")  # fmt: skip
    page = (folder / "confusions.html").read_text()
    assert all(f">{product_id}</figure>" in page for product_id in evaluation["confused_pairs"][0]["product_ids"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Shoes", "shoes"), "category Shoes of product 000000000000000000000001 is not listed (1 such categories)"),
        (("Shoes", "unused"), "category unused is listed twice"),
        (('"Hats, caps"', " "), "line 5: category_id is empty"),
    ],
)
def test_a_table_of_names_that_does_not_fit_is_named(folder, tmp_path, change, message):
    names = tmp_path / "category_names.csv"
    names.write_text((folder / "category_names.csv").read_text().replace(*change, 1))
    done = run(
        "label_categories", "--names", names, "--index", folder / "train.parquet", "--output", tmp_path / "c.csv"
    )
    assert f"{names}: {message}" in error_of(done)


def test_a_picture_that_is_gone_is_named_with_its_product(folder, tmp_path):
    shutil.copytree(folder / "split", tmp_path / "split")
    (tmp_path / "split/valid.bson").write_bytes((folder / "split/valid.bson").read_bytes()[:-500])
    line = error_of(run("pack_records", "--split", tmp_path / "split/valid.bson", "--index",
                        tmp_path / "split/valid.parquet", "--classes", folder / "classes.csv",
                        "--output", tmp_path / "valid.rec"))  # fmt: skip
    *_, last = bson.decode_all((folder / "split/valid.bson").read_bytes())
    texts = [id_of(number)[1] for number in range(1, PRODUCTS + 1) if id_of(number)[0] == last["_id"]]
    assert f"product {texts[0]}, picture 1: no picture of" in line


SAID = {  # of shared/cases: what is taken, or what the line says
    "plain": None,
    "date_far": None,
    "latin1_title": None,
    "uuid_id": None,
    "negative_category": None,
    "null_picture": "product 1: imgs.1.picture is missing or not plain binary",
    "archive": "an archive of mongodump; restore it and dump its collection: mongorestore --archive=",
    "gz": "a gzip file; unpack it: mv ",
}


@pytest.mark.skipif(not (CASES / "bson").is_dir(), reason="the shared cases are not beside the checkout")
@pytest.mark.parametrize("name", SAID)
def test_dumps_of_the_shared_cases_are_taken_or_named(tmp_path, name):
    path, message = CASES / "bson" / f"{name}.bson", SAID[name]
    outputs = ("--output", tmp_path / "a.parquet", "--rejects", tmp_path / "a.csv")
    done = run("index_catalog", path, "--on-bad-product", "stop", "--processes", 1, *outputs)
    if message is None:
        assert done.returncode == 0, done.stderr
        assert "2 products, 2 pictures, 0 rejects" in done.stderr
    else:
        assert message in error_of(done)
