"""evaluate_predictions.py: two splits, two members, measured beside dictionaries over the products' pictures."""

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_write_submission import CATEGORIES, draw_products
from tiny_catalogs import indexed, write

import evaluate_predictions
from evaluate_predictions import wilson_interval
from list_images import COLUMNS, needs_forward_pass


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
        rows = index[is_valid][needs_forward_pass(index[is_valid], index[~is_valid], "off")][COLUMNS]
        rows.to_parquet(folder / f"{split}-images.parquet", index=False)
        np.save(folder / f"{split}.npy", rng.dirichlet(np.full(len(CATEGORIES), 0.5), len(rows)).astype(np.float16))
    return folder


def evaluate(folder: Path, monkeypatch, output: Path, splits: str = "AB", **swapped: str) -> dict:
    words = ["--classes", folder / "classes.csv", "--mean", "arithmetic", "--picture-md5", "unique",
             "--product-md5", "on", "--output", output]  # fmt: skip
    for split in splits:
        train = swapped.get("train", "{}-train").format(split)
        words += ["--split", split, folder / f"{split}-valid.parquet", folder / f"{train}.parquet"]
        words += [folder / f"{split}-images.parquet", "--member", split, folder / f"{split}.npy"]
    monkeypatch.setattr(sys, "argv", ["evaluate_predictions", *map(str, words)])
    evaluate_predictions.main()
    return json.loads(output.read_text())


def products_of(path: Path) -> dict[int, tuple[int, list]]:
    """Product id -> category and pictures' MD5s."""
    found = {}
    for row in pd.read_parquet(path).itertuples():
        found.setdefault(row.product_id, (row.category_id, []))[1].append((row.md5_hi, row.md5_lo))
    return found


def plain_steps(folder: Path, splits: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """True category of each product that no member trained on, and the category after each step."""
    valid = [products_of(folder / f"{split}-valid.parquet") for split in splits]
    train = [products_of(folder / f"{split}-train.parquet") for split in splits]
    measured = {number: fields for number, fields in valid[0].items() if all(number in part for part in valid)}
    predicted, labels = [], []
    for split, part in zip(splits, train, strict=True):
        rows = pd.read_parquet(folder / f"{split}-images.parquet")
        listed = zip(zip(rows.md5_hi, rows.md5_lo, strict=True), np.load(folder / f"{split}.npy"), strict=True)
        predicted.append({digest: vector.astype(np.float64) for digest, vector in listed})
        categories = defaultdict(set)
        for category_id, digests in part.values():
            for digest in digests:
                categories[digest].add(category_id)
        labels.append({digest: min(ids) for digest, ids in categories.items() if len(ids) == 1})
    sets = defaultdict(set)
    for number, (category_id, digests) in train[0].items():
        if all(number in part for part in train):
            sets[frozenset(digests)].add(category_id)
    steps = [[], [], []]
    for _, digests in measured.values():
        for step, known in enumerate(([{}] * len(splits), labels)):
            vectors = [
                np.array(CATEGORIES) == known[member][digest] if digest in known[member] else predicted[member][digest]
                for digest in digests
                for member in range(len(splits))
            ]
            steps[step].append(CATEGORIES[int(np.mean(vectors, axis=0).argmax())])
        of_set = sets[frozenset(digests)]
        steps[2].append(min(of_set) if len(of_set) == 1 else steps[1][-1])
    return np.array([category_id for category_id, _ in measured.values()]), list(map(np.array, steps))


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


def test_a_valid_product_among_the_known_ends_the_evaluation(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="are among the known ones"):
        evaluate(folder, monkeypatch, tmp_path / "e.json", "A", train="all")
    assert not (tmp_path / "e.json").exists()


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (7, 10), (755, 1000), (1000, 1000)])
def test_the_interval_holds_the_proportions_that_the_count_does_not_refute(correct, count):
    for bound in wilson_interval(correct, count):
        deviation = abs(correct / count - bound)
        assert deviation == pytest.approx(1.959964 * np.sqrt(bound * (1 - bound) / count), abs=1e-9)
