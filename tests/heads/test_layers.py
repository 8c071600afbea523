"""heads/layers.py: gradients against differences of the loss."""

import numpy as np
import pytest

from heads import layers


def loss(arrays, rows, labels, penalty) -> float:
    """The mean cross entropy and the punished weights, by plain NumPy in float64, without dropout."""
    *before, weights, biases = (array.astype(np.float64) for array in arrays)
    hidden = np.maximum(rows @ before[0] + before[1], 0) if before else rows
    scores = hidden @ weights + biases
    normalizers = np.log(np.exp(scores).sum(axis=1))
    squares = sum((array.astype(np.float64) ** 2).sum() for array in arrays[::2])
    return float((normalizers - scores[np.arange(len(rows)), labels]).mean() + penalty / 2 * squares)


@pytest.mark.parametrize("widths", [[6, 4], [6, 5, 4]])
def test_gradients_are_those_of_the_loss(monkeypatch, widths):
    monkeypatch.setattr(layers, "DROPOUT", 0.0)
    generator = np.random.default_rng(1)
    arrays = [(array + generator.normal(0, 0.3, array.shape)).astype(np.float32) for array in
              layers.fresh(widths, generator)]  # fmt: skip
    rows, labels, penalty = generator.normal(0, 1, (9, 6)).astype(np.float32), generator.integers(0, 4, 9), 0.1
    found = layers.gradients(arrays, rows, labels, penalty, generator)
    for number, array in enumerate(arrays):
        for place in [(0,) * array.ndim, tuple(side - 1 for side in array.shape)]:
            ends = []
            for shift in (0.01, -0.01):
                moved = [each.copy() for each in arrays]
                moved[number][place] += shift
                ends.append(loss(moved, rows, labels, penalty))
            assert found[number][place] == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.02, abs=1e-4)


def test_dropout_leaves_the_mean_of_hidden_units_and_their_gradients_fit_what_was_left():
    generator = np.random.default_rng(2)
    arrays = layers.fresh([8, 2000, 3], generator)
    arrays[2][:] = 1
    rows = generator.normal(0, 1, (1, 8)).astype(np.float32)
    exact = layers._scores(arrays, rows)[0]
    dropped, hidden = layers._scores(arrays, rows, generator)
    assert 0.2 < (hidden > 0).mean() < 0.3  # half of the units are left of the half that is active
    np.testing.assert_allclose(dropped, exact, rtol=0.1)


def test_probabilities_of_large_scores_are_finite():
    arrays = [np.full((1, 3), 1e4, np.float32) * np.arange(3, dtype=np.float32), np.zeros(3, np.float32)]
    np.testing.assert_array_equal(layers.probabilities(arrays, np.ones((2, 1), np.float32)), [[0, 0, 1]] * 2)
