"""What an ensemble says of the pictures of records: the targets of a student.

Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015 (arXiv:1503.02531), at a temperature of 1.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np

from catalog.copies import MD5
from catalog.index import read_index
from postprocessing.shards import Shards

NONE = -1  # the row of a picture that the ensemble has not seen


class Teacher:
    """Probabilities by the MD5 of a picture's bytes; several threads may ask at a time.

    Args:
        images: the list of the pictures that the ensemble has seen.
        shards: its probabilities of them, in order.
        classes: their number.

    Raises:
        cli.UserError: the shards are not of this list or number of classes, or damaged.
    """

    def __init__(self, images: Path, shards: list[Path], classes: int) -> None:
        listed = read_index(images, list(MD5))
        high, low = (listed[name].to_numpy() for name in MD5)
        self._rows = np.lexsort((low, high))
        self._high, self._low = high[self._rows], low[self._rows]
        self._shards, self.classes = Shards(shards, len(listed), classes), classes

    def row(self, picture: bytes) -> int:
        """That of a picture; NONE where it is not listed: its bytes are others, since it was encoded anew."""
        high, low = struct.unpack(">QQ", hashlib.md5(picture, usedforsecurity=False).digest())
        first, stop = (int(np.searchsorted(self._high, np.uint64(high), side)) for side in ("left", "right"))
        found = first + np.flatnonzero(self._low[first:stop] == np.uint64(low))
        return int(self._rows[found[0]]) if len(found) else NONE

    def targets(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What a student is to say (count, classes) float32, rows of sum 1; the label, where the teacher says nothing.

        Args:
            rows: as `row` gives them.
            labels: (count,) class ids of the same pictures.
        """
        targets = np.zeros((len(rows), self.classes), np.float32)
        is_listed = rows != NONE
        targets[is_listed] = self._shards.read(rows[is_listed])
        sums = targets.sum(axis=1, keepdims=True)
        np.divide(targets, sums, out=targets, where=sums > 0)
        unsaid = np.flatnonzero(sums[:, 0] == 0)
        targets[unsaid, labels[unsaid]] = 1
        return targets
