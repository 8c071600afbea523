"""audit_labels.py lists products whose label is wrong: by copies of their pictures, and by honest predictions."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit_labels
from programs import run
from tiny_catalogs import indexed, jpeg, write

CATEGORIES = (10, 20, 30)
PRODUCTS = 120
FLIPPED = {7: 10, 40: 30}  # products whose category is another one than their models see


def index_of(*rows: tuple[int, int, int]) -> pd.DataFrame:
    """Rows (product, category, picture) as an index."""
    index = pd.DataFrame(rows, columns=["product_id", "category_id", "md5_hi"])
    index["image"] = index.groupby("product_id").cumcount()
    return index.assign(md5_lo=index.md5_hi.astype("uint64"), md5_hi=index.md5_hi.astype("uint64"))


def test_the_category_of_fewer_products_is_doubted_and_of_equal_ones_both():
    index = index_of((1, 10, 5), (2, 10, 5), (3, 20, 5), (4, 10, 6), (5, 30, 6), (6, 10, 7), (7, 10, 7))
    found = audit_labels.conflicting_copies(index).set_index("product_id")
    counts = found[["suggested_category_id", *audit_labels.COUNTS]]
    assert counts.loc[3].tolist() == [10, 1, 2, 2]
    assert counts.loc[4].tolist() == [30, 1, 1, 2]
    assert counts.loc[5].tolist() == [10, 1, 1, 2]
    assert set(found.index) == {3, 4, 5}


def test_a_picture_counts_once_per_product_and_a_product_has_its_strongest_evidence():
    index = index_of((1, 10, 5), (1, 10, 5), (1, 10, 5), (2, 20, 5), (3, 20, 5), (1, 10, 8), (4, 30, 8))
    found = audit_labels.conflicting_copies(index).set_index("product_id")
    assert found.loc[1, ["suggested_category_id", "image", *audit_labels.COUNTS]].tolist() == [20, 0, 1, 2, 2]


def test_a_prediction_contradicts_where_it_is_as_sure_as_of_that_categorys_own():
    said = pd.DataFrame(
        {
            "product_id": range(14),
            "label": [0] * 6 + [1] * 6 + [0, 0],
            "best": [0] * 6 + [1] * 6 + [1, 1],
            "of_label": [0.9] * 6 + [0.6] * 6 + [0.1, 0.3],
            "of_best": [0.9] * 6 + [0.6] * 6 + [0.61, 0.59],
            "models": 2,
        }
    )
    found = audit_labels.contradicted(said, np.array([10, 20]))
    assert found.product_id.tolist() == [12]
    assert (found.category_id.item(), found.suggested_category_id.item()) == (10, 20)
    assert found.threshold.item() == pytest.approx(0.6)


def test_a_category_of_few_products_has_the_threshold_of_all():
    said = pd.DataFrame({"label": [0] * 8 + [1], "of_label": [0.5] * 8 + [0.95]})
    assert audit_labels.thresholds(said, 3).tolist() == pytest.approx([0.5, 0.55, 0.55])
    unsure = said.assign(of_label=said.of_label / 10)
    assert audit_labels.thresholds(unsure, 3).tolist() == [0.5] * 3  # of two categories, either may be the likelier one


class Case:
    """A catalog of which two products have a wrong category, and one of these shares a picture with its true one."""

    def __init__(self, folder: Path):
        self.folder = folder
        truth = {number: CATEGORIES[number % 3] for number in range(PRODUCTS)}
        products = [
            {
                "_id": number,
                "category_id": FLIPPED.get(number, category),
                "imgs": [{"picture": jpeg(number)}, *([{"picture": jpeg(1000)}] if number in (7, 10, 13) else [])],
            }
            for number, category in truth.items()
        ]
        index = indexed(write(folder / "train.bson", products))
        index.to_parquet(folder / "train.parquet", index=False)
        rows = index[~index.duplicated(["md5_hi", "md5_lo"])]
        rows.to_parquet(folder / "images.parquet", index=False)
        names = "".join(f"{number},{each},A,<b>,{each}\n" for number, each in enumerate(CATEGORIES))
        (folder / "classes.csv").write_text(f"class_id,category_id,level1,level2,level3\n{names}")
        scores = np.random.default_rng(0).normal(0, 0.5, (len(rows), 3))
        scores[np.arange(len(rows)), rows.product_id % 3] += np.where(rows.product_id.isin(FLIPPED), 6, 3)
        powers = np.exp(scores)
        np.save(folder / "0000.npy", (powers / powers.sum(axis=1, keepdims=True)).astype(np.float16))

    def audit(self, monkeypatch, *more: object, valid: str = "train.parquet") -> pd.DataFrame:
        words = ["--split", "1", self.folder / valid, self.folder / "images.parquet", "--classes"]
        words += [self.folder / "classes.csv", "--member", "M01", "1", self.folder / "0000.npy", "--index"]
        words += [self.folder / "train.parquet", "--catalog", self.folder / "train.bson"]
        words += ["--output", self.folder / "labels.csv", "--page", self.folder / "labels.html", *more]
        monkeypatch.setattr(sys, "argv", ["audit_labels", *map(str, words)])
        audit_labels.main()
        return pd.read_csv(self.folder / "labels.csv")


def test_wrong_labels_come_first_and_both_kinds_of_evidence_before_one(tmp_path, monkeypatch):
    found = Case(tmp_path).audit(monkeypatch)
    first = found.iloc[:3]
    assert first.product_id.tolist() == [7, 7, 40]
    assert first.kind.tolist() == ["prediction", "copies", "prediction"]
    assert first.suggested_category_id.tolist() == [20] * 3
    assert first.category.tolist() == ["A / <b> / 10"] * 2 + ["A / <b> / 30"]
    copies = found[found.kind == "copies"].iloc[0]
    assert copies.picture_md5 == hashlib.md5(jpeg(1000)).hexdigest()
    html = (tmp_path / "labels.html").read_text()
    assert html.count("&lt;b&gt;") >= 6
    assert "<b>" not in html


def test_a_picture_that_looks_like_one_of_another_category_is_shown_beside_it(tmp_path, monkeypatch):
    case = Case(tmp_path)
    rows = pd.read_parquet(tmp_path / "images.parquet")
    features = np.random.default_rng(2).normal(0, 1, (len(rows), 64)).astype(np.float16)
    alike = [int(np.flatnonzero((rows.product_id == product) & (rows.image == 0))[0]) for product in (40, 42)]
    features[alike[0]] = features[alike[1]]
    parts = [slice(0, 50), slice(50, None)]
    for number, part in enumerate(parts):
        rows[part].to_parquet(tmp_path / f"list-{number}.parquet", index=False)
        np.save(tmp_path / f"features-{number}.npy", features[part])
    more = ["--feature-images", *(tmp_path / f"list-{number}.parquet" for number in range(2))]
    more += ["--features", *(tmp_path / f"features-{number}.npy" for number in range(2))]
    found = case.audit(monkeypatch, *more)
    by_features = found[found.kind == "features"]
    assert dict(zip(by_features.product_id, by_features.like_product_id, strict=True)) == {40: 42, 42: 40}
    assert by_features.similarity.tolist() == [1.0, 1.0]
    written = pd.read_csv(tmp_path / "labels.csv", dtype=str)
    assert set(written.like_product_id.dropna()) == {"40", "42"}
    assert by_features.image.tolist() == by_features.like_image.tolist() == [0, 0]
    assert set(found.product_id[:4]) == {7, 40}  # two kinds speak against each
    page = (tmp_path / "labels.html").read_text()
    assert "By features: 2 products" in page
    assert "cosine 1.00 with a picture of that category" in page
    without = case.audit(monkeypatch)
    assert set(without.kind) == {"prediction", "copies"}
    assert len(without) == len(found) - 2


def test_without_a_trained_model_copies_are_listed(tmp_path):
    case = Case(tmp_path)
    words = ["--classes", tmp_path / "classes.csv", "--index", tmp_path / "train.parquet"]
    words += ["--catalog", tmp_path / "train.bson", "--output", tmp_path / "labels.csv", "--page", tmp_path / "p.html"]
    done = run("audit_labels", *words)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(case.folder / "labels.csv").kind) == {"copies"}


def test_where_nothing_speaks_against_a_label_the_list_is_empty(tmp_path, monkeypatch):
    case = Case(tmp_path)
    index = pd.read_parquet(tmp_path / "train.parquet")
    clean = index[~index.product_id.isin(FLIPPED) & (index.image == 0)]
    clean.to_parquet(tmp_path / "train.parquet", index=False)
    found = case.audit(monkeypatch)
    assert found.empty
    assert list(found.columns[:2]) == ["kind", "product_id"]
    assert "By prediction: 0 products" in (tmp_path / "labels.html").read_text()
