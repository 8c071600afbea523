"""What a head sees: a row per picture or per product, from the features of one model or several, read as they lie.

Features lie in shards, a row per listed picture; a row of zeros is a picture without pixels.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from postprocessing.shards import Shards


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that say what a head sees."""
    parser.add_argument("--of", choices=("products", "pictures"), required=True)
    parser.add_argument("--models", nargs="+", required=True, help="their names, in the order of their features")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="shards of the first model, the next..."
    )


@dataclass(frozen=True)
class Features:
    """The features of listed pictures, those of several models side by side.

    Attributes:
        models: the shards of each.
    """

    models: list[Shards]

    @classmethod
    def open(cls, paths: Sequence[Path], models: int, pictures: int) -> "Features":
        """Open the shards of the first model, then those of the next.

        Raises:
            cli.UserError: a file is missing or damaged, or the shards of a model do not have the listed pictures.
        """
        each = len(paths) // models
        return cls([Shards(list(paths[each * model : each * (model + 1)]), pictures) for model in range(models)])

    @property
    def columns(self) -> int:
        return sum(shards.columns for shards in self.models)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), columns) float32 of listed pictures, in any order."""
        return np.concatenate([shards.read(rows) for shards in self.models], axis=1)


@dataclass(frozen=True)
class Inputs:
    """Rows of a head: each is made of one listed picture or of several.

    Attributes:
        features: of the listed pictures.
        pictures: the listed picture (int64) of each part of a row, row after row.
        starts: the first part of each row (int64).
        counts_pictures: whether a row tells how many parts it has.
    """

    features: Features
    pictures: np.ndarray
    starts: np.ndarray
    counts_pictures: bool

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def columns(self) -> int:
        return self.features.columns + self.counts_pictures

    def read(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Consecutive rows (count, columns) float32, and which of them (bool) have a picture with pixels.

        A row is the mean over those of its pictures, and where they are counted the logarithm of their number.
        """
        ends = np.append(self.starts, len(self.pictures))
        starts, end = self.starts[first:stop], int(ends[stop])
        listed, inverse = np.unique(self.pictures[starts[0] : end], return_inverse=True)
        parts = self.features.read(listed)[inverse]
        has_pixels = parts.any(axis=1)
        begins = starts - starts[0]
        seen = np.add.reduceat(has_pixels.astype(np.float32), begins)
        rows = np.add.reduceat(parts, begins, axis=0) / np.maximum(seen, 1)[:, None]
        if self.counts_pictures:
            rows = np.column_stack([rows, np.log2(np.maximum(seen, 1))])
        return rows.astype(np.float32, copy=False), seen > 0
