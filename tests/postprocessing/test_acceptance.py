"""postprocessing/acceptance.py: accepted answers keep the precision that was asked for, level by level."""

import numpy as np
import pytest

from drawn_judgements import drawn
from postprocessing import acceptance
from postprocessing.acceptance import ENOUGH, NONE, Judgements, Thresholds, choose, threshold
from postprocessing.proportions import wilson_interval, wilson_lower


def test_the_lower_ends_are_those_of_the_intervals():
    found = wilson_lower(np.array([0, 3, 98]), np.array([7, 7, 100]))
    expected = [wilson_interval(correct, count)[0] for correct, count in ((0, 7), (3, 7), (98, 100))]
    np.testing.assert_allclose(found, expected)


def test_a_threshold_is_the_lowest_that_keeps_the_precision():
    sure = np.linspace(1, 0, 1000, endpoint=False)
    is_right = np.ones(1000, bool)
    is_right[400:] = False
    found = threshold(sure, is_right, 0.9)
    accepted = sure >= found
    assert wilson_interval(int(is_right[accepted].sum()), int(accepted.sum()))[0] >= 0.9
    one_more = sure >= sure[~accepted].max()
    assert wilson_interval(int(is_right[one_more].sum()), int(one_more.sum()))[0] < 0.9


def test_products_that_are_equally_sure_are_accepted_together_or_not_at_all():
    sure, is_right = np.full(300, 0.9), np.arange(300) < 290
    assert threshold(sure, is_right, 0.9) == 0.9
    assert threshold(sure, is_right, 0.96) is None
    assert threshold(sure, np.sort(is_right), 0.9) == 0.9  # in whatever order they come
    assert threshold(np.empty(0), np.empty(0, bool), 0.5) is None


@pytest.mark.parametrize("precision", [0.9, 0.98])
def test_what_is_accepted_keeps_the_precision_on_other_products(precision):
    """60 times thresholds are chosen on 3,000 products; on all others of their kind they may fall short by chance."""
    rng = np.random.default_rng(7)
    others, others_right = drawn(rng, 200_000)
    reached = []
    for _ in range(60):
        found = choose(*drawn(rng, 3000), precision).accepting(others)
        reached += [others_right[found == level, level].mean() for level in (0, 1) if (found == level).any()]
    assert len(reached) > 60
    assert np.mean(np.array(reached) >= precision) >= 0.9
    assert min(reached) > precision - 0.02


def test_a_parent_answers_where_the_category_is_unsure_and_the_rest_is_for_review():
    judgements, is_right = drawn(np.random.default_rng(3), 20_000)
    found = choose(judgements, is_right, 0.95).accepting(judgements)
    counts = [int((found == level).sum()) for level in (0, 1, NONE)]
    assert min(counts) > 500
    assert is_right[found == 0, 0].mean() > 0.95 < is_right[found == 1, 1].mean()
    assert is_right[found == 1, 0].mean() < 0.95


def test_a_large_top_level_category_has_a_threshold_of_its_own():
    rng = np.random.default_rng(5)
    sure = rng.random(3 * ENOUGH)
    tops = np.repeat(np.array(["easy", "hard", "rare"], object), [ENOUGH, ENOUGH + ENOUGH - 9, 9])
    is_right = (tops == "easy") | (sure > 0.6)
    found = choose(Judgements(sure[:, None], tops), is_right[:, None], 0.9)
    assert found.own[0].keys() == {"easy", "hard"}
    assert found.own[0]["easy"] < 0.1 < found.own[0]["hard"]
    assert found.of_others == [None]  # nine products decide nothing
    accepted = found.accepting(Judgements(np.array([[0.5], [0.5], [1.0]]), np.array(["easy", "hard", "new"], object)))
    assert accepted.tolist() == [0, NONE, NONE]


def test_thresholds_that_no_product_meets_accept_nothing():
    judgements, is_right = drawn(np.random.default_rng(3), 100)
    found = choose(judgements, is_right, 0.999)
    assert found.accept_nothing
    assert (found.accepting(judgements) == NONE).all()
    assert not Thresholds([None, 0.5], [{}, {}]).accept_nothing


def test_products_do_not_choose_the_thresholds_that_they_are_measured_by():
    judgements, is_right = drawn(np.random.default_rng(3), 4000)
    folds = np.arange(4000) % 5
    parts = list(acceptance.cross_fitted(judgements, is_right, folds, 0.9))
    np.testing.assert_array_equal(np.sort(np.concatenate([positions for positions, _ in parts])), np.arange(4000))
    for positions, accepting in parts:
        [fold] = set(folds[positions])
        expected = choose(judgements[folds != fold], is_right[folds != fold], 0.9).accepting(judgements[folds == fold])
        np.testing.assert_array_equal(accepting, expected)


@pytest.mark.parametrize(("precision", "count"), [(0.5, 4), (0.98, 189)])
def test_how_many_products_a_promise_takes(precision, count):
    assert acceptance.fewest_products(precision) == count
    assert wilson_interval(count, count)[0] >= precision > wilson_interval(count - 1, count - 1)[0]
