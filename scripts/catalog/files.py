"""The dumps of a catalog, in their order, as if they were one: offsets count from the first byte of the first file."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np


class Files:
    """Files that are read by their common offsets, by several threads too; each is opened when it is first asked for.

    Attributes:
        paths: of the files.
        starts: the offset (int64) of each file's first byte.
        size: bytes of all files.
    """

    def __init__(self, paths: Sequence[Path]):
        ends = np.cumsum([path.stat().st_size for path in paths], dtype=np.int64)
        self.starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        self.size = int(ends[-1])
        self.paths = paths
        self._descriptors: dict[int, int] = {}
        self._lock = threading.Lock()

    def __str__(self) -> str:
        """The file, or the folder of several."""
        return str(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def numbers(self, offsets: np.ndarray) -> np.ndarray:
        """The position (int64) of the file that each offset lies in; the last one's for what lies behind its end."""
        return np.searchsorted(self.starts, offsets, side="right") - 1

    def place(self, offset: int) -> tuple[Path, int]:
        """The file that an offset lies in, and the offset in that file."""
        number = int(self.numbers(offset))
        return self.paths[number], offset - int(self.starts[number])

    def descriptor(self, number: int) -> int:
        """That of a file, by its position."""
        with self._lock:
            if number not in self._descriptors:
                self._descriptors[number] = os.open(self.paths[number], os.O_RDONLY)
            return self._descriptors[number]

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of one file; fewer than `size` where it ends before."""
        number = int(self.numbers(offset))
        return os.pread(self.descriptor(number), size, offset - int(self.starts[number]))

    def located(self, offsets: np.ndarray) -> tuple[list[int], list[int]]:
        """The descriptor of the file that each offset lies in, and the offset in that file."""
        numbers = self.numbers(offsets)
        found, places = np.unique(numbers, return_inverse=True)
        descriptors = np.array([self.descriptor(number) for number in found.tolist()])
        return descriptors[places].tolist(), (offsets - self.starts[numbers]).tolist()
