"""evaluate_predictions.py beside the published rules, told again in published_rules.py."""

import argparse

import numpy as np
import pandas as pd
import pytest
import tiny_catalogs
from published_rules import Rules

import evaluate_predictions
import list_images
from catalog.classes import read_classes
from evaluate_predictions import Split

CATEGORY_IDS = [30, 10, 20]
MEMBERS = ("1", "1", "7")  # the split of each


class Case:
    """A train catalog split twice, and three members' probabilities of the valid pictures of their split."""

    def __init__(self, folder, mode: str = "unique", product_md5: str = "on"):
        self.folder, self.mode, self.product_md5 = folder, mode, product_md5
        self.products = tiny_catalogs.products(120, seed=4)
        for product, twin in zip(self.products[::4], self.products[1::4], strict=True):
            product["imgs"] = twin["imgs"][::-1]
        index = tiny_catalogs.indexed(tiny_catalogs.write(folder / "train.bson", self.products))
        rng = np.random.default_rng(9)
        self.splits, self.valid, self.probabilities, self.members = {}, {}, [], []
        for name, share in (("1", 0.5), ("7", 0.6)):
            ids = [product["_id"] for product in self.products if rng.random() < share]
            valid, train = index[index.product_id.isin(ids)], index[~index.product_id.isin(ids)]
            listed = valid[list_images.needs_forward_pass(valid, train, mode)]
            self.splits[name] = Split(*(frame.reset_index(drop=True) for frame in (valid, train, listed)))
            self.valid[name] = set(ids)
        for number, name in enumerate(MEMBERS):
            images = self.splits[name].images
            values = rng.dirichlet([0.3] * len(CATEGORY_IDS), len(images)).astype(np.float16)
            np.save(folder / f"{number}.npy", values)
            digests = [
                (int(high) << 64 | int(low)).to_bytes(16, "big")
                for high, low in zip(images.md5_hi, images.md5_lo, strict=True)
            ]
            self.probabilities.append(dict(zip(digests, values.astype(float), strict=True)))
            self.members.append((name, [folder / f"{number}.npy"]))
        rows = [f"{number},{category},L{category % 20},B,{category}\n" for number, category in enumerate(CATEGORY_IDS)]
        (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + "".join(rows))

    def known(self, *names: str) -> list[dict]:
        """The products that all these splits train on."""
        return [p for p in self.products if not any(p["_id"] in self.valid[name] for name in names)]

    def measured(self) -> list[dict]:
        return [p for p in self.products if all(p["_id"] in ids for ids in self.valid.values())]

    def evaluate(self, weights: list[float] | None = None) -> dict:
        args = argparse.Namespace(
            mean="arithmetic", weights=weights, picture_md5=self.mode, product_md5=self.product_md5
        )
        classes = read_classes(self.folder / "classes.csv")
        return evaluate_predictions.evaluate(self.splits, self.members, classes, args)

    def expected(self, mode: str, override: bool, weights: tuple = (1, 1, 1)) -> list[int]:
        """The category of each measured product."""
        together = Rules(self.known(*self.valid), CATEGORY_IDS, mode)
        own = {name: Rules(self.known(name), CATEGORY_IDS, mode) for name in self.valid}
        found = []
        for product in self.measured():
            vectors = [
                own[name].picture_vectors(product, values)
                for name, values in zip(MEMBERS, self.probabilities, strict=True)
            ]
            means = [np.average(pictures, axis=0, weights=weights) for pictures in zip(*vectors, strict=True)]
            category = together.best_category(means)
            found.append(together.overridden(product, category) if override else category)
        return found


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(tmp_path)


def share_right(case: Case, categories: list[int]) -> float:
    return float(np.mean([p["category_id"] == c for p, c in zip(case.measured(), categories, strict=True)]))


@pytest.mark.parametrize("mode", ["unique", "majority", "off"])
def test_each_step_is_the_published_rule_on_products_that_no_member_trained_on(tmp_path, mode):
    """`off` lists every picture, so that its networks-only step can be told again too."""
    case = Case(tmp_path, mode)
    result = case.evaluate()
    steps = result["steps"]
    labelled, final = case.expected(mode, override=False), case.expected(mode, override=True)
    assert result["products"] == len(case.measured()) > 20
    assert steps["picture_md5"]["accuracy"] == share_right(case, labelled)
    assert steps["product_md5"]["accuracy"] == result["accuracy"] == share_right(case, final)
    assert steps["product_md5"]["changed_products"] == sum(a != b for a, b in zip(labelled, final, strict=True)) > 0
    if mode == "off":
        assert steps["networks"]["accuracy"] == share_right(case, labelled)
        assert steps["picture_md5"]["changed_products"] == 0


def test_weights_count(case):
    case.mode, case.product_md5 = "unique", "off"
    plain, weighted = case.evaluate(), case.evaluate(weights=[8, 1, 1])
    assert weighted["accuracy"] == share_right(case, case.expected("unique", override=False, weights=(8, 1, 1)))
    assert weighted["steps"] != plain["steps"]


def test_a_valid_product_among_the_known_ones_is_a_fault(case):
    """It would tell its own pictures' category."""
    split = case.splits["7"]
    leak = split.valid[split.valid.product_id == case.measured()[0]["_id"]]
    case.splits["7"] = Split(split.valid, pd.concat([split.train, leak]), split.images)
    with pytest.raises(ValueError, match="1 products of the image set are among the known ones"):
        case.evaluate()


def test_accuracies_by_top_level_add_up(case):
    result = case.evaluate()
    final = case.expected("unique", override=True)
    for row in result["by_top_level"]:
        chosen = [
            product["category_id"] == category
            for product, category in zip(case.measured(), final, strict=True)
            if f"L{product['category_id'] % 20}" == row["level1"]
        ]
        assert (row["products"], row["accuracy"]) == (len(chosen), pytest.approx(np.mean(chosen)))
    assert sum(row["products"] for row in result["by_top_level"]) == result["products"]
    assert len(result["by_top_level"]) == 2


def test_confused_pairs_are_the_wrong_ones_counted(case):
    final = case.expected("unique", override=True)
    pairs = {}
    for product, category in zip(case.measured(), final, strict=True):
        if product["category_id"] != category:
            pair = (product["category_id"], category)
            pairs[pair] = pairs.get(pair, 0) + 1
    rows = case.evaluate()["confused_pairs"]
    assert {(row["category_id"], row["predicted_category_id"]): row["products"] for row in rows} == pairs
    counts = [row["products"] for row in rows]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (45, 50), (77, 77), (600, 1000)])
def test_the_interval_is_where_the_score_test_accepts(correct, count):
    """Wilson's bounds are the shares p with |correct / count - p| = 1.96 * sqrt(p * (1 - p) / count)."""
    low, high = evaluate_predictions.wilson_interval(correct, count)
    shares = np.linspace(0, 1, 200_001)[1:-1]
    accepted = shares[np.abs(correct / count - shares) <= 1.959964 * np.sqrt(shares * (1 - shares) / count)]
    assert (low, high) == (pytest.approx(accepted[0], abs=2e-5), pytest.approx(accepted[-1], abs=2e-5))


def test_splits_without_a_common_valid_product_say_so(case):
    first, second = case.splits.values()
    own = first.valid[~first.valid.product_id.isin(second.valid.product_id)]
    case.splits["1"] = Split(own.reset_index(drop=True), first.train, first.images)
    result = case.evaluate()
    assert result["products"] == 0
    assert "raise valid_fraction" in result["note"]
