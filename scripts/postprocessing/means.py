"""Means over models."""

from collections.abc import Iterable

import cv2
import numpy as np

import cli

SMALLEST_PROBABILITY = 1e-8  # float16 rounds smaller probabilities to zero, whose logarithm would veto a class
FACTORS = 4  # of that size have a product that float32 still holds


def combine(members: Iterable[np.ndarray], mean: str, weights: list[float], scratch: np.ndarray) -> np.ndarray:
    """Combine members' probabilities, each (rows, classes) float32, into one float32 array of that shape.

    Args:
        members: one array per model, overwritten, and used up before the next is asked for; a row of NaN (an
            undecodable picture) stays NaN.
        mean: "arithmetic", or "geometric": the normalized product of powers.
        weights: one per member, of any sum.
        scratch: (2, rows, classes) float32; the result lies in it.
    """
    shares = np.divide(weights, np.sum(weights)).tolist()
    total, product = scratch
    total[:] = 0
    if mean == "arithmetic":
        return _arithmetic(members, shares, total)
    return _geometric(members, shares, total, product)


def _arithmetic(members: Iterable[np.ndarray], shares: list[float], total: np.ndarray) -> np.ndarray:
    for member, share in zip(members, shares, strict=True):
        cv2.scaleAdd(member, share, total, total)
    return total


def _geometric(
    members: Iterable[np.ndarray], shares: list[float], total: np.ndarray, product: np.ndarray
) -> np.ndarray:
    # Multiplying is cheaper than taking logarithms: one serves several members of equal share.
    factors, is_missing = 0, np.zeros(len(total), bool)
    for number, (member, share) in enumerate(zip(members, shares, strict=True), 1):
        is_missing |= np.isnan(member[:, 0])
        if factors:
            cv2.max(member, SMALLEST_PROBABILITY, member)
            cv2.multiply(product, member, product)
        else:
            cv2.max(member, SMALLEST_PROBABILITY, product)
        factors += 1
        if factors == FACTORS or shares[number : number + 1] != [share]:
            cv2.log(product, product)
            cv2.scaleAdd(product, share, total, total)
            factors = 0
    cv2.exp(total, total)
    total /= total.sum(axis=1, keepdims=True)
    total[is_missing] = np.nan
    return total


def weights_of(members: list, given: list[float] | None) -> list[float]:
    """The weights given, or those of a plain mean.

    Raises:
        cli.UserError: they are not one per member, negative, or all zero.
    """
    if given is None:
        return [1.0] * len(members)
    if len(given) != len(members):
        raise cli.UserError(f"--weights: {len(given)} weights for {len(members)} models; give one for each")
    if not np.isfinite(given).all() or min(given) < 0 or max(given) == 0:
        raise cli.UserError(f"--weights: {' '.join(map(str, given))}: none may be negative, one has to be positive")
    return given
