"""index_catalog.py: a row per picture as a plain reader finds it, and every fault of a catalog named or listed."""

import csv
import faulthandler
import gzip
import hashlib
import math
import os
import signal
import struct
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path

import bson
import pandas as pd
import pytest
from bson.binary import UuidRepresentation
from bson.int64 import Int64

import cli
import forks
import index_catalog
from catalog.ids import number_of, written
from catalog.index import read_index
from catalog.layout import NO_CATEGORY, ROW, TEXTS
from catalog.pictures import iter_pictures
from catalog.rejects import WHOLE_PRODUCT, counted, read_rejects
from checkout import GROCERY
from drawn_pictures import FORMATS, OTHERS, PLAIN_JPEGS, UNUSUAL_JPEGS
from loading.formats import KINDS, PLAIN_JPEG
from programs import error_of, run
from tiny_catalogs import (
    answers_here,
    files_below,
    index_of,
    indexed,
    jpeg,
    product,
    products,
    with_huge_sides,
    write,
)


@pytest.fixture
def here(monkeypatch):
    """Index in this process."""
    monkeypatch.setattr(forks, "answers_in_turn", answers_here)


def plain_index(path: Path) -> list[tuple]:
    """Rows of an index of plain JPEGs by the bson library, hashlib and searching the file."""
    raw, rows, offset = path.read_bytes(), [], 0
    for fields in bson.decode_all(raw):
        (size,) = struct.unpack_from("<i", raw, offset)
        searched = raw.index(b"imgs\0", offset)
        for number, image in enumerate(fields["imgs"]):
            picture = image["picture"]
            element = b"\x05picture\0" + struct.pack("<i", len(picture)) + b"\0" + picture
            searched = raw.index(element, searched) + len(element)
            digest = hashlib.md5(picture).hexdigest()
            halves = int(digest[:16], 16), int(digest[16:], 16)
            document = fields["_id"], fields.get("category_id", NO_CATEGORY), number, offset, size
            rows.append((*document, searched - len(picture), len(picture), PLAIN_JPEG, *halves))
        offset += size
    return rows


def rows_of(index: pd.DataFrame) -> list[tuple]:
    assert index[list(TEXTS)].isna().all(axis=None)
    return list(index[list(ROW.names)].itertuples(index=False, name=None))


