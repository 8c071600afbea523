"""The pictures of a catalog, by their place in the index, and whether they decode."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import cli
from catalog.documents import BadDocumentError, read_document

JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
START_OF_SCAN = 0xDA
# In a scan, FF 00 is a byte and FF D0 to FF D7 are restarts; any other marker ends it.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def iter_pictures(bson_path: Path, doc_offset: np.ndarray, doc_size: np.ndarray, image: np.ndarray) -> Iterator[bytes]:
    """Yield the bytes of pictures, in the order of the rows given (integers of equal length, any order).

    Documents are read one by one, so memory does not grow with the catalog.

    Raises:
        cli.UserError: a document is not where the index says; names the file and the offset.
    """
    with bson_path.open("rb") as file:
        descriptor = file.fileno()
        last, raw, pictures = None, b"", []
        for offset, size, place in zip(doc_offset.tolist(), doc_size.tolist(), image.tolist(), strict=True):
            try:
                if offset != last:
                    raw = os.pread(descriptor, size, offset)
                    pictures, last = read_document(raw, 0, size).pictures, offset
                start, length = pictures[place]
            except (BadDocumentError, IndexError):
                raise cli.UserError(
                    f"{bson_path}: byte {offset}: no picture {place} of a product there; the file changed after"
                    " it was indexed, index it again"
                ) from None
            yield raw[start : start + length]


class DecodeCheck:
    """Tells pictures that must not become records, at little cost.

    MXNet ends a training on a picture that OpenCV does not decode, and OpenCV decodes a JPEG that was cut off
    without a word. A JPEG of one scan that ends with its end marker decodes if its header does: headers are few,
    so each is decoded once. Everything else is decoded in full.
    """

    def __init__(self) -> None:
        self._good_headers: set[bytes] = set()

    def fault(self, picture: bytes) -> str | None:
        """Why a picture must not become a record, or None."""
        scan = _scan_start(picture)
        end = _SCAN_END.search(picture, scan) if scan else None
        is_whole = end is not None and end.group() == JPEG_END
        header = picture[:scan]
        if is_whole and header in self._good_headers:
            return None
        if picture.startswith(JPEG_START) and JPEG_END not in picture[scan:]:
            return "the JPEG is cut off"
        if not picture or cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is None:
            return "the picture does not decode"
        if is_whole:
            self._good_headers.add(header)
        return None


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
