"""calibrate_answers.py: what is measured of a product is by a calibration that its fold had no part in."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import calibrate_answers
from postprocessing.learning import FOLDS, folds_of
from test_evaluate_predictions import folder  # noqa: F401


def calibrate(
    folder: Path,  # noqa: F811
    monkeypatch,
    output: Path,
    splits: str = "AB",
    *more: object,
) -> tuple[dict, pd.DataFrame]:
    words = ["--classes", folder / "classes.csv", "--mean", "arithmetic", "--picture-md5", "unique",
             "--product-md5", "on", "--output", output, "--products", output.with_suffix(".parquet"),
             *more]  # fmt: skip
    for split in splits:
        words += ["--split", split, *(folder / f"{split}-{part}.parquet" for part in ("valid", "train", "images"))]
        words += ["--member", split, folder / f"{split}.npy"]
    monkeypatch.setattr(sys, "argv", ["calibrate_answers", *map(str, words)])
    calibrate_answers.main()
    return json.loads(output.read_text()), pd.read_parquet(output.with_suffix(".parquet"))


def test_there_is_a_row_per_measured_product_with_its_levels(folder, tmp_path, monkeypatch):  # noqa: F811
    found, products = calibrate(folder, monkeypatch, tmp_path / "c.json")
    measured = pd.merge(*(pd.read_parquet(folder / f"{split}-valid.parquet")[["product_id"]] for split in "AB"))
    ids = pd.read_parquet(folder / "A-valid.parquet").product_id.unique()
    ids = ids[np.isin(ids, measured.product_id)]
    assert found["products"] == len(products) == len(ids)
    np.testing.assert_array_equal(products.fold, folds_of(ids))
    levels = [name.removesuffix("_right") for name in products if name.endswith("_right")]
    assert levels == ["category", "level1"]  # a and b; below each of them, the other levels have one name
    assert (products.level1_probability >= products.category_probability - 1e-3).mean() > 0.8
    assert set(products.top) == {"a", "b"}
    assert set(products.decided_by) == {"networks", "known picture", "known product"}
    assert 0 < found["error_after"] < 1


def test_random_scores_are_made_soft_and_what_is_known_has_the_share_that_is_right(
    folder,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    found, products = calibrate(folder, monkeypatch, tmp_path / "c.json", "A")
    assert found["temperature"] > 3  # they say nothing
    assert found["error_after"] < found["error_before"]
    for name, share in found["shares_right"].items():
        right = products[products.decided_by == name].category_right
        assert share == pytest.approx((right.sum() + 1) / (len(right) + 2))


def test_a_member_of_products_counts_in_the_calibration(folder, tmp_path, monkeypatch):  # noqa: F811
    products = pd.read_parquet(folder / "A-valid.parquet").drop_duplicates("product_id")
    categories = pd.read_csv(folder / "classes.csv").category_id
    right = categories.to_numpy() == products.category_id.to_numpy()[:, None]
    np.save(tmp_path / "right.npy", right.astype(np.float16))
    more = ("--product-member", "A", tmp_path / "right.npy", "--weights", 1, 100)
    found, measured = calibrate(folder, monkeypatch, tmp_path / "c.json", "A", *more)
    of_networks = measured[measured.decided_by == "networks"]
    assert of_networks.category_right.all()
    assert found["temperature"] < 0.1  # it is always right


def test_the_products_of_a_fold_have_no_part_in_what_is_said_of_them(folder, tmp_path, monkeypatch):  # noqa: F811
    _, products = calibrate(folder, monkeypatch, tmp_path / "c.json", "A")
    for fold in range(FOLDS):
        known = products.decided_by == "known product"
        others = products[known & (products.fold != fold)]
        said = products[known & (products.fold == fold)].category_probability.unique()
        assert said == pytest.approx([(others.category_right.sum() + 1) / (len(others) + 2)])


def test_without_a_common_product_nothing_is_calibrated_and_a_note_says_so(folder, tmp_path, monkeypatch):  # noqa: F811
    rows = pd.read_parquet(folder / "B-valid.parquet")
    measured = pd.read_parquet(folder / "A-valid.parquet").product_id
    for name in ("C-train.parquet", "C-images.parquet", "C.npy"):
        (tmp_path / name).symlink_to(folder / name.replace("C", "B"))
    for name in ("A-valid.parquet", "A-train.parquet", "A-images.parquet", "A.npy", "classes.csv"):
        (tmp_path / name).symlink_to(folder / name)
    rows[~rows.product_id.isin(measured)].to_parquet(tmp_path / "C-valid.parquet", index=False)
    found, products = calibrate(tmp_path, monkeypatch, tmp_path / "c.json", "AC")
    assert (found["products"], found["temperature"], found["error_after"]) == (0, 1.0, None)
    assert found["note"].startswith("0 valid products that the networks decide are too few for a temperature (50)")
    assert products.empty
    assert "category_right" in products