@pytest.mark.parametrize("processes", [1, 3])
def test_rows_are_those_of_a_plain_reader_however_many_processes(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(index_catalog, "BLOCK", 5000)
    path = write(tmp_path / "train.bson", products(60))
    index, rejects = index_of(path, "stop", processes)
    assert rows_of(index) == plain_index(path)
    assert list(index.columns) == [*ROW.names, *TEXTS]
    assert rejects == []


def hard_to_guess() -> list[dict | bytes]:
    """Products among garbage; pictures hold what looks like documents, and some documents begin with another field."""
    inside = bson.encode({"_id": 1, "imgs": []}) + bson.encode({"_id": 2, "x": "y" * 300}) + b"\x02_id\0"
    documents = [
        product(fields["_id"], [image["picture"] + inside * (position % 3 == 0) for image in fields["imgs"]])
        for position, fields in enumerate(products(40))
    ]
    documents = [dict(reversed(each.items())) if position % 5 == 1 else each for position, each in enumerate(documents)]
    garbage = [b"garbage", bytes(300), bson.encode({"_id": 3})[:-1] + b"x", bson.encode({"a": 1})]
    for position, between in zip((3, 9, 20, 30), garbage, strict=True):
        documents.insert(position, between)
    return documents


@pytest.mark.parametrize("block", [40, 500, 3000])
@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.usefixtures("here")
def test_where_blocks_begin_makes_no_difference(tmp_path, monkeypatch, block, processes):
    path = write(tmp_path / "train.bson", hard_to_guess())
    index, rejects = index_of(path, "skip")
    assert len(rejects) >= 4
    monkeypatch.setattr(index_catalog, "BLOCK", block)
    found, found_rejects = index_of(path, "skip", processes)
    pd.testing.assert_frame_equal(found, index)
    assert found_rejects == rejects
    with pytest.raises(cli.UserError) as first:
        index_of(path, "stop", processes)
    assert f"byte {rejects[0][0]}: " in str(first.value)


@pytest.mark.usefixtures("here")
def test_a_block_is_indexed_again_only_where_its_start_was_guessed_wrong(tmp_path, monkeypatch):
    starts = []
    index_block = index_catalog.index_block
    monkeypatch.setattr(index_catalog, "BLOCK", 1000)
    monkeypatch.setattr(index_catalog, "index_block", lambda *words: (starts.append(words[-1]), index_block(*words))[1])
    usual = write(tmp_path / "usual.bson", products(40))
    index_of(usual)
    assert len(starts) == -(-usual.stat().st_size // 1000)
    assert set(starts) == {None}
    hard = write(tmp_path / "hard.bson", hard_to_guess())
    starts.clear()
    index_of(hard, "skip")
    again = len(starts) - -(-hard.stat().st_size // 1000)
    assert 0 < again == sum(start is not None for start in starts)


@pytest.mark.skipif(not GROCERY.is_dir(), reason="the grocery catalog is not beside the checkout")
@pytest.mark.parametrize("name", ["train.bson", "test.bson"])
def test_a_real_catalog_is_indexed_as_by_a_plain_reader(name):
    index, _ = index_of(GROCERY / name, "stop", 2, with_categories=name == "train.bson")
    assert rows_of(index) == plain_index(GROCERY / name)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("id_type", [int, Int64])
@pytest.mark.parametrize("category_type", [int, Int64, None])
def test_integers_of_both_sizes_are_read(tmp_path, id_type, category_type):
    numbers = [3, 2**31 - 1] + ([2**40] if id_type is Int64 else [])
    documents = [
        product(id_type(number), [jpeg(1), jpeg(2)], category_type and category_type(1000 + place))
        for place, number in enumerate(numbers)
    ]
    path = write(tmp_path / ("a.bson" if category_type else "test.bson"), documents)
    assert rows_of(indexed(path)) == plain_index(path)


def test_other_fields_other_orders_and_many_pictures_are_read(tmp_path):
    pictures = [{"picture": jpeg(n)} for n in range(12)]
    documents = [
        {"imgs": pictures[:2], "name": "é", "category_id": 5, "_id": 1},
        {"_id": 2, "category_id": 5, "imgs": pictures},
        {"_id": 3, "category_id": 5, "imgs": [{"url": "x", "picture": jpeg(1)}, {"picture": jpeg(1), "z": None}]},
        {"_id": 4, "category_id": 5, "thumb": {"picture": jpeg(2)}, "imgs": [{"picture": jpeg(2)}], "more": [1]},
        {"_id": 5, "category_id": 5, "imgs": [{"picture": jpeg(4)}]},
        product(6, [jpeg(3)]),
    ]
    path = write(tmp_path / "a.bson", documents)
    index = indexed(path)
    assert rows_of(index) == plain_index(path)
    assert index.image.max() == 11


SUBTYPE = {3: UuidRepresentation.PYTHON_LEGACY, 4: UuidRepresentation.STANDARD}
UUID = uuid.UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
IDS = {  # what is in a dump, and what people have
    "int32": (5, 5),
    "int64": (Int64(2**40), 2**40),
    "negative": (-5, -5),
    "-1": (-1, -1),
    "zero": (0, 0),
    "smallest": (Int64(-(2**63) + 1), -(2**63) + 1),
    "largest": (Int64(2**63 - 1), 2**63 - 1),
    "double": (17.0, 17),
    "negative double": (-3.0, -3),
    "large double": (2.0**60, 2**60),
    "decimal": (bson.Decimal128("12"), 12),
    "decimal with an exponent": (bson.Decimal128("1.2E+3"), 1200),
    "text": ("Lamp 2.5W", "Lamp 2.5W"),
    "text of digits": ("17", 17),
    "text with zeros in front": ("0017", "0017"),
    "text of many digits": ("9" * 20, "9" * 20),
    "text of other letters": ('Ü, "x" 東', 'Ü, "x" 東'),
    "NA": ("NA", "NA"),
    "ObjectId": (bson.ObjectId("65a1b2c3d4e5f60718293a4b"), "65a1b2c3d4e5f60718293a4b"),
    "ObjectId of digits": (bson.ObjectId("1" * 24), "1" * 24),
    "UUID": (bson.Binary.from_uuid(UUID, SUBTYPE[4]), str(UUID)),
    "old UUID": (bson.Binary.from_uuid(UUID, SUBTYPE[3]), str(UUID)),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("surroundings", ["usual", "with a field before", "by itself"])
@pytest.mark.parametrize("name", IDS)
def test_ids_of_products_and_categories_are_as_people_have_them(tmp_path, name, surroundings):
    value, expected = IDS[name]
    before = {"name": "x"} if surroundings == "with a field before" else {}
    found = [before | product(value, [jpeg(1), jpeg(2)], value)]
    found += [] if surroundings == "by itself" else [before | product(1000, [jpeg(3)], 1000)]
    index = indexed(write(tmp_path / "train.bson", found))
    read = read_index(tmp_path / "train.parquet")
    assert read.equals(index)
    for of in ("product", "category"):
        assert written(read, of).tolist() == [expected, expected] + [1000] * (len(found) - 1)
        assert read[f"{of}_id"].tolist()[:2] == [number_of(expected)] * 2
    assert list(iter_pictures([tmp_path / "train.bson"], read))[:2] == [jpeg(1), jpeg(2)]


def test_the_number_of_a_text_is_the_same_in_every_catalog():
    assert number_of("Lamp 2.5W") == 7325245400645758060  # by b2sum -l 64, halved
    assert number_of(str(UUID)) == 8703142444429097451


def test_all_kinds_of_ids_stand_beside_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(index_catalog, "BLOCK", 5000)
    different = [ids for name, ids in IDS.items() if name not in ("text of digits", "old UUID")]
    path = write(tmp_path / "train.bson", [product(value, [jpeg(n)], value) for n, (value, _) in enumerate(different)])
    index, _ = index_of(path, "stop", 2)
    assert written(index, "product").tolist() == written(index, "category").tolist() == [ids for _, ids in different]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("one", "other"),
    [("17", 17), (17.0, 17), (IDS["UUID"][0], str(UUID)), (IDS["ObjectId"][0], IDS["ObjectId"][1]), ("a", "a")],
)
def test_ids_that_are_written_alike_are_one_product(tmp_path, one, other):
    path = write(tmp_path / "train.bson", [product(one, [jpeg(1)]), product(other, [jpeg(2)])])
    with pytest.raises(cli.UserError, match=f"product {other}: an earlier product has this _id"):
        index_of(path, "stop", 1)


def raw_field(kind: int, name: bytes, value: bytes) -> bytes:
    return bytes([kind]) + name + b"\0" + value


def with_field(document: dict, field: bytes, at_end: bool) -> bytes:
    """A document with one more field, in front or at its end."""
    fields = bson.encode(document)[4:-1]
    fields = fields + field if at_end else field + fields
    return struct.pack("<i", len(fields) + 5) + fields + b"\0"


UNREAD = {
    "date beyond year 9999": raw_field(0x09, b"added", struct.pack("<q", 2**60)),
    "date before year 1": raw_field(0x09, b"added", struct.pack("<q", -(2**60))),
    "text in Latin-1": raw_field(0x02, b"title", struct.pack("<i", 5) + b"caf\xe9\0"),
    "name in Latin-1": raw_field(0x02, b"prix \xe9l\xe9v\xe9", struct.pack("<i", 2) + b"x\0"),
    "binary of subtype 2 with a wrong length inside": raw_field(
        0x05, b"x", struct.pack("<i", 6) + b"\x02" + b"\xff" * 6
    ),
    "UUID of 3 bytes": raw_field(0x05, b"x", struct.pack("<i", 3) + b"\x04abc"),
    "regular expression": raw_field(0x0B, b"x", b"[\xff\0q\0"),
    "code with a broken scope": raw_field(0x0F, b"x", struct.pack("<i", 9) + b"\xff" * 5),
    "DBPointer": raw_field(0x0C, b"x", struct.pack("<i", 2) + b"\xff\0" + bytes(12)),
    "decimal": raw_field(0x13, b"x", b"\xff" * 16),
    "undefined": raw_field(0x06, b"x", b""),
    "largest key": raw_field(0x7F, b"x", b""),
    "smallest key": raw_field(0xFF, b"x", b""),
    "reference without an id": raw_field(0x03, b"x", bson.encode({"$ref": 5})),
    "broken document": raw_field(0x03, b"x", struct.pack("<i", 9) + b"\xff" * 5),
    "id of another document": raw_field(0x03, b"shop", bson.encode({"_id": "x", "category_id": 1.5, "imgs": None})),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("name", UNREAD)
def test_a_field_that_nobody_reads_never_refuses_a_product(tmp_path, name, at_end):
    image = with_field({"picture": jpeg(2)}, UNREAD[name], at_end)
    odd = with_field({"_id": 8, "category_id": 10}, UNREAD[name], at_end)[4:-1]
    images = raw_field(0x03, b"0", image)
    odd += raw_field(0x04, b"imgs", struct.pack("<i", len(images) + 5) + images + b"\0")
    path = write(tmp_path / "train.bson", [GOOD[0], struct.pack("<i", len(odd) + 5) + odd + b"\0", GOOD[2]])
    index = indexed(path)
    assert index[["product_id", "category_id"]].to_numpy().tolist() == [[7, 10], [8, 10], [9, 10]]
    assert list(iter_pictures([path], index)) == [jpeg(1), jpeg(2), jpeg(4)]


@pytest.mark.usefixtures("here")
def test_nested_documents_are_passed_over_whole(tmp_path):
    path = write(tmp_path / "train.bson", [GOOD[0], nested(50_000)])
    assert indexed(path).product_id.tolist() == [7, 8, 8]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("category", [None, 1.5, "x", {"a": 1}, [], math.nan])
def test_nobody_reads_the_category_of_a_test_product(tmp_path, category):
    test = [{**product(1, [jpeg(1)], 10), "category_id": category}, product(2, [jpeg(2)], None), product(3, [jpeg(3)])]
    index = indexed(write(tmp_path / "test.bson", test))
    assert index.product_id.tolist() == [1, 2, 3]
    assert (index.category_id == NO_CATEGORY).all()
    assert index.category_text.isna().all()


GOOD = [product(7, [jpeg(1)]), product(8, [jpeg(2), jpeg(3)]), product(9, [jpeg(4)])]
WHOLE = bson.encode(GOOD[1])
ARRAY_SIZE = WHOLE.index(b"\x04imgs\x00") + len(b"\x04imgs\x00")
PICTURE_SIZE = WHOLE.index(b"\x05picture\x00") + len(b"\x05picture\x00")


def with_length(document: bytes, length: int, place: int = 0) -> bytes:
    return document[:place] + struct.pack("<i", length) + document[place + 4 :]


def nested(depth: int) -> bytes:
    """A product with documents inside each other."""
    inner = bson.encode({})
    for _ in range(depth):
        inner = struct.pack("<i", len(inner) + 8) + b"\x03a\x00" + inner + b"\x00"
    inner = bson.encode({"_id": 8})[4:-1] + b"\x03a\x00" + inner + WHOLE[WHOLE.index(b"\x10category_id") :]
    return struct.pack("<i", len(inner) + 4) + inner


# name: the bytes in place of product 8, the part of the message that tells the fault, the product id in it
FAULTS = {
    "negative length": (with_length(WHOLE, -3), "cannot be -3 bytes long", 8),
    "zero length": (with_length(WHOLE, 0), "cannot be 0 bytes long", 8),
    "huge length": (with_length(WHOLE, 2**31 - 1), "bytes before this document", 8),
    "short length": (with_length(WHOLE, len(WHOLE) - 7), "ends where it should", 8),
    "garbage": (b"\xff\xfe garbage" * 3, "", None),
    "_id missing": (bson.encode({"category_id": 10, "imgs": GOOD[1]["imgs"]}), "_id is missing", None),
    "_id a truth": (bson.encode({**GOOD[1], "_id": True}), "_id is true or false; taken are whole numbers", None),
    "_id a date": (bson.encode({**GOOD[1], "_id": datetime(2020, 1, 1, tzinfo=UTC)}), "_id is a date; taken", None),
    "_id null": (bson.encode({**GOOD[1], "_id": None}), "_id is null; taken are", None),
    "_id a document": (bson.encode({**GOOD[1], "_id": {"shop": 1}}), "_id is a document; taken are", None),
    "_id binary": (bson.encode({**GOOD[1], "_id": b"x" * 16}), "_id is binary data; taken are", None),
    "_id a short UUID": (bson.encode({**GOOD[1], "_id": bson.Binary(b"x", 4)}), "_id is binary data; taken", None),
    "_id a fraction": (bson.encode({**GOOD[1], "_id": 8.5}), "_id is the number 8.5; taken are", None),
    "_id not a number": (bson.encode({**GOOD[1], "_id": math.nan}), "_id is the number nan; taken are", None),
    "_id infinite": (bson.encode({**GOOD[1], "_id": -math.inf}), "_id is the number -inf; taken are", None),
    "_id too large": (bson.encode({**GOOD[1], "_id": 2.0**63}), "_id is the number 9.22", None),
    "_id too small": (bson.encode({**GOOD[1], "_id": Int64(-(2**63))}), "_id is the number -922", None),
    "_id a large decimal": (bson.encode({**GOOD[1], "_id": bson.Decimal128("1E+6000")}), "the number 1E+6000", None),
    "_id no decimal": (bson.encode({**GOOD[1], "_id": bson.Decimal128("sNaN")}), "_id is the number nan", None),
    "_id empty": (bson.encode({**GOOD[1], "_id": " "}), "_id is an empty text; taken are", None),
    "_id of two lines": (bson.encode({**GOOD[1], "_id": "a\nb"}), "_id is a text with line breaks", None),
    "_id in Latin-1": (
        bson.encode({**GOOD[1], "_id": "ab"}).replace(b"ab\0", b"a\xe9\0"),
        "a text that is not UTF-8",
        None,
    ),
    "category_id missing": (bson.encode({"_id": 8, "imgs": GOOD[1]["imgs"]}), "category_id is missing", 8),
    "category_id a fraction": (bson.encode({**GOOD[1], "category_id": 10.5}), "category_id is the number 10.5;", 8),
    "category_id an array": (bson.encode({**GOOD[1], "category_id": [10]}), "category_id is an array; taken are", 8),
    "category_id too small": (bson.encode({**GOOD[1], "category_id": Int64(-(2**63))}), "category_id is the number", 8),
    "category_id null": (bson.encode({**GOOD[1], "category_id": None}), "category_id is missing", 8),
    "a text's id with a fault": (bson.encode({**GOOD[1], "_id": "shoe 8", "imgs": []}), "no picture", "shoe 8"),
    "an ObjectId with a fault": (
        bson.encode({**GOOD[1], "_id": IDS["ObjectId"][0], "imgs": 1}),
        "imgs is missing",
        IDS["ObjectId"][1],
    ),
    "an unknown type": (with_field(GOOD[1], b"\x20x\0", at_end=True), "not a BSON document: a field of the unknown", 8),
    "a field over the end": (
        with_field(GOOD[1], raw_field(0x02, b"x", b"\xff\xff\0\0"), at_end=True),
        "its document's end",
        8,
    ),
    "a negative text": (with_field(GOOD[1], raw_field(0x02, b"x", b"\xff" * 4), at_end=True), "cannot be -1 bytes", 8),
    "a name without an end": (with_field(GOOD[1], b"\x02x", at_end=True), "a field's name does not end", 8),
    "imgs missing": (bson.encode({"_id": 8, "category_id": 10}), "imgs is missing", 8),
    "imgs a text": (bson.encode({**GOOD[1], "imgs": "x"}), "imgs is missing or not an array", 8),
    "imgs empty": (bson.encode({**GOOD[1], "imgs": []}), "no picture", 8),
    "an image a text": (bson.encode({**GOOD[1], "imgs": ["x"]}), "imgs.0.picture is missing", 8),
    "picture missing": (bson.encode({**GOOD[1], "imgs": [{"picture": jpeg(2)}, {}]}), "imgs.1.picture", 8),
    "picture a text": (bson.encode({**GOOD[1], "imgs": [{"picture": "x"}]}), "imgs.0.picture", 8),
    "picture of a subtype": (
        bson.encode({**GOOD[1], "imgs": [{"picture": bson.Binary(jpeg(2), 128)}]}),
        "imgs.0.picture is missing or not plain binary",
        8,
    ),
    "wrong array length": (with_length(WHOLE, 9, ARRAY_SIZE), "not a BSON document", 8),
    "wrong picture length": (with_length(WHOLE, 5, PICTURE_SIZE), "not a BSON document", 8),
    "negative picture length": (with_length(WHOLE, -5, PICTURE_SIZE), "not a BSON document", 8),
    "listed twice": (bson.encode({**GOOD[1], "_id": 7}), "an earlier product has this _id", 7),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_the_job_with_file_offset_and_product(tmp_path, name):
    bad, reason, product_id = FAULTS[name]
    path = write(tmp_path / "train.bson", [GOOD[0], bad, GOOD[2]])
    with pytest.raises(cli.UserError) as error:
        index_of(path, "stop", 1)
    line = str(error.value)
    assert f"{path}: byte {len(bson.encode(GOOD[0]))}: " in line
    assert reason in line
    assert "\n" not in line
    assert "on_bad_product: skip" in line
    if product_id is not None:
        assert f"product {product_id}: " in line


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", FAULTS)
def test_skip_lists_the_fault_and_keeps_the_other_products(tmp_path, name):
    bad, reason, product_id = FAULTS[name]
    path = write(tmp_path / "train.bson", [GOOD[0], bad, GOOD[2]])
    index, rejects = index_of(path, "skip", 1)
    assert index.product_id.tolist() == [7, 9]
    assert rejects[0][:2] == (len(bson.encode(GOOD[0])), product_id)
    assert reason in rejects[0][3]
    assert len(rejects) == 1


BAD_PICTURES = {
    "cut off": (jpeg(2)[:-9], "the JPEG is cut off"),
    "a text": (b"<html>404</html>", "the picture has no format that is taken"),
    "empty": (b"", "the picture is empty"),
    "JPEG 2000": (b"\xff\x4f\xff\x51" + bytes(50), "JPEG 2000 is not taken; convert it to JPEG"),
    "too large": (with_huge_sides(jpeg(2)), "more than 64,000,000 pixels; make it smaller"),
    "half a PNG": (OTHERS["PNG"][1][:900], "the PNG does not decode"),
}


@pytest.mark.parametrize("category_id", [10, None])
@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_a_fault_like_any_other_and_skip_keeps_the_products_other_pictures(
    tmp_path, name, category_id
):
    bad, reason = BAD_PICTURES[name]
    kept, alone = (product(8, [jpeg(2), bad, jpeg(3)], category_id), product(9, [bad], category_id))
    path = write(tmp_path / "train.bson", [product(7, [jpeg(1)], category_id), kept, alone])
    offset = len(bson.encode(product(7, [jpeg(1)], category_id)))
    with pytest.raises(cli.UserError) as error:
        index_of(path, "stop", 1, with_categories=category_id is not None)
    way_out = "mend it, or set on_bad_product: skip to go on without"
    assert str(error.value) == f"{path}: byte {offset}: product 8: picture 1: {reason}; {way_out}"
    index, rejects = index_of(path, "skip", 1, with_categories=category_id is not None)
    assert list(zip(index.product_id, index.image, strict=True)) == [(7, 0), (8, 0), (8, 2)]
    assert rejects == [(offset, 8, 1, reason), (offset + len(bson.encode(kept)), 9, 0, reason)]


def test_the_kinds_of_pictures_are_told(tmp_path):
    pictures = [PLAIN_JPEGS["baseline"], UNUSUAL_JPEGS["XMP before EXIF"], *(OTHERS[name][1] for name in FORMATS)]
    path = write(tmp_path / "train.bson", [product(1, pictures)])
    assert [KINDS[kind] for kind in indexed(path).kind] == ["JPEG", "unusual JPEG", *FORMATS]
    words = ["--processes", 1, "--output", tmp_path / "a.parquet", "--rejects", tmp_path / "a.csv"]
    done = run("index_catalog", path, "--on-bad-product", "stop", *words)
    assert "8 pictures (1 unusual JPEG, 1 PNG, 1 WebP, 1 BMP, 1 GIF, 1 TIFF, 1 AVIF), 0 rejects" in done.stderr


def test_too_many_products_with_a_fault_end_the_job_with_the_counts(tmp_path):
    cut, text = BAD_PICTURES["cut off"][0], BAD_PICTURES["a text"][0]
    bad = [product(1, [cut, cut]), product(2, [jpeg(1), text]), bson.encode({"_id": 3, "category_id": 10})]
    path = write(tmp_path / "train.bson", [*bad, *(product(number, [jpeg(number)]) for number in range(4, 11))])
    counts = (
        "2 pictures: the JPEG is cut off; 1 picture: the picture has no format that is taken;"
        " 1 product: imgs is missing or not an array"
    )
    with pytest.raises(cli.UserError) as error:
        index_of(path, "skip", most_bad_products=0.29)
    assert str(error.value) == (
        f"{path}: 3 of 10 products have a fault, more than 29% ({counts}); mend the catalog, or raise the config key"
        " most_bad_products"
    )
    assert len(index_of(path, "skip", most_bad_products=0.3)[1]) == 4
    words = ["--processes", 1, "--output", tmp_path / "a.parquet", "--rejects", tmp_path / "a.csv"]
    done = run("index_catalog", path, "--on-bad-product", "skip", "--most-bad-products", 0.3, *words)
    assert f"warning: {path}: left out, as {tmp_path}/a.csv lists: {counts}" in done.stderr.splitlines()
    assert "8 products, 8 pictures, 4 rejects" in done.stderr
    assert read_rejects(tmp_path / "a.csv") == index_of(path, "skip", 1)[1]


def test_faults_are_counted_by_kind_whatever_numbers_they_tell():
    reasons = [
        "imgs.0.picture is missing",
        "imgs.11.picture is missing",
        "not a BSON document: a",
        "not a BSON document: b",
    ]
    rejects = [(place, place, WHOLE_PRODUCT, reason) for place, reason in enumerate(reasons)]
    assert counted(rejects) == "2 products: imgs.N.picture is missing; 2 products: not a BSON document"


@pytest.mark.parametrize("missing", [1, 4, 60])
def test_a_truncated_catalog_ends_the_job_or_loses_its_last_product(tmp_path, missing):
    whole = b"".join(map(bson.encode, GOOD))
    path = tmp_path / "train.bson"
    path.write_bytes(whole[:-missing])
    offset = len(whole) - len(bson.encode(GOOD[2]))
    with pytest.raises(cli.UserError, match=rf"byte {offset}: product 9: the file ends {missing} bytes before"):
        index_of(path, "stop", 1)
    index, rejects = index_of(path, "skip", 1)
    assert index.product_id.tolist() == [7, 8, 8]
    assert [(reject[0], reject[1]) for reject in rejects] == [(offset, 9)]


@pytest.mark.parametrize("mode", ["stop", "skip"])
@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0", b"no catalog", bytes(1000), bson.encode({}) * 3])
def test_a_file_without_products_is_named_in_either_mode(tmp_path, mode, content):
    path = tmp_path / "train.bson"
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=r"train\.bson"):
        index_of(path, mode, 1)


def test_the_program_writes_index_and_rejects(tmp_path):
    path = write(tmp_path / "train.bson", [GOOD[0], FAULTS["imgs a text"][0], GOOD[2]])
    words = [
        "--processes",
        2,
        "--output",
        tmp_path / "r" / "train.parquet",
        "--rejects",
        tmp_path / "r" / "rejects.csv",
    ]
    done = run("index_catalog", path, "--on-bad-product", "skip", *words)
    assert done.returncode == 0, done.stderr
    assert read_index(tmp_path / "r" / "train.parquet").product_id.tolist() == [7, 9]
    with (tmp_path / "r" / "rejects.csv").open(newline="") as file:
        header, reject = csv.reader(file)
    assert header == ["offset", "product_id", "image", "reason"]
    assert reject == [str(len(bson.encode(GOOD[0]))), "8", "-1", "imgs is missing or not an array"]


def test_a_failed_program_leaves_nothing_behind(tmp_path):
    path = write(tmp_path / "train.bson", [GOOD[0], FAULTS["imgs a text"][0]])
    words = ["--processes", 2, "--output", tmp_path / "train.parquet", "--rejects", tmp_path / "rejects.csv"]
    line = error_of(run("index_catalog", path, "--on-bad-product", "stop", *words))
    assert "product 8" in line
    assert files_below(tmp_path) == {"train.bson"}


@pytest.mark.parametrize("killed", ["find_documents", "look_at_pictures"])
def test_a_dead_process_is_named_instead_of_waited_for(tmp_path, monkeypatch, killed):
    path = write(tmp_path / "train.bson", GOOD)
    monkeypatch.setattr(index_catalog, killed, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(cli.UserError, match="process died"):
        index_of(path, "stop", 2)


@pytest.mark.parametrize("left", [0, 1, 5000, 40_000, -1], ids=str)
@pytest.mark.parametrize("step", ["find_documents", "read_documents"])
def test_a_file_that_shrinks_while_it_is_read_is_one_line(tmp_path, monkeypatch, step, left):
    path = write(tmp_path / "train.bson", products(60))
    whole = getattr(index_catalog, step)

    def read_after_shrinking(*words):
        faulthandler.disable()  # pytest's, in this process alone, which a signal ends
        os.truncate(path, left % path.stat().st_size)
        return whole(*words)

    monkeypatch.setattr(index_catalog, step, read_after_shrinking)
    with pytest.raises(cli.UserError) as error:
        index_of(path, "skip", 2)
    assert str(error.value) == f"{path}: the file shrank while it was read; wait until nobody writes it, and run again"


@pytest.mark.parametrize("mode", ["stop", "skip"])
def test_a_file_of_another_kind_is_named_with_the_command_that_unpacks_it(tmp_path, mode):
    path = tmp_path / "my train.bson"
    path.write_bytes(gzip.compress(b"".join(map(bson.encode, GOOD))))
    with pytest.raises(cli.UserError, match="a gzip file; unpack it: ") as error:
        index_of(path, mode, 1)
    subprocess.run(str(error.value).partition("unpack it: ")[2], shell=True, check=True)
    assert indexed(path).product_id.tolist() == [7, 8, 8, 9]
