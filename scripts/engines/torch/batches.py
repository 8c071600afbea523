"""Batches of records, decoded and augmented by threads ahead of the device.

What a batch holds follows from the recipe's seed, the epoch and the batch's number, not from the number of threads.
"""

import collections
import contextlib
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from loading import pixels
from records.files import RecordFile, batch_count
from training.recipe import Recipe
from training.teachers import Teacher
from workflow import recipes

AHEAD = 3  # batches that are decoded while the device works on one
BLOCK = 32  # pictures that a thread decodes at a time
LARGEST_HLS = (180, 255, 255)  # hue, lightness and saturation of 8 bits


class Share(NamedTuple):
    """What a rank takes: the pictures of its number, from 0, of so many equal parts of each batch."""

    number: int = 0
    count: int = 1

    def of_batch(self, size: int) -> slice:
        """Its positions in a batch of this size, which `count` divides."""
        return slice(size // self.count * self.number, size // self.count * (self.number + 1))


WHOLE = Share()

# On the CPU: (count, size, size, 3) uint8 RGB, (count,) int64 class ids and, of a student, (count, classes) float32.
Batch = tuple[Tensor, ...]
Change = Callable[[np.ndarray], np.ndarray]  # resized (height, width, 3) uint8 to (size, size, 3)


@dataclass(frozen=True)
class Augmentation:
    """What is done to each picture of a batch, as by ImageRecordIter.

    Attributes:
        corners: (count, 2) where the crop begins vertically and horizontally, as a share of the room, in [0, 1); None:
            it is at the centre.
        mirrored: (count,) bool.
        shifts: (count, 3) of hue, lightness and saturation, whole numbers.
    """

    corners: np.ndarray | None
    mirrored: np.ndarray
    shifts: np.ndarray

    @classmethod
    def draw(cls, recipe: Recipe, epoch: int, batch: int) -> "Augmentation":
        """That of a batch, by its number in the epoch, from 0."""
        generator = np.random.default_rng([recipe.seed, epoch, batch])
        hue, saturation, lightness = recipe.hsl
        is_cropped = recipes.resize(recipe.image) > recipe.image["size"]
        corners = generator.random((recipe.batch_size, 2)) if is_cropped else None
        mirrored = generator.random(recipe.batch_size) < 0.5 * recipe.mirror
        # MXNet draws far shifts less often than near ones, by the sum of two numbers.
        strengths = generator.uniform(-1, 1, (2, recipe.batch_size, 3))
        shifts = (strengths[0] + 4 * strengths[1]) / 5 * [hue, lightness, saturation]
        return cls(corners, mirrored, shifts.astype(np.int64))

    def of(self, picture: int, size: int) -> Change:
        """That of one picture of the batch, to pixels of this size."""
        corner = None if self.corners is None else self.corners[picture]
        mirrored, shift = self.mirrored[picture], self.shifts[picture]

        def change(resized: np.ndarray) -> np.ndarray:
            cut = pixels.centre(resized, size) if corner is None else cut_out(resized, corner, size)
            if shift.any():
                cut = shifted(cut, shift)
            return cut[:, ::-1] if mirrored else cut

        return change


def cut_out(picture: np.ndarray, corner: np.ndarray, size: int) -> np.ndarray:
    """A square of (height, width, 3) whose corner is this share of the room for it."""
    room = np.array(picture.shape[:2]) - size + 1
    top, left = (corner * room).astype(int)
    return picture[top : top + size, left : left + size]


def shifted(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 RGB with hue, lightness and saturation shifted; each stops at its bounds, hue too."""
    levels = np.arange(256)[:, None] + shift
    table = np.clip(levels, 0, LARGEST_HLS).astype(np.uint8)
    hls = cv2.cvtColor(picture, cv2.COLOR_RGB2HLS)
    return cv2.cvtColor(cv2.LUT(hls, table[None]), cv2.COLOR_HLS2RGB)


def mixed_share(recipe: Recipe, epoch: int, batch: int) -> float:
    """What each picture of a batch, by its number in the epoch, from 0, keeps where mixup mixes it with another one.

    Zhang et al., mixup, 2018 (arXiv:1710.09412). At least a half: a picture and its partner have the other two shares.
    """
    if not recipe.mixup:
        return 1.0
    share = np.random.default_rng([recipe.seed, epoch, batch, 1]).beta(recipe.mixup, recipe.mixup)
    return max(share, 1 - share)


def order(recipe: Recipe, epoch: int, count: int, batches: int) -> np.ndarray:
    """Positions of the records of an epoch (batches, batch_size): a permutation, filled up from its own beginning."""
    permutation = np.random.default_rng([recipe.seed, epoch]).permutation(count)
    return np.resize(permutation, (batches, recipe.batch_size))


def training_batches(
    records: Path,
    recipe: Recipe,
    epoch: int,
    threads: int,
    first: int = 0,
    *,
    pinned: bool,
    share: Share = WHOLE,
    teacher: Teacher | None = None,
) -> Iterator[Batch]:
    """Shuffled, augmented batches of one epoch, the last one filled up from the first records.

    Where pictures are resized to more than they are cropped to, the crop is at random.

    Args:
        epoch: its number, from 1.
        first: the number in the epoch, from 0, of the batch to begin with.
        pinned: whether the batches lie in memory that a GPU reads by itself.
        share: what of each batch is decoded and yielded; the batch is the same, whatever the share.
        teacher: that says what a student is to say of the pictures.

    Raises:
        cli.UserError: records do not fill a batch, or a record is damaged.
    """
    batches = batch_count(records, recipe.batch_size)
    file = RecordFile(records)
    own = share.of_batch(recipe.batch_size)

    def changes(batch: int) -> list[Change]:
        drawn = Augmentation.draw(recipe, epoch, first + batch)
        return [drawn.of(picture, recipe.image["size"]) for picture in range(recipe.batch_size)[own]]

    rows = order(recipe, epoch, len(file), batches)[first:, own]
    yield from _batches(file, recipe, rows, changes, threads, pinned, teacher)


def validation_batches(
    records: Path, recipe: Recipe, threads: int, *, pinned: bool, share: Share = WHOLE
) -> Iterator[Batch]:
    """The records of a share once, in their order, cropped at the centre; the last batch may be smaller.

    Ranks take batches in turn, each as large as their share of a batch of training.
    """
    file = RecordFile(records)
    size, count = recipe.image["size"], recipe.batch_size // share.count
    positions = np.arange(len(file))
    rows = [positions[start : start + count] for start in range(0, len(file), count)][share.number :: share.count]

    def changes(batch: int) -> list[Change]:
        return [lambda resized: pixels.centre(resized, size)] * len(rows[batch])

    yield from _batches(file, recipe, rows, changes, threads, pinned)


def _batches(
    file: RecordFile,
    recipe: Recipe,
    rows: np.ndarray | list[np.ndarray],
    changes: Callable[[int], list[Change]],
    threads: int,
    pinned: bool,
    teacher: Teacher | None = None,
) -> Iterator[Batch]:
    """The records at these positions, a row per batch; each picture gets its own of the batch's changes."""
    size, resize = recipe.image["size"], recipes.resize(recipe.image)

    def load(
        positions: np.ndarray, own: list[Change], pictures: np.ndarray, labels: np.ndarray, *targets: np.ndarray
    ) -> None:
        taught = np.empty(len(positions), np.int64)
        for number, (position, change) in enumerate(zip(positions.tolist(), own, strict=True)):
            labels[number], picture = file.read(position)
            try:
                decoded = pixels.decoded(picture)
            except pixels.BadPictureError as fault:
                raise file.fault(position, str(fault)) from None
            pictures[number] = change(pixels.resized(decoded, resize))
            taught[number] = teacher.row(picture) if teacher else 0
        for each in targets:
            each[:] = teacher.targets(taught, labels)

    def start(pool: ThreadPoolExecutor, batch: int) -> tuple[Batch, list[Future]]:
        positions, own = rows[batch], changes(batch)
        kinds = [((size, size, 3), torch.uint8), ((), torch.int64)]
        kinds += [((teacher.classes,), torch.float32)] if teacher else []
        made = tuple(torch.empty((len(positions), *of_one), dtype=kind, pin_memory=pinned) for of_one, kind in kinds)
        blocks = [slice(first, first + BLOCK) for first in range(0, len(positions), BLOCK)]
        return made, [
            pool.submit(load, positions[block], own[block], *(array.numpy()[block] for array in made))
            for block in blocks
        ]

    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(threads)
        stack.callback(pool.shutdown, cancel_futures=True)
        under_way = collections.deque(start(pool, batch) for batch in range(min(AHEAD, len(rows))))
        for following in itertools.count(AHEAD):
            if not under_way:
                return
            batch, futures = under_way.popleft()
            for future in futures:
                future.result()
            if following < len(rows):
                under_way.append(start(pool, following))
            yield batch
