"""evaluate_predictions.py: two splits, two members, measured beside the published rules."""

import dataclasses
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

import evaluate_predictions
import published_rules
from known_products import all_known
from list_images import COLUMNS, needs_forward_pass
from postprocessing.learned import Combination, Learned
from postprocessing.learning import FOLDS, folds_of
from tabulate_evaluations import own_values
from test_write_submission import CATEGORIES, draw_products
from tiny_catalogs import indexed, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("splits")
    index = indexed(write(folder / "all.bson", draw_products(240, 1, 90, True, 4)))
    names = [f"{number},{category_id},{'ab'[number % 2]},b,c\n" for number, category_id in enumerate(CATEGORIES)]
    (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + "".join(names))
    for split, seed in (("A", 1), ("B", 2)):
        rng = np.random.default_rng(seed)
        ids = index.product_id.unique()
        is_valid = index.product_id.isin(rng.choice(ids, len(ids) // 2, replace=False))
        index[is_valid].to_parquet(folder / f"{split}-valid.parquet", index=False)
        index[~is_valid].to_parquet(folder / f"{split}-train.parquet", index=False)
        rows = index[is_valid][needs_forward_pass(index[is_valid], all_known(index[~is_valid]), "off")][COLUMNS]
        rows.to_parquet(folder / f"{split}-images.parquet", index=False)
        np.save(folder / f"{split}.npy", rng.dirichlet(np.full(len(CATEGORIES), 0.5), len(rows)).astype(np.float16))
    return folder


def evaluate(folder: Path, monkeypatch, output: Path, splits: str = "AB", ancestors: str = "", **swapped: str) -> dict:
    mean = ["learned", "--learned", swapped["learned"]] if "learned" in swapped else ["arithmetic"]
    words = ["--classes", folder / "classes.csv", "--mean", *mean, "--picture-md5", "unique",
             "--product-md5", "on", "--output", output, "--products", output.with_suffix(".parquet")]  # fmt: skip
    for split in splits:
        train = swapped.get("train", "{}-train").format(split)
        words += ["--split", split, folder / f"{split}-valid.parquet", folder / f"{train}.parquet"]
        words += [folder / f"{split}-images.parquet", "--member", split, folder / f"{split}.npy"]
    if "of_products" in swapped:
        words += ["--product-member", "A", swapped["of_products"], "--weights", *[1] * len(splits), 100]
    for split in ancestors:
        words += ["--ancestor-split", split, folder / f"{split}-valid.parquet"]
    monkeypatch.setattr(sys, "argv", ["evaluate_predictions", *map(str, words)])
    evaluate_predictions.main()
    return json.loads(output.read_text())


def plain_steps(folder: Path, splits: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """True category of each product that no member trained on, and by the published rules after each step."""
    documents = bson.decode_all((folder / "all.bson").read_bytes())

    def kept(split: str, part: str) -> list[dict]:
        ids = set(pd.read_parquet(folder / f"{split}-{part}.parquet").product_id)
        return [document for document in documents if document["_id"] in ids]

    measured = [document for document in documents if all(document in kept(split, "valid") for split in splits)]
    known = [document for document in documents if all(document in kept(split, "train") for split in splits)]
    predicted = [
        published_rules.by_picture(folder / f"{split}-images.parquet", np.load(folder / f"{split}.npy"))
        for split in splits
    ]
    rules = {
        mode: [published_rules.Rules(kept(split, "train"), CATEGORIES, mode) for split in splits]
        for mode in ("off", "unique")
    }
    sets = published_rules.Rules(known, CATEGORIES, "unique")
    steps = [[], [], []]
    for document in measured:
        for step, mode in zip(steps, ("off", "unique"), strict=False):
            vectors = [
                vector
                for of_split, of_picture in zip(rules[mode], predicted, strict=True)
                for vector in of_split.picture_vectors(document, of_picture)
            ]
            step.append(sets.best_category(vectors))
        steps[2].append(sets.overridden(document, steps[1][-1]))
    return np.array([document["category_id"] for document in measured]), list(map(np.array, steps))


@pytest.mark.parametrize("splits", ["A", "AB"])
def test_each_step_reaches_what_plain_rules_reach(folder, tmp_path, monkeypatch, splits):
    found = evaluate(folder, monkeypatch, tmp_path / "e.json", splits)
    truth, steps = plain_steps(folder, splits)
    assert found["products"] == len(truth) < 240
    for name, step, before in zip(("networks", "picture_md5", "product_md5"), steps, [None, *steps], strict=False):
        assert found["steps"][name]["accuracy"] == (step == truth).mean()
        if before is not None:
            assert found["steps"][name]["changed_products"] == (step != before).sum() > 0
    final = steps[2]
    top = {category_id: "ab"[number % 2] for number, category_id in enumerate(CATEGORIES)}
    for level in found["by_top_level"]:
        chosen = np.array([top[category_id] == level["level1"] for category_id in truth])
        assert (level["products"], level["accuracy"]) == (chosen.sum(), (final == truth)[chosen].mean())
    pairs = Counter(zip(truth[final != truth].tolist(), final[final != truth].tolist(), strict=True))
    confused = {(p["category_id"], p["predicted_category_id"]): p["products"] for p in found["confused_pairs"]}
    assert confused == dict(pairs)


@pytest.mark.parametrize("splits", ["A", "AB"])
def test_the_table_has_the_category_of_each_product_after_each_step(folder, tmp_path, monkeypatch, splits):
    evaluate(folder, monkeypatch, tmp_path / "e.json", splits)
    truth, steps = plain_steps(folder, splits)
    products = pd.read_parquet(tmp_path / "e.parquet")
    assert products.category_id.tolist() == truth.tolist()
    for name, step in zip(("networks", "picture_md5", "product_md5"), steps, strict=True):
        assert products[name].tolist() == step.tolist()


def test_each_level_has_its_accuracy_as_a_mean_over_products_and_over_categories(folder, tmp_path, monkeypatch):
    found = evaluate(folder, monkeypatch, tmp_path / "e.json")
    truth, steps = plain_steps(folder, "AB")
    paths = {category_id: ("ab"[number % 2], "b", "c") for number, category_id in enumerate(CATEGORIES)}
    for depth, level in enumerate(found["by_level"][:-1], 1):
        check_level(level, truth, steps, lambda category_id, depth=depth: paths[category_id][:depth])
    check_level(found["by_level"][-1], truth, steps, lambda category_id: category_id)
    assert [level["level"] for level in found["by_level"]] == ["level1", "level2", "level3", "category"]


def check_level(level: dict, truth: np.ndarray, steps: list[np.ndarray], node_of: Callable) -> None:
    right_by_node = [{}, {}, {}]
    for right, step in zip(right_by_node, steps, strict=True):
        for true, predicted in zip(truth.tolist(), step.tolist(), strict=True):
            right.setdefault(node_of(true), []).append(node_of(true) == node_of(predicted))
    assert level["categories"] == len(right_by_node[0])
    for name, right in zip(("networks", "picture_md5", "product_md5"), right_by_node, strict=True):
        shares = [sum(each) / len(each) for each in right.values()]
        found = level["steps"][name]
        assert found["macro"] == pytest.approx(sum(shares) / len(shares))
        assert found["accuracy"] == pytest.approx(sum(map(sum, right.values())) / len(truth))


def test_a_learned_mean_measures_each_product_by_what_was_learned_without_it(folder, tmp_path, monkeypatch):
    """In odd folds the second member counts, in the others the first; what was learned from all does not matter."""
    alone = [Combination("learned", weights, [1.0, 1.0]) for weights in ([1.0, 0.0], [0.0, 1.0])]
    learned = Learned(["a", "b"], Combination("learned", [0.5, 0.5], [1.0, 1.0]), [], [], 0, "")
    products = {}
    mixed = [alone[fold % 2] for fold in range(FOLDS)]
    for name, folds in {"mixed": mixed, "a": alone[:1] * FOLDS, "b": alone[1:] * FOLDS}.items():
        (tmp_path / "learned.json").write_text(dataclasses.replace(learned, folds=folds).as_json())
        found = evaluate(folder, monkeypatch, tmp_path / f"{name}.json", learned=tmp_path / "learned.json")
        products[name] = pd.read_parquet(tmp_path / f"{name}.parquet")
    is_odd = folds_of(products["mixed"].product_id.to_numpy()) % 2 == 1
    expected = products["a"].where(pd.Series(~is_odd), products["b"]).astype(products["a"].dtypes)
    pd.testing.assert_frame_equal(products["mixed"], expected)
    assert not products["a"].equals(products["b"])
    assert found["learned"]["models"] == ["a", "b"]


def test_a_learned_mean_of_equal_members_is_the_plain_mean(folder, tmp_path, monkeypatch):
    equal = Combination("plain mean", [0.5, 0.5], [1.0, 1.0])
    (tmp_path / "learned.json").write_text(Learned(["a", "b"], equal, [equal] * FOLDS, [], 0, "").as_json())
    plain = evaluate(folder, monkeypatch, tmp_path / "plain.json")
    found = evaluate(folder, monkeypatch, tmp_path / "e.json", learned=tmp_path / "learned.json")
    del found["learned"]
    assert found.pop("picture") == pytest.approx(plain.pop("picture"))  # sums in another order
    assert found == plain
    assert (tmp_path / "e.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()


def test_a_member_of_products_finds_its_products_among_those_that_all_splits_measure(folder, tmp_path, monkeypatch):
    valid = pd.read_parquet(folder / "A-valid.parquet").drop_duplicates("product_id")
    truth = np.array([CATEGORIES.index(each) for each in valid.category_id])
    np.save(tmp_path / "right.npy", np.eye(len(CATEGORIES), dtype=np.float16)[truth])
    np.save(tmp_path / "wrong.npy", np.eye(len(CATEGORIES), dtype=np.float16)[truth - 1])
    right = evaluate(folder, monkeypatch, tmp_path / "r.json", "AB", of_products=tmp_path / "right.npy")
    wrong = evaluate(folder, monkeypatch, tmp_path / "w.json", "AB", of_products=tmp_path / "wrong.npy")
    assert right["members"] == 3
    assert right["products"] < len(valid)  # those in the valid parts of both splits
    assert right["steps"]["networks"]["accuracy"] == 1
    assert wrong["steps"]["networks"]["accuracy"] == 0


def test_products_that_an_ancestor_trained_on_are_not_measured(folder, tmp_path, monkeypatch):
    alone = evaluate(folder, monkeypatch, tmp_path / "alone.json", "A")
    found = evaluate(folder, monkeypatch, tmp_path / "e.json", "A", ancestors="B")
    assert found["splits"] == ["A", "B"]
    own, both = (pd.read_parquet(tmp_path / f"{name}.parquet").set_index("product_id") for name in ("alone", "e"))
    valid = {split: set(pd.read_parquet(folder / f"{split}-valid.parquet").product_id) for split in "AB"}
    assert set(both.index) == valid["A"] & valid["B"] < set(own.index) == valid["A"]
    assert (found["products"], alone["products"]) == (len(both), len(own))
    # What is known, and so what is predicted, is the same as ever.
    pd.testing.assert_frame_equal(both, own.loc[both.index])


def test_where_no_picture_has_pixels_nothing_is_said_of_pictures_and_the_file_is_json(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "splits")
    probabilities = np.load(folder / "A.npy")
    np.save(tmp_path / "splits/A.npy", np.zeros_like(probabilities))
    found = evaluate(tmp_path / "splits", monkeypatch, tmp_path / "e.json", "A")
    assert "NaN" not in (tmp_path / "e.json").read_text()
    assert found["picture"] == {"top1": None, "top5": None, "cross_entropy": None}
    assert own_values(found)[1:] == (found["steps"]["networks"]["accuracy"], found["accuracy"], *found["interval"], 120)
    products = pd.read_parquet(tmp_path / "e.parquet")
    assert products.networks.nunique() == 1  # the most frequent category


def test_a_confused_pair_names_products_of_the_one_category_that_were_taken_for_the_other(
    folder, tmp_path, monkeypatch
):
    found = evaluate(folder, monkeypatch, tmp_path / "e.json")
    products = pd.read_parquet(tmp_path / "e.parquet").set_index("product_id")
    for pair in found["confused_pairs"]:
        named = products.loc[pair["product_ids"]]
        assert len(named) == min(pair["products"], evaluate_predictions.EXAMPLES)
        assert (named.category_id == pair["category_id"]).all()
        assert (named.product_md5 == pair["predicted_category_id"]).all()


def test_splits_without_a_common_product_leave_a_note_and_an_empty_table(folder, tmp_path, monkeypatch):
    rows = pd.read_parquet(folder / "B-valid.parquet")
    measured = pd.read_parquet(folder / "A-valid.parquet").product_id
    rows[~rows.product_id.isin(measured)].to_parquet(folder / "C-valid.parquet", index=False)
    for name in ("train", "images"):
        shutil.copy(folder / f"B-{name}.parquet", folder / f"C-{name}.parquet")
    shutil.copy(folder / "B.npy", folder / "C.npy")
    found = evaluate(folder, monkeypatch, tmp_path / "e.json", "AC")
    assert found["products"] == 0
    assert "raise valid_fraction" in found["note"]
    products = pd.read_parquet(tmp_path / "e.parquet")
    assert (len(products), products.product_id.dtype) == (0, "int64")


def test_a_valid_product_among_the_known_ends_the_evaluation(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="are among the known ones"):
        evaluate(folder, monkeypatch, tmp_path / "e.json", "A", train="all")
    assert not (tmp_path / "e.json").exists()
