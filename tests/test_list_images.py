"""list_images.py: each distinct picture whose label is not known, once, in the catalog's order."""

import hashlib
from collections import defaultdict
from pathlib import Path

import bson
import pandas as pd
import pytest

from programs import error_of, run
from tiny_catalogs import files_below, indexed, product, products, write


def plain_list(test: Path, known: Path, mode: str) -> list[tuple[int, int]]:
    """Product and place of the pictures to infer, by the bson library and dictionaries."""
    labels = defaultdict(set)
    for document in bson.decode_all(known.read_bytes()):
        for image in document["imgs"]:
            labels[hashlib.md5(image["picture"]).digest()].add((document["_id"], document["category_id"]))
    listed, seen = [], set()
    for document in bson.decode_all(test.read_bytes()):
        for number, image in enumerate(document["imgs"]):
            digest = hashlib.md5(image["picture"]).digest()
            categories = {category for product_id, category in labels[digest] if product_id != document["_id"]}
            if digest not in seen and (mode == "off" or len(categories) != 1):
                listed.append((document["_id"], number))
                seen.add(digest)
    return listed


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("catalogs")
    unlabelled = [
        product(fields["_id"] + number % 2, [image["picture"] for image in fields["imgs"]], None)
        for number, fields in enumerate(products(60, 2))  # every second product is in both
    ]
    indexed(write(folder / "known.bson", products(80, 1)))
    indexed(write(folder / "test.bson", unlabelled))
    return folder


def list_images(folder: Path, mode: str, output: Path):
    words = ["--picture-md5", mode, "--output", output]
    return run("list_images", "--index", folder / "test.parquet", "--known", folder / "known.parquet", *words)


@pytest.mark.parametrize("mode", ["unique", "majority", "off"])
def test_listed_pictures_are_those_of_a_plain_reader(catalogs, tmp_path, mode):
    done = list_images(catalogs, mode, tmp_path / "images.parquet")
    assert done.returncode == 0, done.stderr
    images = pd.read_parquet(tmp_path / "images.parquet")
    expected = plain_list(catalogs / "test.bson", catalogs / "known.bson", mode)
    assert list(zip(images.product_id, images.image, strict=True)) == expected
    index = pd.read_parquet(catalogs / "test.parquet")
    offsets = ["doc_offset", "image_offset", "image_size"]
    assert list(images.columns) == ["md5_hi", "md5_lo", "product_id", "product_text", "image", *offsets]
    assert len(images.merge(index, on=list(images.columns))) == len(images)


def test_products_that_are_sorted_again_are_among_them(catalogs):
    test, known = (pd.read_parquet(catalogs / f"{name}.parquet").product_id for name in ("test", "known"))
    assert 20 < test.isin(known).sum() < len(test)


def test_known_labels_save_passes_and_conflicting_ones_do_not(catalogs):
    counts = {
        mode: len(plain_list(catalogs / "test.bson", catalogs / "known.bson", mode)) for mode in ("unique", "off")
    }
    assert 0 < counts["unique"] < counts["off"]


def test_a_missing_index_is_named_and_nothing_written(catalogs, tmp_path):
    done = run("list_images", "--index", tmp_path / "none.parquet", "--known", catalogs / "known.parquet",
               "--picture-md5", "off", "--output", tmp_path / "images.parquet")  # fmt: skip
    assert "none.parquet: no such file" in error_of(done)
    assert files_below(tmp_path) == set()


def test_a_file_that_is_no_index_is_named(catalogs, tmp_path):
    (tmp_path / "index.parquet").write_bytes(b"no index")
    done = run("list_images", "--index", tmp_path / "index.parquet", "--known", catalogs / "known.parquet",
               "--picture-md5", "off", "--output", tmp_path / "images.parquet")  # fmt: skip
    assert "not an index" in error_of(done)
