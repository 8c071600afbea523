"""What stands in a JPEG around its compressed pixels (ITU-T T.81, annex B), read as libjpeg reads it."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

START = 0xFF  # of a marker
END = b"\xff\xd9"
MARKED = 1
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
_FIRST_SEGMENT = 2
_WITHOUT_CONTENT = {0x01, *range(0xD0, 0xDA)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the segments that hold the size
_USUAL_FRAMES = {0xC0, 0xC1, 0xC2}  # Huffman codes; baseline, extended, progressive
_TABLES = {0xC4, 0xDB, 0xDD}
_APP0, _APP1, _APP14, _COMMENT = 0xE0, 0xE1, 0xEE, 0xFE
_APPS = range(_APP0, 0xF0)
_EXIF = b"Exif\0\0"
# The tag of the orientation in either order of bytes, not followed by any type, the count 1 and the value 1 (upright).
_TURNED = re.compile(rb"\x12\x01(?!..\x01\0\0\0\x01\0)|\x01\x12(?!..\0\0\0\x01\0\x01)", re.DOTALL)
# Sampling of luminance (or of the only component, which is not looked at) to which both OpenCVs have the same code.
_USUAL_SAMPLING = {0x11, 0x21, 0x22, 0x41, 0x12}
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff]", re.DOTALL)
# In a scan, FF 00 is a byte and FF D0 to FF D7 are restarts; any other marker ends it.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_COEFFICIENTS = 64


class Segment(NamedTuple):
    """A marker and where its content lies. `is_close`: nothing stands between it and the segment before."""

    marker: int
    start: int
    stop: int
    is_close: bool


@dataclass(frozen=True)
class Header:
    """What stands before the first scan's data.

    Attributes:
        size: height and width in pixels.
        stop: where the data begins.
        is_usual: whether nothing stands there that MXNet's OpenCV 3.4 may read otherwise than newer ones.
        deciding: the segments by which it follows whether any data that comes decodes.
    """

    size: tuple[int, int]
    stop: int
    is_usual: bool
    deciding: bytes


def segments(jpeg: bytes, position: int = _FIRST_SEGMENT) -> Iterator[Segment]:
    """Yield the segments from a position on, up to and with the first scan's header."""
    while found := _NEXT_MARKER.search(jpeg, position):
        begin, start = found.span()
        marker = jpeg[start - 1]
        if marker == END_OF_IMAGE:
            return
        is_close = begin == position and start == position + 2
        position = start if marker in _WITHOUT_CONTENT else start + int.from_bytes(jpeg[start : start + 2], "big")
        yield Segment(marker, min(start + 2, position), position, is_close)
        if marker == START_OF_SCAN:
            return


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Height and width in pixels as the first frame says; None without one."""
    for segment in segments(jpeg):
        if segment.marker in _FRAMES:
            return _size(jpeg, segment)
    return None


def is_cut_off(jpeg: bytes) -> bool:
    """Whether no end comes after the first scan's header."""
    return all(segment.marker != START_OF_SCAN or jpeg.find(END, segment.stop) < 0 for segment in segments(jpeg))


def _size(jpeg: bytes, frame: Segment) -> tuple[int, int] | None:
    content = jpeg[frame.start + 1 : frame.start + 5]
    return struct.unpack(">HH", content) if len(content) == 4 else None


def read_header(jpeg: bytes) -> Header | None:
    """What stands before the first scan's data; None where the JPEG ends before."""
    size, frames, deciding, own, is_usual = None, [], [], [], True
    for segment in segments(jpeg):
        content = jpeg[segment.start : segment.stop]
        is_usual &= segment.is_close
        if segment.marker in _FRAMES:
            size = size or _size(jpeg, segment)
            frames.append(segment.marker)
            is_usual &= segment.marker in _USUAL_FRAMES and _has_usual_components(content)
        elif segment.marker == _APP1:
            own.append(content)
        elif segment.marker not in _TABLES and segment.marker not in _APPS and segment.marker != START_OF_SCAN:
            is_usual &= segment.marker == _COMMENT
        if segment.marker != _COMMENT and (segment.marker not in _APPS or segment.marker in (_APP0, _APP14)):
            deciding.append(jpeg[segment.start - 4 : segment.stop])
        if segment.marker == START_OF_SCAN:
            if size is None or segment.stop > len(jpeg):
                return None
            return Header(
                size, segment.stop, bool(is_usual and len(frames) == 1 and _is_read_alike(own)), b"".join(deciding)
            )
    return None


