"""How a head learns: Adam on blocks of rows, with a penalty and an end that products kept aside choose."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

import cli
from heads import layers, schedule
from heads.inputs import Inputs
from heads.layers import Arrays

RATE, MOMENTUM, SQUARES, EPSILON = 2e-3, 0.9, 0.999, 1e-8  # Adam's; the rate falls to 0 at the end
BLOCK = 2048  # consecutive rows that are read at once
SHUFFLED = 16  # blocks whose rows are shuffled together
KEPT_BYTES = 1 << 30  # of rows that stay in memory
SCALED_ON = 64  # blocks that tell the scale of the columns
FEW_DEVIATIONS = 1e-6  # a column with less spread than this says nothing


class Lesson(NamedTuple):
    """What a head learns from.

    Attributes:
        inputs: its rows.
        labels: the class (int64) of each.
        products: a number (int64) of each row's product, from 0.
        is_whole: whether (bool) a row has all pictures of its product.
    """

    inputs: Inputs
    labels: np.ndarray
    products: np.ndarray
    is_whole: np.ndarray


class Choice(NamedTuple):
    """A penalty, the check that a training ends at, and what that reached on the products kept aside."""

    cross_entropy: float
    penalty: float
    check: int
    top1: float


@dataclass
class Rows:
    """The rows of a lesson on one scale, in blocks; the first ones stay in memory.

    Attributes:
        mean, deviation: of each column (float32), over the rows of some blocks.
    """

    inputs: Inputs
    _kept: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mean, self.deviation = np.zeros(self.inputs.columns, np.float32), np.ones(self.inputs.columns, np.float32)
        sums = np.zeros((2, self.inputs.columns))
        count = 0
        chosen = np.unique(np.linspace(0, self.blocks - 1, min(self.blocks, SCALED_ON)).astype(int))
        for block in chosen.tolist():
            rows, has_pixels = self._read(block)
            rows = rows[has_pixels].astype(np.float64)
            sums += rows.sum(axis=0), np.square(rows).sum(axis=0)
            count += len(rows)
        mean, squares = sums / max(count, 1)
        deviation = np.sqrt(np.maximum(squares - mean**2, 0))
        self.mean = mean.astype(np.float32)
        self.deviation = np.where(deviation > FEW_DEVIATIONS, deviation, 1).astype(np.float32)

    @property
    def blocks(self) -> int:
        return -(-len(self.inputs) // BLOCK)

    def block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a block, and which of them (bool) have a picture with pixels."""
        if number in self._kept:
            return self._kept[number]
        rows, has_pixels = self._read(number)
        found = (rows - self.mean) / self.deviation, has_pixels
        if (len(self._kept) + 1) * found[0].nbytes <= KEPT_BYTES:
            self._kept[number] = found
        return found

    def _read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs.read(number * BLOCK, min((number + 1) * BLOCK, len(self.inputs)))


def train(lesson: Lesson, classes: int, hidden: int, seed: int) -> tuple[Arrays, dict]:
    """Train a head; returns its arrays, and what the products kept aside said.

    A tenth of the products is kept aside. Each penalty is tried on the others, and the one that predicts those aside
    best is taken, with the check where it did. Then the head learns from all products, as long.
    """
    rows = Rows(lesson.inputs)
    widths = schedule.widths(lesson.inputs.columns, hidden, classes)
    fitting, aside = _kept_aside(lesson, seed)
    tried = [
        choice
        for number, penalty in enumerate(schedule.PENALTIES if aside.any() else ())
        for choice in _tried(rows, lesson, fitting, aside, widths, penalty, [seed, number])
    ]
    best = min(tried) if tried else Choice(float("nan"), schedule.PENALTIES[1], schedule.CHECKS, float("nan"))
    everything = np.ones(len(lesson.inputs), bool)
    trainings = _trainings(rows, lesson, everything, widths, best.penalty, [seed])
    arrays = next(itertools.islice(trainings, best.check - 1, None))
    told = {
        "products": int(lesson.products[-1]) + 1,
        "rows": len(lesson.inputs),
        "classes_without_products": int(classes - len(np.unique(lesson.labels))),
        "penalty": best.penalty,
        "part_of_schedule": best.check / schedule.CHECKS,
        "kept_aside": {"products": int(aside.sum()), "cross_entropy": best.cross_entropy, "top1": best.top1}
        if tried
        else None,
    }
    named = {f"layer{number // 2}_{('weight', 'bias')[number % 2]}": array for number, array in enumerate(arrays)}
    return {"mean": rows.mean, "deviation": rows.deviation, **named}, told


