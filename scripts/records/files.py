"""The records that a model learns from or is validated on: a .rec, and the .idx with their offsets beside it."""

import math
import os
import struct
from pathlib import Path

import numpy as np

import cli
from records import recordio


def record_count(records: Path) -> int:
    """Records of a .rec, by its .idx.

    Raises:
        cli.UserError: a file is missing, or there is no record.
    """
    offsets = records.with_suffix(".idx")
    for path in (records, offsets):
        if not path.is_file():
            raise cli.UserError(f"{path}: no such file; pack the records again with pack_records.py")
    with offsets.open("rb") as file:
        count = sum(1 for _ in file)
    if not count:
        raise cli.UserError(f"{records}: no records; choose a larger valid_fraction, or a dataset with fewer filters")
    return count


def batch_count(records: Path, batch_size: int) -> int:
    """Batches of an epoch; the last one is filled up.

    Raises:
        cli.UserError: a file is missing, or there are fewer records than a batch holds.
    """
    count = record_count(records)
    if count < batch_size:
        raise cli.UserError(
            f"{records}: {count} records do not fill one batch of {batch_size}; lower the model's batch_size"
        )
    return math.ceil(count / batch_size)


class RecordFile:
    """The records of a .rec by their position in it, from 0; several threads may read at a time.

    Raises:
        cli.UserError: a file is missing, or the .idx belongs to another .rec.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        offsets_path = path.with_suffix(".idx")
        count = record_count(path)
        self._file = path.open("rb")
        size = os.fstat(self._file.fileno()).st_size
        try:
            offsets = np.loadtxt(offsets_path, np.int64, usecols=1, delimiter="\t", ndmin=1)
        except (ValueError, IndexError) as error:
            raise cli.UserError(f"{offsets_path}: {error}; pack the records again with pack_records.py") from error
        self._bounds = np.append(offsets, size)
        if len(offsets) != count or (np.diff(self._bounds) <= 0).any():
            raise cli.UserError(
                f"{offsets_path}: its offsets are not those of {path.name}; pack the records again with pack_records.py"
            )

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def read(self, position: int) -> tuple[int, bytes]:
        """The label and the picture's bytes of a record.

        Raises:
            cli.UserError: there is no whole record.
        """
        start, end = self._bounds[position : position + 2].tolist()
        raw = os.pread(self._file.fileno(), end - start, start)
        try:
            return recordio.label_and_picture(raw)
        except (struct.error, ValueError):
            raise self.fault(position, "no whole record") from None

    def fault(self, position: int, reason: str) -> cli.UserError:
        """A line on a record that is of no use."""
        return cli.UserError(
            f"{self._path}: byte {self._bounds[position]}: {reason}; pack the records again with pack_records.py"
        )
