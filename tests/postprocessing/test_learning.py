"""learning.py: weights, temperatures and folds, beside what a search over all of them finds."""

import itertools

import numpy as np
import pytest

from postprocessing import learning


def said_of_the_right_class(seed: int, *strengths: float) -> np.ndarray:
    """Likelihoods (2000, members): a strong member seldom says little of the right class; all err independently."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.beta(3 * strength, 1.5, 2000) for strength in strengths], axis=1)


def test_weights_are_those_of_the_largest_likelihood():
    likelihoods = said_of_the_right_class(0, 1.0, 0.5, 0.3)
    steps = np.linspace(0, 1, 41)
    grid = [(a, b, 1 - a - b) for a, b in itertools.product(steps, steps) if a + b <= 1]
    best = max(grid, key=lambda weights: np.log(likelihoods @ weights).sum())
    found = learning.shares(likelihoods, np.full(3, 1 / 3))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, best, atol=0.03)


def test_without_products_the_prior_decides():
    assert learning.shares(np.empty((0, 2)), np.array([30, 10])).tolist() == [0.75, 0.25]
    assert learning.sparse_weights(np.empty((0, 4))).tolist() == [0.25] * 4


def test_few_products_stay_close_to_the_prior_and_many_leave_it():
    likelihoods = said_of_the_right_class(1, 1.0, 0.1)
    few, many = (learning.shares(likelihoods[:count], np.array([50, 50])) for count in (5, 2000))
    assert 0.5 < few[0] < 0.55
    assert many[0] > 0.9


def test_a_member_that_only_repeats_another_or_guesses_has_no_weight():
    """One of two equal members may go, not both; a member that helps stays."""
    strong, other = said_of_the_right_class(2, 0.6, 0.6).T
    found = learning.sparse_weights(np.stack([strong, strong, other, np.full(2000, 0.02)], axis=1))
    assert sorted(np.flatnonzero(found)) in ([0, 2], [1, 2])
    assert found.sum() == pytest.approx(1)


def test_the_temperature_is_that_of_the_largest_likelihood():
    generator = np.random.default_rng(3)
    scores = generator.normal(0, 1, (4000, 5))
    classes = np.array([generator.choice(5, p=np.exp(each) / np.exp(each).sum()) for each in scores])
    for temperature in (1.0, 2.0):
        confident = scores * temperature  # by so much more than it is right
        tempered = [confident / each for each in learning.TEMPERATURES]
        shares = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in tempered]
        likelihoods = np.stack([each[np.arange(4000), classes] for each in shares], axis=1)
        found = learning.TEMPERATURES[learning.best_temperature(likelihoods)]
        assert found == pytest.approx(temperature, rel=0.1)
    assert learning.TEMPERATURES[learning.best_temperature(np.empty((0, len(learning.TEMPERATURES))))] == 1


def test_a_product_is_in_one_fold_wherever_it_stands_and_folds_are_alike():
    ids = np.r_[np.arange(5000), -np.arange(1, 5000)]
    folds = learning.folds_of(ids)
    assert np.array_equal(learning.folds_of(ids[::-1]), folds[::-1])
    counts = np.bincount(folds, minlength=learning.FOLDS)
    assert len(counts) == learning.FOLDS
    assert counts.min() > 0.9 * len(ids) / learning.FOLDS
