"""The pictures of a catalog, where the index says they lie, and of what kind they are."""

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
from catalog.files import Files
from catalog.ids import first_written
from catalog.layout import BEFORE_PICTURE, before_picture, moved
from loading import jpegs
from loading.formats import HEAD, JPEG, KINDS, PLAIN_JPEG, UNUSUAL_JPEG, format_of
from loading.pixels import BadPictureError, decoded_whole

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 256
KNOWN_HEADERS = 1 << 16  # of JPEGs that decode; 10 MB


def iter_pictures(catalog: Sequence[Path], rows: "pd.DataFrame") -> Iterator[bytes]:
    """Yield the bytes of pictures, in the order of the rows.

    Pictures are read a few at a time, so memory does not grow with the catalog.

    Args:
        catalog: its dumps in order.
        rows: of the catalog's index, any of them in any order: product_id, product_text, image_offset, image_size.

    Raises:
        cli.UserError: a picture of that size is not where the index says.
    """
    with Files(catalog) as files:
        for first in range(0, len(rows), ROWS_AT_A_TIME):
            yield from _read_pictures(files, rows[first : first + ROWS_AT_A_TIME])


def _read_pictures(files: Files, rows: "pd.DataFrame") -> Iterator[bytes]:
    starts, picture_sizes = rows.image_offset.to_numpy() - BEFORE_PICTURE, rows.image_size.to_numpy(np.int64)
    sizes = picture_sizes + BEFORE_PICTURE
    ends = np.cumsum(sizes)  # of what is read for each row, in memory
    raw = memoryview(bytearray(int(ends[-1])))
    in_file = np.argsort(starts, kind="stable")
    columns = [*files.located(starts[in_file]), sizes[in_file].tolist(), ends[in_file].tolist()]
    for descriptor, start, size, _ in zip(*columns, strict=True):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)
    for row, descriptor, start, size, end in zip(in_file.tolist(), *columns, strict=True):
        element = raw[end - size : end]
        is_whole = os.preadv(descriptor, [element], start) == size
        if not is_whole or element[:BEFORE_PICTURE] != before_picture(size - BEFORE_PICTURE):
            raise _moved(files, rows[row:])
    for size, end in zip(picture_sizes.tolist(), ends.tolist(), strict=True):
        yield bytes(raw[end - size : end])


def _moved(files: Files, rows: "pd.DataFrame") -> cli.UserError:
    """That the first of the rows has no picture where the index says."""
    row, product = next(rows.itertuples()), first_written(rows, "product")
    path, offset = files.place(row.image_offset)
    return cli.UserError(f"{path}: byte {offset}: product {product}: {moved(row.image_size)}")


class PictureCheck:
    """Tells the kinds of pictures, and those that cannot be used, at little cost.

    A JPEG is plain where the OpenCV that trains with MXNet reads it as ours does. One that consists of a single scan
    and ends with its end marker decodes if its header does. Without what cameras write of themselves, headers are few,
    so each is decoded once. Everything else is decoded in full.
    """

    def __init__(self) -> None:
        self._plain_headers: set[bytes] = set()  # digests of what decides
        self._markers = jpegs.MarkerFinder()
        self._latest_header = b""  # most pictures of a catalog have that of the one before

    def kinds(self, catalog: mmap.mmap, starts: list[int], stops: list[int]) -> list[int | BadPictureError]:
        """What `kind` says or raises of each of a catalog's pictures, which lie one after the other."""
        first, found = starts[0], []
        find = self._markers.marks(np.frombuffer(catalog, np.uint8)[first : stops[-1]]).find
        for start, stop in zip(starts, stops, strict=True):
            header = self._latest_header
            scan = start + len(header)
            end = find(jpegs.MARKED, scan - first, stop - first - 1)
            is_alike = header and end >= 0 and catalog[start:scan] == header
            if is_alike and catalog[first + end : first + end + 2] == jpegs.END:
                found.append(PLAIN_JPEG)
                continue
            try:
                found.append(self.kind(catalog[start:stop]))
            except BadPictureError as fault:
                found.append(fault)
        return found

    def kind(self, picture: bytes) -> int:
        """The position of a picture's kind in KINDS.

        Raises:
            BadPictureError: the picture is of no format that is taken, is cut off, has too many pixels or does not
                decode.
        """
        header = self._latest_header
        if header and picture.startswith(header) and jpegs.is_one_scan(picture, len(header)):
            return PLAIN_JPEG
        name = format_of(picture[:HEAD])
        if name == JPEG:
            return self._kind_of_jpeg(picture)
        decoded_whole(picture)
        return KINDS.index(name)

    def _kind_of_jpeg(self, picture: bytes) -> int:
        header = jpegs.read_header(picture)
        is_one_scan = header is not None and jpegs.is_one_scan(picture, header.stop)
        digest = hashlib.blake2b(header.deciding, digest_size=16).digest() if is_one_scan and header.is_usual else b""
        if digest not in self._plain_headers:
            height, width, _ = decoded_whole(picture).shape
            if not (header.is_usual and {height, width} == {*header.size} and jpegs.is_complete(picture)):
                return UNUSUAL_JPEG
            if len(self._plain_headers) == KNOWN_HEADERS:
                self._plain_headers.clear()
            self._plain_headers |= {digest} - {b""}
        if is_one_scan:
            self._latest_header = picture[: header.stop]
        return PLAIN_JPEG
