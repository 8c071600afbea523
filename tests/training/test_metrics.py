"""Top-1, top-5 and cross entropy against their definitions."""

import numpy as np
import pytest

from training.metrics import Metrics


def test_metrics_follow_their_definitions_over_batches():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(9), 40).astype(np.float32)
    labels = generator.integers(0, 9, 40).astype(np.float32)
    metrics = Metrics()
    for part in (slice(0, 16), slice(16, 40)):
        metrics.add(probabilities[part], labels[part])
    ranked = [list(np.argsort(-row)) for row in probabilities]
    ranks = np.array([row.index(int(label)) for row, label in zip(ranked, labels, strict=True)])
    means = metrics.means()
    assert metrics.examples == 40
    assert means["top1"] == (ranks < 1).mean()
    assert means["top5"] == (ranks < 5).mean()
    expected = -np.log(probabilities[np.arange(40), labels.astype(int)]).mean()
    np.testing.assert_allclose(means["cross_entropy"], expected, rtol=1e-6)


def test_a_batch_returns_its_own_cross_entropy():
    metrics = Metrics()
    metrics.add(np.float32([[1, 0]]), np.float32([0]))
    np.testing.assert_allclose(metrics.add(np.float32([[0.5, 0.5], [0.25, 0.75]]), np.float32([0, 0])), np.log(8) / 2)


def test_a_probability_of_zero_costs_much_but_not_infinitely_much():
    assert 20 < Metrics().add(np.float32([[0, 1]]), np.float32([0])) < 30


@pytest.mark.parametrize("row", [[np.nan, np.nan], [0.5, np.nan], [0.5, np.inf]])
def test_a_probability_that_is_not_finite_shows_whichever_class_has_it(row):
    assert np.isnan(Metrics().add(np.float32([row]), np.float32([0])))


def test_a_network_that_says_the_same_of_all_classes_is_never_right():
    metrics = Metrics()
    metrics.add(np.full((4, 10), 0.1, np.float32), np.arange(4, dtype=np.float32))
    assert (metrics.means()["top1"], metrics.means()["top5"]) == (0, 0)


def test_no_examples_have_no_means():
    assert set(Metrics().means().values()) == {None}
