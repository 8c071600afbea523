"""What a file is, told by its first bytes: a suffix says what somebody thought."""

import math
import re
import struct
from collections.abc import Iterator

HEAD = 64  # bytes that are enough
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")
}
# Raw files look like TIFF from outside; what decoders find in them is a thumbnail, if anything.
RAW_SUFFIXES = {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"}

PNG_START = b"\x89PNG\r\n\x1a\n"
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    PNG_START: "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
START_OF_SCAN = 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that hold the size
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # bytes
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def format_of(head: bytes) -> str | None:
    """The format of a picture by its first HEAD bytes: JPEG, PNG, GIF, TIFF, BMP, WebP, AVIF or HEIC; else None."""
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[position : position + 4] for position in range(8, size, 4)}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIC_BRANDS:
            return "HEIC"
    return None


def pixels_of(content: bytes, kind: str) -> int:
    """Width times height as the header says, before any decoder makes room for them; 0 where it does not say."""
    width, height = _SIZES[kind](content) or (0, 0)
    return width * height


def is_cut_off(content: bytes, kind: str) -> bool:
    """Whether a JPEG or PNG ends early: decoders fill up what is missing, and make room for what a PNG promises."""
    if kind == "JPEG":
        starts = [position for marker, position in _jpeg_segments(content) if marker == START_OF_SCAN]
        return not starts or content.find(b"\xff\xd9", starts[0]) < 0
    return kind == "PNG" and not _has_png_end(content)


def _has_png_end(png: bytes) -> bool:
    position = len(PNG_START)
    while position + 12 <= len(png):
        if png[position + 4 : position + 8] == b"IEND":
            return True
        position += 12 + int.from_bytes(png[position : position + 4], "big")
    return False


def _jpeg_segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker of each segment up to the first scan, and where its content begins."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        yield marker, position + 4
        if marker == START_OF_SCAN:
            return
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    for marker, position in _jpeg_segments(content):
        if marker in _FRAMES:
            return _numbers(">xHH", content, position)
    return None


def _bmp_size(content: bytes) -> tuple[int, int] | None:
    width, height = _numbers("<HH" if content[14] == 12 else "<ii", content, 18) or (0, 0)
    return abs(width), abs(height)  # a negative height is one from the top


def _webp_size(content: bytes) -> tuple[int, int] | None:
    if content[12:16] == b"VP8X":
        return tuple(1 + int.from_bytes(content[position : position + 3], "little") for position in (24, 27))
    if content[12:16] == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = _numbers("<HH", content, 26) or (0, 0)
    return width & 0x3FFF, height & 0x3FFF


def _tiff_size(content: bytes) -> tuple[int, int] | None:
    order = "<" if content.startswith(b"II") else ">"
    [directory] = _numbers(f"{order}I", content, 4) or (0,)
    [count] = _numbers(f"{order}H", content, directory) or (0,)
    sides = {}
    for position in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = _numbers(f"{order}HH", content, position) or (0, 0)
        if tag in (256, 257):
            [sides[tag]] = _numbers(f"{order}{'H' if kind == 3 else 'I'}", content, position + 8) or (0,)
    return sides.get(256, 0), sides.get(257, 0)


def _avif_size(content: bytes) -> tuple[int, int] | None:
    positions = [found.end() + 4 for found in re.finditer(b"ispe", content)]
    sizes = [size for position in positions if (size := _numbers(">II", content, position))]
    return max(sizes, key=math.prod, default=None)


def _numbers(layout: str, content: bytes, position: int) -> tuple[int, ...] | None:
    try:
        return struct.unpack_from(layout, content, position)
    except struct.error:
        return None


_SIZES = {
    "JPEG": _jpeg_size,
    "PNG": lambda content: _numbers(">II", content, 16),
    "GIF": lambda content: _numbers("<HH", content, 6),
    "TIFF": _tiff_size,
    "BMP": _bmp_size,
    "WebP": _webp_size,
    "AVIF": _avif_size,
}
