"""The probabilities of an image set, which lie in shards, as one array on disk."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

import cli
from postprocessing.float16 import widened


class Shards:
    """Rows of consecutive .npy files (float16), read where they are asked for."""

    def __init__(self, paths: list[Path], rows: int, classes: int) -> None:
        """Map the shards into memory.

        Raises:
            cli.UserError: a file is missing or damaged, has not a column per class, or together they have not the
                listed number of rows.
        """
        self._paths, self._shards = paths, [open_shard(path) for path in paths]
        for path, shard in zip(paths, self._shards, strict=True):
            if shard.shape[1] != classes:
                raise cli.UserError(
                    f"{path}: probabilities of {shard.shape[1]} classes, the catalog has {classes}; predict it again"
                )
        self._starts = np.cumsum([0, *map(len, self._shards)])
        if self._starts[-1] != rows:
            raise cli.UserError(
                f"{paths[0].parent}: the shards hold {self._starts[-1]} rows, the list of pictures {rows};"
                " predict them again"
            )
        self.classes = classes

    def not_finite(self, row: int) -> cli.UserError:
        """A line on a row with a number that is not finite."""
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        return not_finite(self._paths[shard], row - int(self._starts[shard]))

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), classes) float32 of the given rows, in any order."""
        values = np.empty((len(rows), self.classes), np.float32)
        shard_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shard_of_row):
            chosen = shard_of_row == shard
            values[chosen] = widened(self._shards[shard][rows[chosen] - self._starts[shard]])
        return values


def open_shard(path: Path) -> np.ndarray:
    """Map one file of probabilities (pictures, classes) float16 into memory.

    Raises:
        cli.UserError: the file is damaged or holds something else.
    """
    try:
        # An array without rows cannot be mapped.
        array = np.load(path, mmap_mode="r") if path.stat().st_size > 128 else np.load(path)
    except (ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise cli.UserError(f"{path}: not an array of probabilities: {reason}; predict the shard again") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.float16 or array.ndim != 2:
        raise cli.UserError(f"{path}: not an array (pictures, classes) of float16; predict the shard again")
    return array


def not_finite(path: Path, row: int) -> cli.UserError:
    """A line on a shard with a number that is not finite."""
    return cli.UserError(f"{path}: row {row}: probabilities that are not finite; predict the shard again")


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
        left, offset = memoryview(rows).cast("B"), self._start + first * self._row_bytes
        while left:
            written = os.pwrite(self._file.fileno(), left, offset)
            left, offset = left[written:], offset + written
