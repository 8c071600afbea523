"""catalog/names.py: what products are called in a field of their documents."""

import uuid

import bson
import pandas as pd
import pytest

import cli
from catalog.names import product_names
from catalog.rejects import REPEATED, WHOLE_PRODUCT
from tiny_catalogs import indexed, jpeg, product, write

NOT_UTF8 = b"p\xffre"


def named(number: int, *name: object) -> dict:
    return {**product(number, [jpeg(number)], None), **({"title": name[0]} if name else {})}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Crème, \"double\"\n40 %", "Crème, \"double\"\n40 %"),
        (" 007 ", " 007 "),
        ("", ""),
        ("=1+1", "=1+1"),
        (17, "17"),
        (17.0, "17"),
        (2.5, ""),
        (bson.ObjectId("0123456789abcdef01234567"), "0123456789abcdef01234567"),
        (bson.Binary.from_uuid(uuid.UUID(int=7)), str(uuid.UUID(int=7))),
        (None, ""),
        (True, ""),
        (["a"], ""),
        ({"en": "a"}, ""),
    ],
)  # fmt: skip
def test_a_name_is_a_text_as_it_is_or_an_id_as_text(tmp_path, value, name):
    path = write(tmp_path / "new.bson", [named(1, value), named(2, "last")])
    assert product_names([path], "title", indexed(path, with_categories=False), []).to_dict() == {1: name, 2: "last"}


def test_a_product_without_the_field_has_an_empty_name(tmp_path):
    path = write(tmp_path / "new.bson", [named(1), named(2, "b")])
    assert product_names([path], "title", indexed(path, with_categories=False), []).to_dict() == {1: "", 2: "b"}


def test_bytes_that_are_not_utf8_are_marked(tmp_path):
    raw = bson.encode(named(1, "pure")).replace(b"pure", NOT_UTF8)
    path = write(tmp_path / "new.bson", [raw])
    assert product_names([path], "title", indexed(path, with_categories=False), []).to_dict() == {1: "p\ufffdre"}


def test_products_that_the_index_left_out_have_names_too(tmp_path):
    without_pictures = {"_id": 2, "imgs": [], "title": "b"}
    documents = [named(1, "a"), without_pictures, b"", named(1, "again")]
    path = write(tmp_path / "new.bson", documents)
    second = len(bson.encode(documents[0]))
    third = second + len(bson.encode(documents[1]))
    index = indexed(path, "skip", with_categories=False)
    rejects = [(second, 2, WHOLE_PRODUCT, "the product has no picture"), (third, 1, WHOLE_PRODUCT, REPEATED)]
    rejects.append((path.stat().st_size - 2, 9, WHOLE_PRODUCT, "damaged"))
    assert product_names([path], "title", index, rejects).to_dict() == {1: "a", 2: "b", 9: ""}


def test_names_are_found_in_several_dumps(tmp_path):
    paths = [write(tmp_path / f"{number}.bson", [named(number, f"name {number}")]) for number in (1, 2)]
    first, second = (indexed(path, with_categories=False) for path in paths)
    index = pd.concat([first, second.assign(doc_offset=paths[0].stat().st_size)])
    assert product_names(paths, "title", index, []).to_dict() == {1: "name 1", 2: "name 2"}


def test_a_catalog_that_has_changed_is_one_line(tmp_path):
    path = write(tmp_path / "new.bson", [named(1, "a"), named(2, "b")])
    index = indexed(path, with_categories=False)
    path.write_bytes(path.read_bytes()[: index.doc_offset.iloc[1] + 9])
    place = index.doc_offset.iloc[1]
    with pytest.raises(cli.UserError, match=rf"new\.bson: byte {place}: product 2: no document is there; .*index it"):
        product_names([path], "title", index, [])
