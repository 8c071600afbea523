"""MXNet's RecordIO files as labels and pictures, read without MXNet: a .rec, and the .idx beside it.

Little endian. A record is u32 magic number, u32 length of what follows with its kind in the upper 3 bits, the content,
zeros up to a multiple of 4 bytes. Content that holds the magic number at such a multiple is cut there into several of
these: first, middle, last. The content is u32 flag, f32 label, u64 number, u64 (0), and the picture's bytes.
"""

import os
import struct
from pathlib import Path

import numpy as np

import cli
from training.records import record_count

MAGIC = struct.pack("<I", 0xCED7230A)  # dmlc-core, recordio.h
PART = struct.Struct("<4sI")
WHOLE, LAST = 0, 3  # kinds
LENGTH_BITS = 29
HEADER = struct.Struct("<IfQQ")


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
            content = MAGIC.join(_parts(raw))
            _, label, *_ = HEADER.unpack_from(content)
        except (struct.error, ValueError):
            raise self.fault(position, "no whole record") from None
        return int(label), content[HEADER.size :]

    def fault(self, position: int, reason: str) -> cli.UserError:
        """A line on a record that is of no use."""
        return cli.UserError(
            f"{self._path}: byte {self._bounds[position]}: {reason}; pack the records again with pack_records.py"
        )


def _parts(raw: bytes) -> list[bytes]:
    """The parts of a record's content.

    Raises:
        ValueError, struct.error: it is not whole.
    """
    parts, offset, kind = [], 0, None
    while kind not in (WHOLE, LAST):
        magic, word = PART.unpack_from(raw, offset)
        kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
        offset += PART.size
        if magic != MAGIC or offset + length > len(raw):
            raise ValueError("no part of a record")
        parts.append(raw[offset : offset + length])
        offset += length + -length % 4
    return parts
