"""rank_subsets.py finds the best subset of each size, and measures how good what it finds is on other products."""

import itertools
import json
import math

import numpy as np
import pytest

import rank_subsets
from programs import error_of, run
from test_learn_weights import PRODUCTS, Case

COSTS = [1.0, 2.0, 4.0]


def scores_of(*right: list[bool]) -> np.ndarray:
    """Scores (models, products, 2) float16 of models that are sure of class 0 where they are right, else of class 1."""
    is_right = np.array(right)
    return np.stack([is_right, ~is_right], axis=2).astype(np.float16)


def test_the_best_of_each_size_is_that_of_a_plain_search():
    scores = np.random.default_rng(0).random((5, 300, 4)).astype(np.float16)
    truth = np.random.default_rng(1).integers(0, 4, 300)
    found = rank_subsets.best_subsets(rank_subsets.rightness(scores, truth), [1.0] * 5, np.ones(300, bool))
    for size, subset in enumerate(found, 1):
        plain = {
            each: (scores[list(each)].astype(np.float64).mean(axis=0).argmax(axis=1) == truth).sum()
            for each in itertools.combinations(range(5), size)
        }
        assert plain[subset] == max(plain.values())


def test_of_equal_subsets_the_cheapest_is_taken():
    right = rank_subsets.rightness(scores_of([True] * 3, [True] * 3, [True] * 3), np.zeros(3, int))
    assert rank_subsets.best_subsets(right, COSTS[::-1], np.ones(3, bool)) == [(2,), (1, 2), (0, 1, 2)]


def test_where_there_are_too_many_subsets_the_smaller_best_one_grows():
    assert math.comb(14, 3) <= rank_subsets.SEARCHED < math.comb(14, 4)
    assert set(rank_subsets.candidates(14, 4, (1, 5, 9))) == {
        tuple(sorted((1, 5, 9, other))) for other in range(14) if other not in (1, 5, 9)
    }


def test_what_is_found_by_chance_is_told_by_products_that_took_no_part():
    """Each of 200 models guesses 60 products: the best is right on most by luck, on other products on half of them."""
    generator = np.random.default_rng(2)
    scores = scores_of(*(generator.random((200, 60)) < 0.5))
    right = rank_subsets.rightness(scores, np.zeros(60, int))
    names = [f"M{number}" for number in range(200)]
    first = rank_subsets.subset_rows(names[:1] * 200, right, [1.0] * 200, np.arange(60) % 5)[0]
    assert float(first["of it, %"]) > 65
    assert float(first["found without the fold, %"]) < 60


def test_a_row_tells_the_share_of_the_cost():
    right = rank_subsets.rightness(scores_of([True, False], [True, True], [False, False]), np.zeros(2, int))
    first, *_, last = rank_subsets.subset_rows(["a", "b", "c"], right, COSTS, np.array([0, 1]))
    assert (first["best subset"], first["of it, %"]) == ("b", "100.00")
    assert (first["device hours per million pictures"], first["of all networks' hours, %"]) == ("2.00", "28.57")
    assert (last["best subset"], last["of all networks' hours, %"]) == ("a, b, c", "100.00")


def test_hours_are_those_of_all_devices(tmp_path):
    """On two devices 230 pictures are trained a second, so 529 are predicted: a million and their mirrors in 1.05 h."""
    (tmp_path / "e.json").write_text(
        json.dumps({"train": {"images_per_second": 230.0}, "devices": ["gpu(0)", "gpu(1)"]})
    )
    assert rank_subsets.hours_of(tmp_path / "e.json") == pytest.approx(2 * 2e6 / 529 / 3600)


@pytest.mark.parametrize("shared", [50, 0])
def test_a_page_is_written_where_splits_share_products_and_where_not(tmp_path, monkeypatch, shared):
    splits = {"A": range(PRODUCTS), "B": range(PRODUCTS - shared, 2 * PRODUCTS)}
    case = Case(tmp_path, splits, {"a": ("A", 1.0), "b": ("B", 1.0)})
    (tmp_path / "e.json").write_text(json.dumps({"train": {"images_per_second": 10.0}, "devices": ["cpu(0)"]}))
    words = [*case.words, "--classes", tmp_path / "classes.csv", "--last-epochs", *[tmp_path / "e.json"] * 2]
    monkeypatch.setattr("sys.argv", list(map(str, ["rank_subsets", *words, "--output", tmp_path / "subsets.html"])))
    rank_subsets.main()
    html = (tmp_path / "subsets.html").read_text()
    assert ("on 50 products" in html) == bool(shared)
    assert ("raise the config key valid_fraction" in html) != bool(shared)


def test_without_a_trained_model_there_is_nothing_to_compare(tmp_path):
    done = run("rank_subsets", "--classes", tmp_path / "classes.csv", "--last-epochs", "--output", tmp_path / "o.html")
    assert error_of(done).startswith("error: config: models: none is trained")