def _has_usual_components(frame: bytes) -> bool:
    """8 bits, and one component, or several of which only the first one (CMYK: also the last) is sampled more often."""
    if len(frame) < 6 or frame[0] != 8 or len(frame) != 6 + 3 * frame[5]:
        return False
    samplings = frame[7::3]
    match len(samplings):
        case 1:
            return True
        case 3:
            return samplings[0] in _USUAL_SAMPLING and samplings[1:] == b"\x11\x11"
        case 4:
            return samplings[0] in _USUAL_SAMPLING and samplings[1:3] == b"\x11\x11" and samplings[3] == samplings[0]
    return False


def _is_read_alike(own: list[bytes]) -> bool:
    """Whether the contents of APP1 segments (EXIF, XMP) turn the pixels alike in both OpenCVs.

    The old one takes the first APP1 for EXIF, whatever it is; new ones look for the first that is. They differ in what
    they make of a damaged one.
    """
    may_turn = [content[8:10] in (b"*\0", b"\0*") and bool(_TURNED.search(content)) for content in own]
    return not any(may_turn) or (not any(may_turn[1:]) and _is_sound_exif(own[0]))


def _is_sound_exif(content: bytes) -> bool:
    """Whether it is EXIF whose first directory lies inside."""
    tiff = content[len(_EXIF) :]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if not content.startswith(_EXIF) or order is None:
        return False
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
    except struct.error:
        return False
    return directory + 2 + 12 * entries <= len(tiff)


def is_one_scan(jpeg: bytes, stop: int) -> bool:
    """Whether the scan whose data begins at a position is the last one, and whole."""
    end = _SCAN_END.search(jpeg, stop)
    return end is not None and end.group() == END


class MarkerFinder:
    """Finds where markers may begin in many pictures at once, in rooms that it uses again.

    A search in each picture stops at every FF of a scan, which takes twice as long.
    """

    def __init__(self) -> None:
        self._marks = bytearray()
        self._is_escaped = np.empty(0, bool)

    def marks(self, octets: np.ndarray) -> bytearray:
        """MARKED for each byte FF that no 00 follows, other values for all others, until the next call."""
        if len(octets) > len(self._marks):
            self._marks, self._is_escaped = bytearray(len(octets)), np.empty(len(octets), bool)
        marks = np.frombuffer(self._marks, bool)[: len(octets)]
        is_escaped = self._is_escaped[: len(octets)]
        np.equal(octets, START, out=marks)
        np.equal(octets[1:], 0, out=is_escaped[:-1])
        np.greater(marks, is_escaped, out=marks)
        return self._marks


def is_complete(jpeg: bytes) -> bool:
    """Whether the scans bring every bit of every coefficient; what is missing, decoders fill in as they like."""
    missing: dict[int, list[int]] = {}  # bits of each coefficient by component
    position = _FIRST_SEGMENT
    while True:
        scan = None
        for segment in segments(jpeg, position):
            content = jpeg[segment.start : segment.stop]
            if segment.marker in _FRAMES:
                missing |= {component: [_COEFFICIENTS] * _COEFFICIENTS for component in content[6::3]}
            if segment.marker == START_OF_SCAN:
                scan = segment
        if scan is None:
            return bool(missing) and not any(map(any, missing.values()))
        content = jpeg[scan.start : scan.stop]
        if not content or len(content) != 4 + 2 * content[0]:
            return False
        first, last, bits = content[-3:]
        for component in content[1:-3:2]:
            if component in missing:
                count = min(last, _COEFFICIENTS - 1) + 1 - first
                missing[component][first : first + max(count, 0)] = [bits & 0xF] * max(count, 0)
        end = _SCAN_END.search(jpeg, scan.stop)
        if end is None:
            return False
        position = end.start()
