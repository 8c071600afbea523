"""postprocessing/steps.py: each step is an entry of a list, and what it adds follows from that."""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cli
from catalog.known import Known
from catalog.layout import NO_CATEGORY
from known_products import all_known, index_of
from postprocessing import steps
from postprocessing.means import Mean
from postprocessing.pictures import Members
from postprocessing.products import product_means, rows_of_products
from postprocessing.shards import Shards

LARGE = 2**53 + 1  # a category id that float64 does not hold
CLASSES = pd.DataFrame({"class_id": range(3), "category_id": [10, LARGE, 30]})


KNOWN = index_of([(101, LARGE, 1), (102, 30, 2), (103, 30, 3), (103, 30, 4), (104, 10, 5), (105, 30, 5)])
# By the networks product 1 is of class 0, product 2 of class 1; product 3 does not decode.
INDEX = index_of([(1, 10, 1), (1, 10, 9), (2, 10, 7), (2, 10, 4), (3, 10, 5)])
PROBABILITIES = [[0.9, 0, 0.1], [0.8, 0, 0.2], [0, 0.9, 0.1], [0, 0.9, 0.1], [0] * 3]


@pytest.fixture
def members(tmp_path) -> Members:
    np.save(tmp_path / "0.npy", np.array(PROBABILITIES, np.float16))
    shards = Shards([tmp_path / "0.npy"], len(INDEX), len(CLASSES))
    chosen = {"picture_md5": "unique", "product_md5": "on"}
    pictures = steps.PostProcessing(CLASSES, chosen).image_set(INDEX, INDEX, all_known(KNOWN))
    return Members([(pictures, shards)], Mean("arithmetic", [1.0]))


def categorized(members: Members, known: pd.DataFrame = KNOWN, **chosen: str) -> pd.DataFrame:
    processing = steps.PostProcessing(CLASSES, {"picture_md5": "unique", "product_md5": "on"} | chosen)
    pictures = processing.image_set(INDEX, INDEX, all_known(known))
    sources = [(pictures, shards) for _, shards in members.sources]
    return processing.categorize(INDEX, Members(sources, members.mean), all_known(known), steps.scored())


def test_labels_of_pictures_take_part_in_the_mean_and_no_digit_of_a_category_is_lost(members):
    products = categorized(members)
    assert products.networks.tolist() == [10, LARGE, 30]
    assert products.picture_md5.tolist() == [LARGE, 30, 30]
    assert products.product_md5.tolist() == products.picture_md5.tolist()
    assert products.dtypes[list(steps.names())].tolist() == [np.int64] * 3
    np.testing.assert_array_equal(products.confidence == 0, [False, False, True])


def test_a_member_of_products_counts_like_the_mean_over_the_pictures_of_one_of_pictures(members, tmp_path):
    """Published order: pictures are averaged per product, then models."""
    [(pictures, shards)] = members.sources
    of_products = np.array([[0, 0.4, 0.6], [0.7, 0.3, 0], [0.5, 0.25, 0.25]], np.float16)
    np.save(tmp_path / "products.npy", of_products)
    rows = rows_of_products(INDEX, INDEX)
    assert rows.tolist() == [0, 0, 1, 1, 2]
    source = (replace(pictures, rows=rows), Shards([tmp_path / "products.npy"], 3, len(CLASSES)))
    both = Members([(pictures, shards), source], Mean("arithmetic", [1.0, 3.0]))
    found = product_means(both.vectors(slice(0, 5), steps.NETWORKS), np.array([0, 2, 4]))
    of_pictures = np.array([[0.85, 0, 0.15], [0, 0.9, 0.1]])
    np.testing.assert_allclose(found[:2], of_pictures / 4 + of_products[:2] * 3 / 4, atol=1e-3)
    alone = Members([source], Mean("arithmetic", [1.0]))
    np.testing.assert_allclose(
        product_means(alone.vectors(slice(0, 5), steps.NETWORKS), np.array([0, 2, 4])), of_products
    )
    # Labels of pictures 1, 7 or 4, and 5 count as one picture each.
    labelled = product_means(alone.vectors(slice(0, 5), "picture_md5"), np.array([0, 2, 4]))
    np.testing.assert_allclose(labelled[0], (of_products[0] + np.array([0, 1, 0])) / 2, atol=1e-3)


