"""Scores as probabilities that can be believed: by a temperature, and by how often what is known was right.

Scores are raised to 1 / temperature and normalized (Guo et al., On Calibration of Modern Neural Networks, 2017). Where
a known picture or a known product decided, the category's probability is the share of such products that are right.
"""

from dataclasses import dataclass

import numpy as np

from postprocessing.judging import Judged
from postprocessing.means import SMALLEST_PROBABILITY, tempered

FEWEST = 50  # products that a temperature is fitted on
SHARPEST, SOFTEST = 0.05, 20.0  # temperatures
HALVINGS = 30  # of the span between them
BINS = 15  # of the expected calibration error, as in the paper


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Attributes:
        temperature: of the scores.
        shares_right: of products by what decided (judging.DECIDED_BY), the share whose category was right; those that
            are not here have the tempered score.
    """

    temperature: float
    shares_right: dict[str, float]

    def probabilities(self, judged: Judged) -> np.ndarray:
        """Probabilities (products, classes) float32 of judged products; zeros where no picture has pixels.

        The category that what is known decided on has its share, the others the rest, as their scores have it.
        """
        found = tempered(judged.scores.copy(), self.temperature)
        for name, share in self.shares_right.items():
            rows = np.flatnonzero(judged.is_decided_by(name))
            classes = judged.classes[rows]
            found[rows, classes] = 0
            sums = found[rows].sum(axis=1, keepdims=True)
            found[rows] = found[rows] / np.where(sums > 0, sums, 1) * (1 - share)  # sums may be as small as numbers get
            found[rows, classes] = share
        return found


def fitted_temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature under which the right classes are likeliest; 1 on fewer than FEWEST products.

    The likelihood has one optimum over 1 / temperature, where its slope changes its sign.

    Args:
        scores: (products, classes) float32.
        truth: the right class of each product.
    """
    if len(scores) < FEWEST:
        return 1.0
    logs = np.log(np.maximum(scores, SMALLEST_PROBABILITY))
    logs -= logs.max(axis=1, keepdims=True)
    right = logs[np.arange(len(logs)), truth]
    low, high = np.log(1 / SOFTEST), np.log(1 / SHARPEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        powers = np.exp(logs * np.float32(np.exp(middle)))
        expected = (powers * logs).sum(axis=1, dtype=np.float64) / powers.sum(axis=1, dtype=np.float64)
        low, high = (middle, high) if expected.mean() < right.mean(dtype=np.float64) else (low, middle)
    return float(np.exp(-(low + high) / 2))


def share_right(is_right: np.ndarray) -> float:
    """The share that will be right, by what was (bool): one more is right and one more wrong (Laplace's rule)."""
    return (int(is_right.sum()) + 1) / (len(is_right) + 2)


def expected_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """The expected calibration error: how far confidence and the share right lie apart, over bins of equal width.

    Args:
        confidence: of each product, one at least.
        is_right: whether (bool) each is.
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence.astype(np.float64) - is_right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
