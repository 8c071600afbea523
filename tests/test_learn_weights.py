"""learn_weights.py on drawn members whose quality is known: of one split, of two that share few products, of none."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
import learn_weights
from postprocessing.learned import Combination, read_learned
from postprocessing.learning import FOLDS, folds_of

CLASSES = 6
PRODUCTS = 900


def index_of(products: range) -> pd.DataFrame:
    """Two pictures per product; the category is the product's number modulo CLASSES, plus 100."""
    ids = np.repeat(np.array(products, np.int64), 2)
    pictures = np.arange(2 * products.start, 2 * products.start + len(ids))
    columns = {"product_id": ids, "category_id": 100 + ids % CLASSES, "md5_hi": pictures, "md5_lo": pictures}
    return pd.DataFrame(columns).astype({"md5_hi": "uint64", "md5_lo": "uint64"})


def said(index: pd.DataFrame, strength: float, seed: int) -> np.ndarray:
    """Probabilities of pictures, the more right the stronger."""
    scores = np.random.default_rng(seed).normal(0, 1, (len(index), CLASSES))
    scores[np.arange(len(index)), index.category_id - 100] += strength
    powers = np.exp(scores)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float16)


class Case:
    """Splits by name, as ranges of their valid products, and members by name: splits and strength."""

    def __init__(self, folder: Path, splits: dict[str, range], members: dict[str, tuple[str, float]]):
        self.folder, self.members = folder, members
        self.words = []
        for name, products in splits.items():
            index_of(products).to_parquet(folder / f"{name}.parquet", index=False)
            self.words += ["--split", name, folder / f"{name}.parquet", folder / f"{name}.parquet"]
        for seed, (model, (seeds, strength)) in enumerate(members.items()):
            np.save(folder / f"{model}.npy", said(index_of(splits[seeds[0]]), strength, seed))
            self.words += ["--member", model, seeds, folder / f"{model}.npy"]
        ids = "".join(f"{number},{100 + number},a,b,c\n" for number in range(CLASSES))
        (folder / "classes.csv").write_text(f"class_id,category_id,level1,level2,level3\n{ids}")

    def learn(self, monkeypatch):
        output = self.folder / "learned.json"
        words = [*self.words, "--classes", self.folder / "classes.csv", "--output", output]
        monkeypatch.setattr(sys, "argv", ["learn_weights.py", *map(str, words)])
        learn_weights.main()
        return read_learned(output)


ONE_SPLIT = {"strong": ("A", 1.5), "other": ("A", 1.5), "guessing": ("A", 0.0)}


def test_members_that_help_count_alike_and_one_that_guesses_does_not(tmp_path, monkeypatch, capsys):
    found = Case(tmp_path, {"A": range(PRODUCTS)}, ONE_SPLIT).learn(monkeypatch)
    strong, other, guessing = found.combination.weights
    assert found.counting == ["strong", "other"]
    assert (guessing, found.combination.taken, found.note) == (0, "learned", "")
    assert strong == pytest.approx(other, abs=0.15)
    assert found.groups == [{"models": list(ONE_SPLIT), "products": PRODUCTS}]
    assert "2 of 3 count" in capsys.readouterr().err


def test_weights_of_a_fold_do_not_depend_on_its_products(tmp_path, monkeypatch):
    """What the members say of them is turned upside down: the weights without them stay, all others change."""
    case = Case(tmp_path, {"A": range(PRODUCTS)}, ONE_SPLIT)
    before = case.learn(monkeypatch)
    turned = np.repeat(folds_of(np.arange(PRODUCTS)) == 2, 2)
    for model in ("strong", "guessing"):
        rows = np.load(tmp_path / f"{model}.npy")
        rows[turned] = np.roll(rows[turned], 1, axis=1)
        np.save(tmp_path / f"{model}.npy", rows)
    after = case.learn(monkeypatch)
    assert len(after.folds) == FOLDS
    assert [one == other for one, other in zip(before.folds, after.folds, strict=True)] == [
        fold == 2 for fold in range(FOLDS)
    ]
    assert before.combination != after.combination


def test_splits_that_share_few_products_count_by_their_members(tmp_path, monkeypatch):
    splits = {"A": range(PRODUCTS), "B": range(PRODUCTS - 30, 2 * PRODUCTS)}
    members = {"a": ("A", 1.0), "b": ("A", 1.0), "c": ("B", 1.0)}
    found = Case(tmp_path, splits, members).learn(monkeypatch)
    assert [group["products"] for group in found.groups] == [PRODUCTS, PRODUCTS + 30]
    assert found.common_products == 30
    assert "splits share 30 valid products" in found.note
    assert found.combination.weights[2] == pytest.approx(1 / 3, abs=0.1)


def test_splits_that_share_nothing_can_be_combined_too(tmp_path, monkeypatch):
    splits = {"A": range(PRODUCTS), "B": range(PRODUCTS, 2 * PRODUCTS)}
    found = Case(tmp_path, splits, {"a": ("A", 1.0), "b": ("B", 1.0)}).learn(monkeypatch)
    assert (found.common_products, found.combination.weights) == (0, [0.5, 0.5])


def test_products_that_an_ancestor_trained_on_decide_nothing(tmp_path, monkeypatch):
    splits = {"A": range(PRODUCTS), "B": range(PRODUCTS - 250, PRODUCTS)}
    found = Case(tmp_path, splits, {"a": ("A,B", 1.0), "b": ("A,B", 0.5)}).learn(monkeypatch)
    assert [group["products"] for group in found.groups] == [250]


def test_few_products_are_told(tmp_path, monkeypatch, capsys):
    found = Case(tmp_path, {"A": range(40)}, ONE_SPLIT).learn(monkeypatch)
    assert "40 valid products decided weights" in found.note
    assert f"warning: {found.note}" in capsys.readouterr().err


def test_without_products_the_members_count_alike(tmp_path, monkeypatch):
    case = Case(
        tmp_path, {"A": range(PRODUCTS), "B": range(PRODUCTS, PRODUCTS + 9)}, {"a": ("A,B", 1), "b": ("A,B", 1)}
    )
    assert case.learn(monkeypatch).combination.weights == [0.5, 0.5]


def test_what_is_right_less_often_beyond_noise_is_not_taken():
    learned, plain, alone = (Combination(name, [1.0], [1.0]) for name in ("learned", "plain mean", "best member"))
    right = np.arange(1000) < 600
    slightly_more, clearly_more = np.arange(1000) < 603, np.arange(1000) < 640
    assert learn_weights.never_worse(learned, right, [(plain, slightly_more), (alone, right)]) is learned
    assert learn_weights.never_worse(learned, right, [(plain, slightly_more), (alone, clearly_more)]) is alone


def test_a_number_that_is_not_finite_is_one_line(tmp_path, monkeypatch):
    case = Case(tmp_path, {"A": range(PRODUCTS)}, ONE_SPLIT)
    rows = np.load(tmp_path / "other.npy")
    rows[7, 2] = np.nan
    np.save(tmp_path / "other.npy", rows)
    with pytest.raises(cli.UserError, match=r"other.npy: row 7: probabilities that are not finite"):
        case.learn(monkeypatch)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"combination": 1, "folds": []})])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "learned.json").write_text(content)
    with pytest.raises(
        cli.UserError, match=r"learned.json: not what learn_weights.py writes.*; delete it and run again"
    ):
        read_learned(tmp_path / "learned.json")
