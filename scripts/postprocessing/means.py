"""Means over models."""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

import cli
from postprocessing.learned import LEARNED, Combination
from postprocessing.scores import NotFiniteError, is_scored

# Where one model has 0 the product would be 0, whatever the others say; and float16 rounds smaller ones than this to 0.
SMALLEST_PROBABILITY = 1e-8
FACTORS = 4  # so many of the smallest probabilities have a product that float32 still holds


class MemberNotFiniteError(Exception):
    """A member's probabilities are not finite.

    Attributes:
        member: its position.
        row: the first such row.
    """

    def __init__(self, member: int, row: int) -> None:
        super().__init__(member, row)
        self.member, self.row = member, row


@dataclass(frozen=True)
class Mean:
    """A mean over models.

    Attributes:
        kind: "arithmetic", or "geometric": the normalized product of powers.
        weights: one per model, of any sum.
        temperatures: one per model, by which its probabilities are tempered before; empty: 1 for all.
    """

    kind: str
    weights: list[float]
    temperatures: list[float] = field(default_factory=list)

    def write(self, members: Iterable[np.ndarray], out: np.ndarray, spare: np.ndarray) -> None:
        """Write the mean of the members' probabilities, each (rows, classes) float32, to out.

        Args:
            members: one array per model. It is overwritten, and no longer used when the next one is asked for. A row of
                zeros (a picture without pixels, postprocessing/scores.py) makes a row of zeros.
            out: float32 of that shape.
            spare: another such array, which is overwritten.

        Raises:
            MemberNotFiniteError: a member has a number that is not finite.
        """
        shares = np.divide(self.weights, np.sum(self.weights)).tolist()
        is_scored_by_all = np.ones(len(out), bool)
        members = _checked(members, is_scored_by_all)
        if self.temperatures:
            members = itertools.starmap(tempered, zip(members, self.temperatures, strict=True))
        out[:] = 0
        if self.kind == "arithmetic":
            _arithmetic(members, shares, out)
        else:
            _geometric(members, shares, out, spare)
        out[~is_scored_by_all] = 0


def tempered(rows: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities raised to 1 / temperature and normalized, in place: above 1 they come closer to one another.

    Args:
        rows: (count, classes) float32, neither of them 0; rows of zeros stay.
    """
    if temperature != 1:
        cv2.pow(rows, 1 / temperature, rows)
        sums = cv2.reduce(rows, 1, cv2.REDUCE_SUM)
        sums[sums == 0] = 1
        rows /= sums
    return rows


def _checked(members: Iterable[np.ndarray], is_scored_by_all: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the members' arrays, and leave True the rows that all have scores of.

    Raises:
        MemberNotFiniteError: a member has a number that is not finite.
    """
    for number, member in enumerate(members):
        try:
            is_scored_by_all &= is_scored(member)
        except NotFiniteError as fault:
            raise MemberNotFiniteError(number, fault.row) from None
        yield member


def _arithmetic(members: Iterable[np.ndarray], shares: list[float], total: np.ndarray) -> None:
    for member, share in zip(members, shares, strict=True):
        cv2.scaleAdd(member, share, total, total)


def _geometric(members: Iterable[np.ndarray], shares: list[float], total: np.ndarray, product: np.ndarray) -> None:
    # A product is cheaper than logarithms: consecutive members of equal share are multiplied before one is taken.
    factors = 0
    for member, share, next_share in zip(members, shares, [*shares[1:], None], strict=True):
        if factors:
            cv2.max(member, SMALLEST_PROBABILITY, member)
            cv2.multiply(product, member, product)
        else:
            cv2.max(member, SMALLEST_PROBABILITY, product)
        factors += 1
        if factors == FACTORS or next_share != share:
            cv2.log(product, product)
            cv2.scaleAdd(product, share, total, total)
            factors = 0
    cv2.exp(total, total)
    total /= total.sum(axis=1, keepdims=True)


def learned_mean(combination: Combination) -> Mean:
    """The mean of the members that count, in their order."""
    weights, temperatures = zip(
        *((combination.weights[number], combination.temperatures[number]) for number in combination.counting),
        strict=True,
    )
    return Mean("arithmetic", list(weights), list(temperatures))


def add_mean_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that say how members are averaged."""
    parser.add_argument("--mean", choices=("arithmetic", "geometric", LEARNED), required=True)
    parser.add_argument("--weights", type=float, nargs="+", help="one per member; equal if absent")
    parser.add_argument("--learned", type=Path, metavar="JSON", help="of learn_weights.py, for the mean learned")


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