def _kept_aside(lesson: Lesson, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows (bool) that choices learn from, and those that judge them: whole products without a picture of those."""
    products = int(lesson.products[-1]) + 1
    order = np.random.default_rng(seed).permutation(products)[: schedule.CHOSEN_ON]
    is_chosen, is_aside = np.zeros(products, bool), np.zeros(products, bool)
    is_chosen[order], is_aside[order[: len(order) // schedule.KEPT_ASIDE]] = True, True
    fitting = (is_chosen & ~is_aside)[lesson.products]
    pictures, starts = lesson.inputs.pictures, lesson.inputs.starts
    is_learned = np.zeros(pictures.max() + 1, bool)
    row_of_part = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(pictures))))
    is_learned[pictures[fitting[row_of_part]]] = True
    has_learned = np.logical_or.reduceat(is_learned[pictures], starts)
    return fitting, is_aside[lesson.products] & lesson.is_whole & ~has_learned


def _tried(
    rows: Rows,
    lesson: Lesson,
    fitting: np.ndarray,
    aside: np.ndarray,
    widths: list[int],
    penalty: float,
    seed: list[int],
) -> Iterator[Choice]:
    """What a penalty reaches at each check, until it has become worse twice."""
    reached: list[float] = []
    for check, arrays in enumerate(_trainings(rows, lesson, fitting, widths, penalty, seed), 1):
        cross_entropy, top1 = _measured(rows, lesson, aside, arrays)
        yield Choice(cross_entropy, penalty, check, top1)
        reached.append(cross_entropy)
        if min(reached[-2:]) > min(reached):
            break


def _trainings(
    rows: Rows, lesson: Lesson, used: np.ndarray, widths: list[int], penalty: float, seed: list[int]
) -> Iterator[list[np.ndarray]]:
    """The arrays at each check of a training on some rows."""
    generator = np.random.default_rng(seed)
    arrays = layers.fresh(widths, generator)
    adam = Adam(arrays)
    steps = schedule.steps(int(used.sum()))
    checks = {-(-steps * check // schedule.CHECKS) for check in range(1, schedule.CHECKS + 1)}
    with cli.progress(steps, "step", f"learning with penalty {penalty}") as bar:
        for step, (batch, labels) in enumerate(_batches(rows, lesson.labels, used, generator), 1):
            slopes = layers.gradients(arrays, batch, labels, penalty, generator)
            adam.update(slopes, step, RATE * (1 - (step - 1) / steps))
            bar.update(1)
            if step in checks:
                yield arrays
            if step == steps:
                return


class Adam:
    """Adam (Kingma and Ba, 2015) on some arrays, which it changes in place."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self._arrays = arrays
        self._moments, self._squares = ([np.zeros_like(array) for array in arrays] for _ in range(2))

    def update(self, slopes: list[np.ndarray], step: int, rate: float) -> None:
        """Take a step, counted from 1."""
        scale = rate * math.sqrt(1 - SQUARES**step) / (1 - MOMENTUM**step)
        for number, slope in enumerate(slopes):
            moment, square = self._moments[number], self._squares[number]
            moment += (1 - MOMENTUM) * (slope - moment)
            square += (1 - SQUARES) * (slope * slope - square)
            self._arrays[number] -= scale * moment / (np.sqrt(square) + EPSILON)


def _batches(
    rows: Rows, labels: np.ndarray, used: np.ndarray, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of some rows with their labels, pass after pass without end.

    Blocks come in a random order; the rows of SHUFFLED of them are shuffled together.
    """
    left = np.empty((0, rows.inputs.columns), np.float32), np.empty(0, np.int64)
    while True:
        order = generator.permutation(rows.blocks)
        found = 0
        for first in range(0, len(order), SHUFFLED):
            parts = [
                left,
                *(_labelled(rows, labels, used, block) for block in order[first : first + SHUFFLED].tolist()),
            ]
            values, classes = map(np.concatenate, zip(*parts, strict=True))
            found += len(values)
            shuffled = generator.permutation(len(values))
            whole = len(values) // schedule.BATCH * schedule.BATCH
            for start in range(0, whole, schedule.BATCH):
                chosen = shuffled[start : start + schedule.BATCH]
                yield values[chosen], classes[chosen]
            left = values[shuffled[whole:]], classes[shuffled[whole:]]
        if not found:
            raise cli.UserError("no picture that the head could learn from decodes; look at the .undecodable.csv files")


def _labelled(rows: Rows, labels: np.ndarray, used: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a block that are used and have pixels, and their labels."""
    values, has_pixels = rows.block(block)
    here = slice(block * BLOCK, block * BLOCK + len(values))
    chosen = used[here] & has_pixels
    return values[chosen], labels[here][chosen]


def _measured(rows: Rows, lesson: Lesson, aside: np.ndarray, arrays: list[np.ndarray]) -> tuple[float, float]:
    """Mean cross entropy and the share that is right, of the rows kept aside that have pixels."""
    losses, right, count = 0.0, 0, 0
    for block in range(rows.blocks):
        values, labels = _labelled(rows, lesson.labels, aside, block)
        if len(values):
            found = layers.probabilities(arrays, values)
            losses -= float(np.log(np.maximum(found[np.arange(len(values)), labels], 1e-12)).sum())
            right += int((found.argmax(axis=1) == labels).sum())
            count += len(values)
    return losses / max(count, 1), right / max(count, 1)
