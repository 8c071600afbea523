"""generate_catalog draws what the demo needs: every trait of the published catalog, from a seed."""

import collections
import hashlib
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd
import pytest

from programs import run


def generate(folder: Path, seed: int = 3) -> Path:
    sizes = ["--train-products", 300, "--test-products", 100]
    done = run("generate_catalog", *sizes, "--seed", seed, "--output-folder", folder)
    assert done.returncode == 0, done.stderr
    return folder


def products(path: Path) -> list[dict]:
    with path.open("rb") as catalog:
        return list(bson.decode_file_iter(catalog))


def digests(product: dict) -> list[str]:
    return [hashlib.md5(image["picture"]).hexdigest() for image in product["imgs"]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("catalog"))


def test_sizes_and_fields_are_as_asked(catalog):
    train, test = products(catalog / "train.bson"), products(catalog / "test.bson")
    assert (len(train), len(test)) == (300, 100)
    assert all(list(product) == ["_id", "category_id", "imgs"] for product in train)
    assert all(list(product) == ["_id", "imgs"] for product in test)
    assert len({product["_id"] for product in train + test}) == 400


def test_pictures_are_1_to_4_jpegs_of_180_pixels(catalog):
    train = products(catalog / "train.bson")
    assert {len(product["imgs"]) for product in train} == {1, 2, 3, 4}
    for image in train[0]["imgs"] + train[-1]["imgs"]:
        assert cv2.imdecode(np.frombuffer(image["picture"], np.uint8), cv2.IMREAD_COLOR).shape == (
            180,
            180,
            3,
        )


def test_categories_are_imbalanced_and_all_named(catalog):
    names = pd.read_csv(catalog / "category_names.csv")
    counts = collections.Counter(product["category_id"] for product in products(catalog / "train.bson"))
    assert set(counts) <= set(names.category_id)
    assert max(counts.values()) > 4 * min(counts.values())
    assert names.iloc[:, 1:].apply(tuple, axis=1).is_monotonic_increasing
    assert not names.category_id.is_monotonic_increasing


def test_copies_join_products_categories_and_train_with_test(catalog):
    train, test = products(catalog / "train.bson"), products(catalog / "test.bson")
    owners = collections.defaultdict(set)
    for product in train:
        for digest in digests(product):
            owners[digest].add((product["_id"], product["category_id"]))
    copied = [owner for owner in owners.values() if len(owner) > 1]
    assert copied
    assert any(len({category for _, category in owner}) > 1 for owner in copied)
    assert any(digest in owners for product in test for digest in digests(product))
    assert any(sorted(digests(a)) == sorted(digests(b)) for a in test for b in train)


def test_the_truth_lists_the_test_products_in_order(catalog):
    truth = pd.read_csv(catalog / "test_categories.csv")
    assert truth["_id"].tolist() == [product["_id"] for product in products(catalog / "test.bson")]
    assert set(truth.category_id) <= set(pd.read_csv(catalog / "category_names.csv").category_id)


def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(catalog, tmp_path):
    again, other = generate(tmp_path / "again"), generate(tmp_path / "other", seed=4)
    assert (again / "train.bson").read_bytes() == (catalog / "train.bson").read_bytes()
    assert (other / "train.bson").read_bytes() != (catalog / "train.bson").read_bytes()
