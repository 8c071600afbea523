"""The pictures of a catalog, by their place in the index, and whether they decode."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import cli
from catalog.documents import read_documents

ROWS_AT_A_TIME = 256
JPEG_START = b"\xff\xd8"
# What the OpenCV inside MXNet 1.9.1 decodes; newer ones also decode WebP and others, on which a training would end.
FORMAT_STARTS = (JPEG_START, b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*")
JPEG_END = b"\xff\xd9"
START_OF_SCAN = 0xDA
# In a scan, FF 00 is a byte and FF D0 to FF D7 are restarts; any other marker ends it.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def iter_pictures(bson_path: Path, doc_offset: np.ndarray, doc_size: np.ndarray, image: np.ndarray) -> Iterator[bytes]:
    """Yield the bytes of pictures, in the order of the rows given (integers of equal length, any order).

    Documents are read a few at a time, so memory does not grow with the catalog.

    Raises:
        cli.UserError: a document is not where the index says; names the file and the offset.
    """
    with bson_path.open("rb") as file:
        for first in range(0, len(image), ROWS_AT_A_TIME):
            rows = slice(first, first + ROWS_AT_A_TIME)
            yield from _read_pictures(bson_path, file.fileno(), doc_offset[rows], doc_size[rows], image[rows])


def _read_pictures(
    path: Path, descriptor: int, doc_offset: np.ndarray, doc_size: np.ndarray, image: np.ndarray
) -> Iterator[bytes]:
    offsets, firsts, document = np.unique(doc_offset, return_index=True, return_inverse=True)
    sizes = np.asarray(doc_size, np.int64)[firsts]
    for size, offset in zip(sizes.tolist(), offsets.tolist(), strict=True):
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)
    ends = np.cumsum(sizes)
    raw = bytearray(int(ends[-1]))  # zeros where the file ends early
    octets = memoryview(raw)
    for offset, size, end in zip(offsets.tolist(), sizes.tolist(), ends.tolist(), strict=True):
        os.preadv(descriptor, [octets[end - size : end]], offset)
    pictures, _ = read_documents(raw, ends - sizes, sizes)
    places = {
        key: (start, start + size)
        for key, start, size in zip(
            zip(pictures["document"].tolist(), pictures["image"].tolist(), strict=True),
            pictures["start"].tolist(),
            pictures["size"].tolist(),
            strict=True,
        )
    }
    for key in zip(document.tolist(), np.asarray(image).tolist(), strict=True):
        if key not in places:
            raise cli.UserError(
                f"{path}: byte {offsets[key[0]]}: no picture {key[1]} of a product there; the file changed after"
                " it was indexed, index it again"
            )
        yield bytes(octets[slice(*places[key])])


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
            if not _decodes(picture):
                return "the picture does not decode"
        if is_whole:
            self._good_headers.add(header)
            self._latest_header = header
        return None


def _decodes(picture: bytes) -> bool:
    try:
        return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is not None
    except cv2.error:  # a header with sides beyond OpenCV's limits
        return False


def _scan_start(picture: bytes) -> int:
    """Where the first scan's data starts in a JPEG; 0 where no scan is found."""
    if not picture.startswith(JPEG_START):
        return 0
    place = 2
    while place + 4 <= len(picture) and picture[place] == 0xFF:
        marker = picture[place + 1]
        place += 2 + int.from_bytes(picture[place + 2 : place + 4], "big")
        if marker == START_OF_SCAN:
            return place if place <= len(picture) else 0
    return 0