def test_products_of_a_part_find_their_rows_among_all(members):
    part = INDEX[INDEX.product_id.isin([3, 2])].iloc[::-1]
    assert rows_of_products(part, INDEX).tolist() == [2, 1, 1]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_probability_that_is_not_finite_is_named_with_its_shard_and_row(members, tmp_path, number):
    probabilities = np.array(PROBABILITIES, np.float16)
    probabilities[3, 2] = number
    paths = [tmp_path / f"{name}.npy" for name in ("1", "2")]
    for path, part in zip(paths, (probabilities[:2], probabilities[2:]), strict=True):
        np.save(path, part)
    shards = Shards(paths, len(INDEX), len(CLASSES))
    damaged = Members([*members.sources, (members.sources[0][0], shards)], Mean("geometric", [1.0, 1.0]))
    with pytest.raises(
        cli.UserError, match=r"2\.npy: row 1: probabilities that are not finite; predict the shard again"
    ):
        categorized(damaged)


def test_a_product_with_the_pictures_of_known_products_takes_their_category(members):
    twin = pd.concat([KNOWN, index_of([(106, LARGE, 4), (106, LARGE, 7)])])
    assert categorized(members, twin, picture_md5="off").product_md5.tolist() == [10, LARGE, 30]
    twin = pd.concat([KNOWN, index_of([(106, LARGE, 1), (106, LARGE, 9)])])
    found = categorized(members, twin, picture_md5="off")
    assert found.picture_md5.tolist() == [10, LARGE, 30]
    assert found.product_md5.tolist() == [LARGE, LARGE, 30]
    assert categorized(members, twin, picture_md5="off", product_md5="off").product_md5.tolist() == [10, LARGE, 30]


def test_steps_that_are_added_to_the_lists_have_options_columns_and_words(members, monkeypatch):
    def second_pictures(index: pd.DataFrame, _: Known) -> np.ndarray:
        return np.where(index.image == 1, 30, NO_CATEGORY)

    def first_product(index: pd.DataFrame, _: Known) -> pd.Series:
        return pd.Series({index.product_id.iloc[0]: 10})

    pictures = steps.Step("second", "second pictures", {"on": second_pictures})
    products = steps.Step("first", "a whim", {"always": first_product, "never": lambda *_: pd.Series(dtype=np.int64)})
    monkeypatch.setattr(steps, "PICTURE_STEPS", (*steps.PICTURE_STEPS, pictures))
    monkeypatch.setattr(steps, "PRODUCT_STEPS", (*steps.PRODUCT_STEPS, products))
    assert steps.names() == ("networks", "picture_md5", "second", "product_md5", "first")
    parser = argparse.ArgumentParser()
    steps.add_options(parser)
    words = ["--picture-md5", "unique", "--second", "on", "--product-md5", "off", "--first", "always"]
    chosen = steps.choices(parser.parse_args(words))
    assert steps.labels_taken(chosen) == "known pictures (unique) and second pictures and a whim (always)"
    found = categorized(members, **chosen)
    assert found.second.tolist() == [LARGE, 30, 30]
    assert found["first"].tolist() == [10, 30, 30]


def test_a_picture_that_is_neither_predicted_nor_known_is_named():
    processing = steps.PostProcessing(CLASSES, {"picture_md5": "unique", "product_md5": "on"})
    with pytest.raises(cli.UserError, match=r"^product 1, picture 1: neither predicted nor known \(2 such pictures\)"):
        processing.image_set(INDEX, INDEX[3:], all_known(KNOWN))
