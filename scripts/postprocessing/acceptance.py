"""Which answers can be accepted: thresholds on probabilities, level by level of the category tree.

An answer is given at the deepest level that is sure enough. A level's threshold is chosen on those products alone that
no deeper level has accepted, so that what is accepted there keeps the precision by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from postprocessing.proportions import wilson_lower

ENOUGH = 500  # products of a top-level category that has a threshold of its own
NONE = -1  # no level accepts


@dataclass(frozen=True)
class Judgements:
    """What is said of products at each level, the deepest first.

    Attributes:
        probabilities: (products, levels), of the best category of each level.
        tops: the name of the top-level category (object) that each product's category lies in.
    """

    probabilities: np.ndarray
    tops: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> "Judgements":
        return Judgements(self.probabilities[chosen], self.tops[chosen])


@dataclass(frozen=True)
class Thresholds:
    """From which probability on answers are accepted; None: never.

    Attributes:
        of_others: by level, the deepest first, of the top-level categories without one of their own.
        own: by level, by top-level category.
    """

    of_others: list[float | None]
    own: list[dict[str, float | None]]

    @property
    def accept_nothing(self) -> bool:
        found = [*self.of_others, *(limit for own in self.own for limit in own.values())]
        return all(limit is None for limit in found)

    def accepting(self, judgements: Judgements) -> np.ndarray:
        """The position of the deepest level (int64) that accepts each product's answer, or NONE."""
        found = np.full(len(judgements.tops), NONE)
        for level, (others, own) in enumerate(zip(self.of_others, self.own, strict=True)):
            limits = np.full(len(found), np.inf if others is None else others)
            for top, limit in own.items():
                limits[judgements.tops == top] = np.inf if limit is None else limit
            found[(found == NONE) & (judgements.probabilities[:, level] >= limits)] = level
        return found


def choose(judgements: Judgements, is_right: np.ndarray, precision: float) -> Thresholds:
    """The thresholds under which accepted answers keep a precision.

    Args:
        judgements: of products whose right category is known.
        is_right: (products, levels) bool, whether the best category of each level is right.
        precision: the share of accepted answers that is to be right, at each level.
    """
    of_others, own = [], []
    is_left = np.ones(len(is_right), bool)
    for level in range(is_right.shape[1]):
        sure, right, tops = judgements.probabilities[is_left, level], is_right[is_left, level], judgements.tops[is_left]
        names, counts = np.unique(tops.astype(str), return_counts=True)
        large = names[counts >= ENOUGH].tolist()
        own.append({name: threshold(sure[tops == name], right[tops == name], precision) for name in large})
        others = ~np.isin(tops.astype(str), large)
        of_others.append(threshold(sure[others], right[others], precision))
        is_left = Thresholds(of_others, own).accepting(_first_levels(judgements, level + 1)) == NONE
    return Thresholds(of_others, own)


def _first_levels(judgements: Judgements, count: int) -> Judgements:
    return Judgements(judgements.probabilities[:, :count], judgements.tops)


def threshold(sure: np.ndarray, is_right: np.ndarray, precision: float) -> float | None:
    """The lowest probability from which on at least that share is right, by the lower end of its 95 % interval.

    Args:
        sure: probabilities of products; `is_right` (bool) says which are right.
    """
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], np.cumsum(is_right[order])
    is_last_of_equals = np.append(sure[1:] != sure[:-1], True)[: len(sure)]
    keeps = is_last_of_equals & (wilson_lower(right, np.arange(1, len(sure) + 1)) >= precision)
    return float(sure[keeps][-1]) if keeps.any() else None


def cross_fitted(
    judgements: Judgements, is_right: np.ndarray, folds: np.ndarray, precision: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each fold, its products (positions) and the level that accepts each by thresholds of all others."""
    for fold in np.unique(folds):
        others = folds != fold
        thresholds = choose(judgements[others], is_right[others], precision)
        yield np.flatnonzero(~others), thresholds.accepting(judgements[~others])


def fewest_products(precision: float) -> int:
    """How many products, all of them right, it takes for a threshold."""
    count = 1
    while wilson_lower(np.array(count), np.array(count)) < precision:
        count *= 2
    counts = np.arange(1, count + 1)
    return int(counts[wilson_lower(counts, counts) >= precision][0])
