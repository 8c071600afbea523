"""What a picture is, told by its first bytes, before any decoder sees it."""

import numpy as np

HEAD = 64  # bytes that are enough
JPEG, HEIC = "JPEG", "HEIC"
TAKEN = (JPEG, "PNG", "WebP", "BMP", "GIF", "TIFF", "AVIF")

# What an index tells of a picture: the position in this list, which only grows. A plain JPEG becomes a record as it is;
# any other picture is encoded anew.
KINDS = (JPEG, "unusual JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "AVIF")
PLAIN_JPEG, UNUSUAL_JPEG = 0, 1
JPEG_QUALITY = 95  # of what is encoded anew

_STARTS = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # with offsets of 64 bits
    b"MM\0+": "TIFF",
    # From here on for the line that refuses them.
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"\x59\xa6\x6a\x95": "Sun raster",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "ICO",
    b"DDS ": "DDS",
    b"%PDF": "PDF",
}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # bytes
_BRANDS = {
    "AVIF": {b"avif", b"avis"},
    HEIC: {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
}


def format_of(head: bytes) -> str | None:
    """The format of a picture by its first HEAD bytes: one of TAKEN, the name of another one, or None."""
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[:1] == b"P" and head[1:2] in b"1234567Ff" and head[2:3].isspace():
        return "PNM"
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[position : position + 4] for position in range(8, size, 4)}
        return next((name for name, own in _BRANDS.items() if brands & own), None)
    return None


def other_kinds(kinds: np.ndarray) -> dict[str, int]:
    """How many of these pictures (positions in KINDS) are no plain JPEGs, by kind."""
    counts = np.bincount(kinds, minlength=len(KINDS)).tolist()
    return {name: count for name, count in zip(KINDS, counts, strict=True) if count and name != KINDS[PLAIN_JPEG]}


def in_words(counts: dict[str, int]) -> str:
    """Counts by name, for a line."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
