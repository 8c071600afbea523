"""The probabilities or features of an image set, which lie in shards, as one array on disk."""

import itertools
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

import cli
from postprocessing.float16 import widened


class Shards:
    """Rows of consecutive .npy files (float16), read where they are asked for."""

    def __init__(self, paths: list[Path], rows: int, classes: int | None = None) -> None:
        """Open the shards.

        Args:
            rows: that they have together.
            classes: that each has a column for; None where columns are features.

        Raises:
            cli.UserError: a file is missing or damaged, has not a column per class, or together they have not the
                listed number of rows.
        """
        self._shards = [*map(Shard, paths)]
        self.columns = classes or self._shards[0].shape[1]
        for path, shard in zip(paths, self._shards, strict=True):
            if shard.shape[1] != self.columns:
                held = f"{path}: probabilities of {shard.shape[1]} classes, the catalog has {classes}"
                if not classes:
                    held = f"{path}: {shard.shape[1]} features, {paths[0]} has {self.columns}"
                raise cli.UserError(f"{held}; predict it again")
        self._starts = np.cumsum([0, *(shard.shape[0] for shard in self._shards)])
        if self._starts[-1] != rows:
            raise cli.UserError(
                f"{paths[0].parent}: the shards hold {self._starts[-1]} rows, the list of pictures {rows};"
                " predict them again"
            )

    def not_finite(self, row: int) -> cli.UserError:
        """A line on a row with a number that is not finite."""
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._shards[shard].not_finite(row - int(self._starts[shard]))

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The given rows (len(rows), columns) float32, in any order."""
        values = np.empty((len(rows), self.columns), np.float32)
        shard_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shard_of_row):
            chosen = shard_of_row == shard
            values[chosen] = widened(self._shards[shard].read(rows[chosen] - self._starts[shard]))
        return values


class Shard:
    """A file of probabilities (pictures, classes) float16, read where it is asked for, also by several threads.

    The rows are read, not mapped into memory: a file that shrinks meanwhile is a line here, and no signal that ends the
    process.

    Attributes:
        shape: pictures and classes.

    Raises:
        cli.UserError: the file is damaged or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("rb")
        try:
            np.lib.format.read_magic(self._file)
            self.shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(self._file)
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise cli.UserError(f"{path}: not an array of probabilities: {reason}; predict the shard again") from error
        if dtype != np.float16 or is_fortran or len(self.shape) != 2:
            raise cli.UserError(f"{path}: not an array (pictures, classes) of float16; predict the shard again")
        self._start, self._row_bytes = self._file.tell(), self.shape[1] * dtype.itemsize
        size, expected = path.stat().st_size, self._start + self.shape[0] * self._row_bytes
        if size != expected:
            raise cli.UserError(
                f"{path}: not an array of probabilities: {size} bytes instead of {expected}; predict the shard again"
            )

    def read_into(self, first: int, rows: np.ndarray) -> None:
        """Read rows (count, classes) float16 from a row on.

        Raises:
            cli.UserError: the file has shrunk.
        """
        if os.preadv(self._file.fileno(), [rows], self._start + first * self._row_bytes) < rows.nbytes:
            raise cli.UserError(f"{self._path}: the file shrank while it was read; predict the shard again")

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), classes) float16 of the given rows, in any order."""
        values = np.empty((len(rows), self.shape[1]), np.float16)
        begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        for first, stop in itertools.pairwise([*begins.tolist(), len(rows)]):
            self.read_into(int(rows[first]), values[first:stop])
        return values

    def not_finite(self, row: int) -> cli.UserError:
        """A line on a row with a number that is not finite."""
        return cli.UserError(f"{self._path}: row {row}: probabilities that are not finite; predict the shard again")


def shard_bounds(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """The first row of a shard, and the one behind its last; shards differ by one row at most."""
    return rows * shard // shards, rows * (shard + 1) // shards


class NewShard:
    """A file of probabilities that is written block by block, in any order, also by several threads.

    The blocks are written, not mapped into memory: a full disk is an OSError here, and no signal that ends the process.

    Args:
        file: empty, without a buffer.
        shape: pictures and classes.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int]) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        self._file, self._start, self._row_bytes = file, file.tell(), shape[1] * np.dtype(np.float16).itemsize

    def write(self, first: int, rows: np.ndarray) -> None:
        """Write rows (count, classes) float16 from a row on."""
        offset = self._start + first * self._row_bytes
        cli.write_at(self._file.fileno(), memoryview(rows).cast("B"), offset)
