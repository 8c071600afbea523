"""The pictures of a catalog, where the index says they lie, and whether they decode."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.files import Files
from catalog.layout import BEFORE_PICTURE, before_picture
from loading.pixels import decoded

ROWS_AT_A_TIME = 256
JPEG_START = b"\xff\xd8"
# What the OpenCV inside MXNet 1.9.1 decodes; newer ones also decode WebP and others, on which a training would end.
FORMAT_STARTS = (JPEG_START, b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*")
JPEG_END = b"\xff\xd9"
START_OF_SCAN = 0xDA
# In a scan, FF 00 is a byte and FF D0 to FF D7 are restarts; any other marker ends it.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def iter_pictures(catalog: Sequence[Path], rows: pd.DataFrame) -> Iterator[bytes]:
    """Yield the bytes of pictures, in the order of the rows.

    Pictures are read a few at a time, so memory does not grow with the catalog.

    Args:
        catalog: its dumps in order.
        rows: of the catalog's index, any of them in any order: product_id, image_offset, image_size.

    Raises:
        cli.UserError: a picture of that size is not where the index says.
    """
    with Files(catalog) as files:
        for first in range(0, len(rows), ROWS_AT_A_TIME):
            yield from _read_pictures(files, rows[first : first + ROWS_AT_A_TIME])


def _read_pictures(files: Files, rows: pd.DataFrame) -> Iterator[bytes]:
    starts, picture_sizes = rows.image_offset.to_numpy() - BEFORE_PICTURE, rows.image_size.to_numpy(np.int64)
    sizes = picture_sizes + BEFORE_PICTURE
    ends = np.cumsum(sizes)  # of what is read for each row, in memory
    raw = memoryview(bytearray(int(ends[-1])))
    in_file = np.argsort(starts, kind="stable")
    numbers = files.numbers(starts)
    columns = [column[in_file].tolist() for column in (numbers, starts - files.starts[numbers], sizes, ends)]
    for number, start, size, _ in zip(*columns, strict=True):
        os.posix_fadvise(files.descriptor(number), start, size, os.POSIX_FADV_WILLNEED)
    for row, number, start, size, end in zip(in_file.tolist(), *columns, strict=True):
        element = raw[end - size : end]
        is_whole = os.preadv(files.descriptor(number), [element], start) == size
        if not is_whole or element[:BEFORE_PICTURE] != before_picture(size - BEFORE_PICTURE):
            raise _moved(files, rows[row:])
    for size, end in zip(picture_sizes.tolist(), ends.tolist(), strict=True):
        yield bytes(raw[end - size : end])


def _moved(files: Files, rows: pd.DataFrame) -> cli.UserError:
    """That the first of the rows has no picture where the index says."""
    row = next(rows.itertuples())
    path, offset = files.place(row.image_offset)
    return cli.UserError(
        f"{path}: byte {offset}: product {row.product_id}: no picture of {row.image_size} bytes there; the"
        " catalog changed after it was indexed, index it again"
    )


class DecodeCheck:
    """Tells pictures that must not become records, at little cost.

    MXNet ends a training on a picture that OpenCV does not decode, and OpenCV decodes a JPEG that was cut off
    without a word. A JPEG of one scan that ends with its end marker decodes if its header does: headers are few,
    so each is decoded once. Everything else is decoded in full.
    """

    def __init__(self) -> None:
        self._good_headers: set[bytes] = set()
        self._latest_header = b""  # most pictures of a catalog have that of the one before

    def fault(self, picture: bytes) -> str | None:
        """Why a picture must not become a record, or None."""
        header = self._latest_header
        if not (header and picture.startswith(header)):
            header = picture[: _scan_start(picture)]
        end = _SCAN_END.search(picture, len(header)) if header else None
        is_whole = end is not None and end.group() == JPEG_END
        if not (is_whole and header in self._good_headers):
            if picture.startswith(JPEG_START) and JPEG_END not in picture[len(header) :]:
                return "the JPEG is cut off"
            if not picture.startswith(FORMAT_STARTS):
                return "the picture is no JPEG, PNG, BMP or TIFF"
            if decoded(picture) is None:
                return "the picture does not decode"
        if is_whole:
            self._good_headers.add(header)
            self._latest_header = header
        return None


def _scan_start(picture: bytes) -> int:
    """Where the first scan's data starts in a JPEG; 0 where no scan is found."""
    if not picture.startswith(JPEG_START):
        return 0
    position = 2
    while position + 4 <= len(picture) and picture[position] == 0xFF:
        marker = picture[position + 1]
        position += 2 + int.from_bytes(picture[position + 2 : position + 4], "big")
        if marker == START_OF_SCAN:
            return position if position <= len(picture) else 0
    return 0
