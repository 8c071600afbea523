"""What a count of right products says about the share, with 95 % intervals."""

import math

import numpy as np

Z_95 = 1.959964  # of the normal distribution


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, 1927)."""
    share = correct / count
    centre = share + Z_95**2 / (2 * count)
    spread = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    scale = 1 + Z_95**2 / count
    return (centre - spread) / scale, (centre + spread) / scale


def wilson_lower(correct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The lower ends of the 95 % intervals of proportions; the same as wilson_interval's, for many."""
    shares = correct / counts
    spread = Z_95 * np.sqrt(shares * (1 - shares) / counts + Z_95**2 / (4 * counts**2))
    return (shares + Z_95**2 / (2 * counts) - spread) / (1 + Z_95**2 / counts)


def paired_interval(gained: int, lost: int, count: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two proportions of the same things (Agresti and Min, 2005).

    Args:
        gained: how many are right in the second alone.
        lost: how many are right in the first alone.
        count: how many there are.
    """
    gained, lost, count = gained + 0.5, lost + 0.5, count + 2
    difference = (gained - lost) / count
    spread = Z_95 * math.sqrt((gained + lost) / count - difference**2) / math.sqrt(count)
    return difference - spread, difference + spread
