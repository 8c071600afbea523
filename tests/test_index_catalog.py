"""index_catalog.py: a row per picture as a plain reader finds it, and every fault of a catalog named or listed."""

import csv
import hashlib
import os
import signal
import struct
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest
from bson.int64 import Int64

import cli
import index_catalog
from catalog.index import read_index
from catalog.layout import ROW
from catalog.rejects import WHOLE_PRODUCT, counted, read_rejects
from checkout import GROCERY
from drawn_pictures import FORMATS, OTHERS, PLAIN_JPEGS, UNUSUAL_JPEGS
from loading.formats import KINDS, PLAIN_JPEG
from programs import error_of, run
from tiny_catalogs import files_below, indexed, jpeg, product, products, with_huge_sides, write


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
            document = fields["_id"], fields.get("category_id", -1), number, offset, size
            rows.append((*document, searched - len(picture), len(picture), PLAIN_JPEG, *halves))
        offset += size
    return rows


def rows_of(index: pd.DataFrame) -> list[tuple]:
    return list(index.itertuples(index=False, name=None))


@pytest.mark.parametrize("processes", [1, 3])
def test_rows_are_those_of_a_plain_reader_however_many_processes(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(index_catalog, "BLOCK", 5000)
    path = write(tmp_path / "train.bson", products(60))
    index, rejects = index_catalog.index_catalog(path, "stop", processes)
    assert rows_of(index) == plain_index(path)
    assert list(index.columns) == list(ROW.names)
    assert rejects == []


@pytest.mark.skipif(not GROCERY.is_dir(), reason="the grocery catalog is not beside the checkout")
@pytest.mark.parametrize("name", ["train.bson", "test.bson"])
def test_a_real_catalog_is_indexed_as_by_a_plain_reader(name):
    index, _ = index_catalog.index_catalog(GROCERY / name, "stop", 2)
    assert rows_of(index) == plain_index(GROCERY / name)


@pytest.mark.parametrize("id_type", [int, Int64])
@pytest.mark.parametrize("category_type", [int, Int64, None])
def test_integers_of_both_sizes_are_read(tmp_path, id_type, category_type):
    numbers = [3, 2**31 - 1] + ([2**40] if id_type is Int64 else [])
    documents = [
        product(id_type(number), [jpeg(1), jpeg(2)], category_type and category_type(1000 + place))
        for place, number in enumerate(numbers)
    ]
    path = write(tmp_path / "a.bson", documents)
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
    "_id a text": (bson.encode({**GOOD[1], "_id": "8"}), "_id is missing or not an integer", None),
    "_id a truth": (bson.encode({**GOOD[1], "_id": True}), "_id is missing or not an integer", None),
    "category_id missing": (bson.encode({"_id": 8, "imgs": GOOD[1]["imgs"]}), "category_id is missing", 8),
    "category_id a text": (bson.encode({**GOOD[1], "category_id": "x"}), "category_id is missing or not", 8),
    "category_id a fraction": (bson.encode({**GOOD[1], "category_id": 10.0}), "category_id is missing or not", 8),
    "category_id null": (bson.encode({**GOOD[1], "category_id": None}), "category_id is missing or not", 8),
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
    "deep nesting": (nested(50_000), "not a BSON document", 8),
    "listed twice": (bson.encode({**GOOD[1], "_id": 7}), "an earlier product has this _id", 7),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_the_job_with_file_offset_and_product(tmp_path, name):
    bad, reason, product_id = FAULTS[name]
    path = write(tmp_path / "train.bson", [GOOD[0], bad, GOOD[2]])
    with pytest.raises(cli.UserError) as error:
        index_catalog.index_catalog(path, "stop", 1)
    line = str(error.value)
    assert f"{path}: byte {len(bson.encode(GOOD[0]))}: " in line
    assert reason in line
    assert "\n" not in line
    assert "on_bad_product: skip" in line
    if product_id is not None:
        assert f"product {product_id}: " in line


@pytest.mark.parametrize("name", FAULTS)
def test_skip_lists_the_fault_and_keeps_the_other_products(tmp_path, name):
    bad, reason, product_id = FAULTS[name]
    path = write(tmp_path / "train.bson", [GOOD[0], bad, GOOD[2]])
    index, rejects = index_catalog.index_catalog(path, "skip", 1)
    assert index.product_id.tolist() == [7, 9]
    assert rejects[0][:2] == (len(bson.encode(GOOD[0])), product_id)
    assert reason in rejects[0][3]


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
        index_catalog.index_catalog(path, "stop", 1)
    way_out = "mend it, or set on_bad_product: skip to go on without"
    assert str(error.value) == f"{path}: byte {offset}: product 8: picture 1: {reason}; {way_out}"
    index, rejects = index_catalog.index_catalog(path, "skip", 1)
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
        index_catalog.index_catalog(path, "skip", 1, 0.29)
    assert str(error.value) == (
        f"{path}: 3 of 10 products have a fault, more than 29% ({counts}); mend the catalog, or raise the config key"
        " most_bad_products"
    )
    assert len(index_catalog.index_catalog(path, "skip", 1, 0.3)[1]) == 4
    words = ["--processes", 1, "--output", tmp_path / "a.parquet", "--rejects", tmp_path / "a.csv"]
    done = run("index_catalog", path, "--on-bad-product", "skip", "--most-bad-products", 0.3, *words)
    assert f"warning: {path}: left out, as {tmp_path}/a.csv lists: {counts}" in done.stderr.splitlines()
    assert "8 products, 8 pictures, 4 rejects" in done.stderr
    assert read_rejects(tmp_path / "a.csv") == index_catalog.index_catalog(path, "skip", 1)[1]


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
        index_catalog.index_catalog(path, "stop", 1)
    index, rejects = index_catalog.index_catalog(path, "skip", 1)
    assert index.product_id.tolist() == [7, 8, 8]
    assert [(reject[0], reject[1]) for reject in rejects] == [(offset, 9)]


def test_a_catalog_without_any_category_is_a_test_catalog_and_fine(tmp_path):
    path = write(tmp_path / "test.bson", [product(number, [jpeg(number)], None) for number in range(5)])
    assert (indexed(path).category_id == -1).all()


@pytest.mark.parametrize("mode", ["stop", "skip"])
@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0", b"no catalog", bytes(1000), bson.encode({}) * 3])
def test_a_file_without_products_is_named_in_either_mode(tmp_path, mode, content):
    path = tmp_path / "train.bson"
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=r"train\.bson"):
        index_catalog.index_catalog(path, mode, 1)


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


def test_a_dead_process_is_named_instead_of_waited_for(tmp_path, monkeypatch):
    path = write(tmp_path / "train.bson", GOOD)
    monkeypatch.setattr(index_catalog, "index_documents", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(cli.UserError, match="process died"):
        index_catalog.index_catalog(path, "stop", 2)


def test_nothing_is_lost_between_blocks(monkeypatch):
    monkeypatch.setattr(index_catalog, "BLOCK", 100)
    sizes = np.array([30, 30, 30, 30, 250, 10, 90])
    documents = np.zeros(len(sizes), [("offset", np.int64), ("size", np.int64)])
    documents["offset"], documents["size"] = np.cumsum(sizes) - sizes, sizes
    groups = index_catalog.blocks(documents)
    assert len(groups) > 2
    assert np.array_equal(np.concatenate(groups), documents)
