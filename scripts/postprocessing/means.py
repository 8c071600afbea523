"""Means over models."""

import numpy as np

SMALLEST_PROBABILITY = 1e-8  # float16 rounds smaller probabilities to zero, whose logarithm would veto a class


def combine(members: list[np.ndarray], mean: str, weights: list[float]) -> np.ndarray:
    """Combine members' probabilities, each (rows, classes), into one float32 array of that shape.

    Args:
        members: one array per model; a row of NaN (an undecodable picture) stays NaN.
        mean: "arithmetic", or "geometric": the normalized product of powers.
        weights: one per member, of any sum.
    """
    shares = np.array(weights, np.float32) / np.sum(weights, dtype=np.float32)
    total = np.zeros(members[0].shape, np.float32)
    for member, share in zip(members, shares, strict=True):
        values = member.astype(np.float32)
        total += share * (np.log(np.maximum(values, SMALLEST_PROBABILITY)) if mean == "geometric" else values)
    if mean == "geometric":
        total = np.exp(total)
        total /= total.sum(axis=1, keepdims=True)
    return total


def equal_weights(members: list) -> list[float]:
    """Weights of a plain mean."""
    return [1.0] * len(members)
