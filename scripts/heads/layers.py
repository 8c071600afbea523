"""The layers of a head: columns put on one scale, then one dense layer, or two with ReLU and dropout between them."""

import itertools
from collections.abc import Sequence

import numpy as np

Arrays = dict[str, np.ndarray]
DROPOUT = 0.5  # of the units between two layers, in training


def fresh(widths: Sequence[int], generator: np.random.Generator) -> list[np.ndarray]:
    """Weights and biases (float32) of the layers between so many columns; the last layer starts from zeros."""
    arrays = []
    for before, after in itertools.pairwise(widths):
        scale = np.sqrt(2 / before) if after != widths[-1] else 0.0
        arrays += [(scale * generator.standard_normal((before, after))).astype(np.float32), np.zeros(after, np.float32)]
    return arrays


def probabilities(arrays: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """(count, classes) float32 of rows on one scale."""
    return _softmax(_scores(arrays, rows)[0])


def gradients(
    arrays: Sequence[np.ndarray], rows: np.ndarray, labels: np.ndarray, penalty: float, generator: np.random.Generator
) -> list[np.ndarray]:
    """Those of the mean cross entropy and of penalty / 2 times the sum of the squared weights.

    Args:
        labels: the class (int64) of each row.
        generator: of dropout.
    """
    scores, hidden = _scores(arrays, rows, generator)
    slope = _softmax(scores)
    slope[np.arange(len(rows)), labels] -= 1
    slope /= len(rows)
    *before, weights, _ = arrays
    found = [hidden.T @ slope + penalty * weights, slope.sum(axis=0)]
    if before:
        slope = (slope @ weights.T) * (hidden > 0) / (1 - DROPOUT)
        found = [rows.T @ slope + penalty * before[0], slope.sum(axis=0), *found]
    return found


def _scores(
    arrays: Sequence[np.ndarray], rows: np.ndarray, generator: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and what the last layer sees; with a generator, after dropout."""
    *before, weights, biases = arrays
    if before:
        rows = np.maximum(rows @ before[0] + before[1], 0)
        if generator:
            rows *= (generator.random(rows.shape, np.float32) >= DROPOUT) / np.float32(1 - DROPOUT)
    return rows @ weights + biases, rows


def _softmax(scores: np.ndarray) -> np.ndarray:
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
