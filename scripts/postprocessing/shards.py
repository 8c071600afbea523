"""The probabilities of an image set, which lie in shards, as one array on disk."""

from pathlib import Path

import numpy as np

import cli


class Shards:
    """Rows of consecutive .npy files (float16), read where they are asked for."""

    def __init__(self, paths: list[Path], rows: int) -> None:
        """Map the shards into memory.

        Raises:
            cli.UserError: a file is missing or damaged, or together they have not the listed number of rows.
        """
        self._shards = [_load(path) for path in paths]
        self._starts = np.cumsum([0, *map(len, self._shards)])
        if self._starts[-1] != rows:
            raise cli.UserError(
                f"{paths[0].parent}: the shards hold {self._starts[-1]} rows, the list of pictures {rows};"
                " predict them again"
            )
        self.classes = self._shards[0].shape[1]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), classes) float32 of the given rows, in any order."""
        values = np.empty((len(rows), self.classes), np.float32)
        shard_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shard_of_row):
            chosen = shard_of_row == shard
            values[chosen] = self._shards[shard][rows[chosen] - self._starts[shard]]
        return values


def _load(path: Path) -> np.ndarray:
    try:
        # An array without rows cannot be mapped.
        array = np.load(path, mmap_mode="r") if path.stat().st_size > 128 else np.load(path)
    except (ValueError, EOFError) as error:
        raise cli.UserError(f"{path}: not an array of probabilities: {error}; predict the shard again") from error
    return array
