"""Means over models."""

from collections.abc import Iterable

import cv2
import numpy as np

import cli

SMALLEST_PROBABILITY = 1e-8  # float16 rounds smaller probabilities to zero, whose logarithm would veto a class
FACTORS = 4  # of that size have a product that float32 still holds


def combine(members: Iterable[np.ndarray], mean: str, weights: list[float]) -> np.ndarray:
    """Combine members' probabilities, each (rows, classes) float32, into one float32 array of that shape.

    Args:
        members: one array per model, each used up before the next is asked for; a row of NaN (an undecodable picture)
            stays NaN.
        mean: "arithmetic", or "geometric": the normalized product of powers.
        weights: one per member, of any sum.
    """
    shares = np.divide(weights, np.sum(weights)).tolist()
    return _arithmetic(members, shares) if mean == "arithmetic" else _geometric(members, shares)


def _arithmetic(members: Iterable[np.ndarray], shares: list[float]) -> np.ndarray:
    total = None
    for member, share in zip(members, shares, strict=True):
        total = np.zeros_like(member) if total is None else total
        cv2.scaleAdd(member, share, total, total)
    return total


def _geometric(members: Iterable[np.ndarray], shares: list[float]) -> np.ndarray:
    # Multiplying is cheaper than taking logarithms: one serves several members of equal share. All arrays are used
    # again, as fresh memory costs more than either.
    factors, total = 0, None
    for number, (member, share) in enumerate(zip(members, shares, strict=True), 1):
        if total is None:
            total, product, scratch = np.zeros_like(member), np.empty_like(member), np.empty_like(member)
            is_missing = np.zeros(len(member), bool)
        is_missing |= np.isnan(member[:, 0])
        cv2.max(member, SMALLEST_PROBABILITY, scratch if factors else product)
        if factors:
            cv2.multiply(product, scratch, product)
        factors += 1
        if factors == FACTORS or shares[number : number + 1] != [share]:
            cv2.log(product, scratch)
            cv2.scaleAdd(scratch, share, total, total)
            factors = 0
    cv2.exp(total, scratch)
    np.divide(scratch, scratch.sum(axis=1, keepdims=True), out=total)
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
