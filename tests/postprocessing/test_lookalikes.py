"""postprocessing/lookalikes.py: pairs of pictures of different categories, as a search of all pairs finds them."""

import numpy as np
import pandas as pd
import pytest

from postprocessing import lookalikes
from postprocessing.shards import Shards

PICTURES, COLUMNS, CLASSES = 300, 16, 6


@pytest.fixture
def drawn(tmp_path):
    """Features around a mean of each class and far from 0, in two shards; which class; one row has no pixels."""
    rng = np.random.default_rng(3)
    classes = rng.integers(0, CLASSES, PICTURES)
    rows = rng.normal(0, 1, (CLASSES, COLUMNS))[classes] + rng.normal(0, 0.7, (PICTURES, COLUMNS)) + 20
    rows[10], rows[200] = rows[11] + 1e-2, 0  # one is all but another one
    classes[10], classes[11] = 0, 1
    for shard, part in enumerate(np.array_split(rows.astype(np.float16), 2)):
        np.save(tmp_path / f"{shard}.npy", part)
    return Shards([tmp_path / "0.npy", tmp_path / "1.npy"], PICTURES), classes


def all_pairs(features: Shards, classes: np.ndarray) -> np.ndarray:
    """Cosines (pictures, pictures) of centred features; -1 in one category, and without pixels."""
    rows = features.read(np.arange(PICTURES)).astype(np.float64)
    has_pixels = rows.any(axis=1)
    rows -= rows[has_pixels].mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    is_compared = (classes[:, None] != classes) & has_pixels[:, None] & has_pixels
    return np.where(is_compared, rows @ rows.T, -1)


@pytest.mark.parametrize("sizes", [(4096, 32768), (7, 5)])
def test_the_most_alike_of_all_categories_is_that_of_all_pairs(drawn, monkeypatch, sizes):
    monkeypatch.setattr(lookalikes, "NEAREST", CLASSES)
    monkeypatch.setattr(lookalikes, "SEEKERS", sizes[0])
    monkeypatch.setattr(lookalikes, "COMPARED", sizes[1])
    expected = all_pairs(*drawn)
    best, twin = lookalikes.most_alike(*drawn, CLASSES)
    np.testing.assert_allclose(best, expected.max(axis=1), atol=1e-3)
    has_pixels = np.arange(PICTURES) != 200
    assert (twin[has_pixels] == expected.argmax(axis=1)[has_pixels]).mean() > 0.99
    assert (best[200], twin[200]) == (-1, -1)


def test_a_picture_is_compared_with_the_nearest_categories_alone(drawn, monkeypatch):
    monkeypatch.setattr(lookalikes, "NEAREST", 1)
    best, _ = lookalikes.most_alike(*drawn, CLASSES)
    expected = all_pairs(*drawn).max(axis=1)
    assert 0.5 < np.isclose(best, expected, atol=1e-3).mean() < 1
    assert (best < expected + 1e-3).all()


def index_of(classes: np.ndarray) -> pd.DataFrame:
    """A picture for each product, and one of product 5 in product 1000, of another category."""
    index = pd.DataFrame({"product_id": np.arange(PICTURES), "category_id": 10 * (classes + 1), "image": 0})
    index["md5_hi"] = index["md5_lo"] = index.product_id.astype(np.uint64)
    copied = index.iloc[[5]].assign(product_id=1000, category_id=10 * ((classes[5] + 1) % CLASSES + 1))
    return pd.concat([index, copied], ignore_index=True)


def test_a_product_is_listed_with_what_it_is_like(drawn):
    features, classes = drawn
    index = index_of(classes)
    found = lookalikes.lookalikes(index, index[:PICTURES], features)
    assert found.similarity.is_monotonic_decreasing
    assert found.similarity.min() >= lookalikes.LEAST_ALIKE
    first = found[:2].set_index("product_id")
    assert first.like_product_id.to_dict() == {10: 11, 11: 10}
    assert first.suggested_category_id.to_dict() == {10: 20, 11: 10}
    assert first.similarity.min() > 0.999
    assert (first.like_image == 0).all()


def test_pictures_that_several_categories_have_are_left_out(drawn):
    features, classes = drawn
    index = index_of(classes)
    index.loc[PICTURES, ["md5_hi", "md5_lo"]] = 10  # product 1000 has the picture of product 10
    found = lookalikes.lookalikes(index, index[:PICTURES], features)
    assert not {10, 11, 1000} & set(found.product_id[found.similarity > 0.999])


def test_one_category_has_no_lookalikes(drawn):
    best, _ = lookalikes.most_alike(drawn[0], np.zeros(PICTURES, np.int64), 1)
    assert (best == -1).all()
