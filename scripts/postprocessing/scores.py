"""Rows of probabilities: each is a distribution over the classes, or zeros for a picture that has no pixels."""

import cv2
import numpy as np


class NotFiniteError(Exception):
    """A row has a number that is not finite.

    Attributes:
        row: the first such row.
    """

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def is_scored(rows: np.ndarray, first: int = 0) -> np.ndarray:
    """Which rows (count, classes) float32, neither of them 0, are distributions (bool); the others are zeros.

    Args:
        first: the number of the first of them, for the error.

    Raises:
        NotFiniteError: there is a number, of any class, that is not finite.
    """
    return check_finite(rows, first) > 0


def check_finite(rows: np.ndarray, first: int = 0) -> np.ndarray:
    """The sums (float32) of rows (count, columns) float32, neither of them 0.

    Args:
        first: the number of the first of them, for the error.

    Raises:
        NotFiniteError: there is a number, in any column, that is not finite.
    """
    sums = cv2.reduce(rows, 1, cv2.REDUCE_SUM)[:, 0]
    is_finite = np.isfinite(sums)
    if not is_finite.all():
        raise NotFiniteError(first + int(is_finite.argmin()))
    return sums
