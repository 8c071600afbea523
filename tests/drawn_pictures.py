"""A picture in every kind that people have, drawn by the tests that need one."""

import io
import struct

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 53, 75
PIXELS = cv2.resize(
    np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
)
ORIENTATION = 0x112
EXIF = b"\xff\xe1"
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"
FORMATS = ("PNG", "WebP", "BMP", "GIF", "TIFF", "AVIF")


def saved(kind: str, mode: str = "RGB", pixels: np.ndarray = PIXELS, **options) -> bytes:
    """The picture as Pillow writes it."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).convert(mode).save(file, kind.upper(), **options)
        return file.getvalue()


def jpeg(*options: int) -> bytes:
    """The picture as OpenCV writes it."""
    return cv2.imencode(".jpg", PIXELS[..., ::-1], options)[1].tobytes()


def orientation(value: int, order: str = "<") -> Image.Exif:
    """EXIF that says how the picture is to be turned."""
    exif = Image.Exif()
    exif.endian = order
    exif[ORIENTATION] = value
    return exif


def segment(content: bytes, marker: bytes = EXIF) -> bytes:
    return marker + struct.pack(">H", len(content) + 2) + content


def with_segments(*segments: bytes) -> bytes:
    """A baseline JPEG with segments at its start."""
    return BASELINE[:2] + b"".join(segments) + BASELINE[2:]


def tiff_orientation(value: int, entries: int = 1) -> bytes:
    """The content of an EXIF segment, which claims so many entries."""
    entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, value, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, entries) + entry + bytes(4)


def scan_by_scan() -> bytes:
    """A baseline JPEG whose colours come in a scan each, put together from three grey ones."""
    greys = [saved("JPEG", "L", np.ascontiguousarray(PIXELS[..., colour])) for colour in range(3)]
    frame, scan = (greys[0].index(marker) for marker in (b"\xff\xc0", b"\xff\xda"))
    colours = b"".join(bytes([colour, 0x11, 0]) for colour in range(3))
    head = struct.pack(">BHHB", 8, HEIGHT, WIDTH, 3) + colours
    scans = [
        segment(bytes([1, colour, 0, 0, 63, 0]), b"\xff\xda") + grey[grey.index(b"\xff\xda") + 10 : -2]
        for colour, grey in enumerate(greys)
    ]
    tables = greys[0][:frame], greys[0][frame + 2 + 11 : scan]
    return tables[0] + segment(head, b"\xff\xc0") + tables[1] + b"".join(scans) + b"\xff\xd9"


def first_scans(progressive: bytes, count: int) -> bytes:
    """A progressive JPEG that ends, properly, after so many scans."""
    position = -1
    for _ in range(count + 1):
        position = progressive.index(b"\xff\xda", position + 1)
    return progressive[: progressive.rindex(b"\xff\xc4", 0, position)] + b"\xff\xd9"


def with_frame(marker: int) -> bytes:
    """A JPEG that claims another process, such as arithmetic coding (C9) or none that loses anything (C3)."""
    return BASELINE.replace(b"\xff\xc0", bytes([0xFF, marker]))


BASELINE = jpeg()
PROGRESSIVE = jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
SAMPLINGS = ("411", "420", "422", "440", "444")
PLAIN_JPEGS = {
    "baseline": BASELINE,
    "progressive": PROGRESSIVE,
    "with restarts": jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "with codes of its own": jpeg(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "of low quality": jpeg(cv2.IMWRITE_JPEG_QUALITY, 3),
    "of the best quality": jpeg(cv2.IMWRITE_JPEG_QUALITY, 100),
    "extended": with_frame(0xC1),
    "scan by scan": scan_by_scan(),
    "grey": saved("JPEG", "L"),
    "grey, progressive": saved("JPEG", "L", progressive=True),
    "CMYK": saved("JPEG", "CMYK"),
    "CMYK, progressive": saved("JPEG", "CMYK", progressive=True),
    "RGB": saved("JPEG", keep_rgb=True),
    "with a comment that looks like markers": with_segments(segment(b"\xff\xd9\xff\xda", b"\xff\xfe")),
    "with bytes after the end": BASELINE + b"more",
    "EXIF after XMP without orientation": with_segments(segment(XMP), segment(b"Exif\0\0II*\0")),
    "upright EXIF after XMP": with_segments(segment(XMP), segment(tiff_orientation(1))),
    "noise for EXIF": with_segments(segment(b"Exif\0\0" + np.random.default_rng(1).bytes(60_000) + b"\x12\x01\3\0")),
    "EXIF before XMP": saved("JPEG", exif=orientation(6), xmp=XMP),
    "damaged EXIF": with_segments(segment(b"Exif\0\0garbage")),
    **{
        f"sampled {name}{', progressive' * is_progressive}": jpeg(
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}")),
            *(cv2.IMWRITE_JPEG_PROGRESSIVE, int(is_progressive)),
        )
        for name in SAMPLINGS
        for is_progressive in (False, True)
    },
    **{
        f"orientation {value}{order}": saved("JPEG", exif=orientation(value, order))
        for value in range(10)
        for order in "<>"
    },
}
UNUSUAL_JPEGS = {
    "first scans of a progressive one": first_scans(PROGRESSIVE, 1),
    "most scans of a progressive one": first_scans(PROGRESSIVE, 8),
    "arithmetic coding": with_frame(0xC9),
    "XMP before EXIF": with_segments(segment(XMP), segment(tiff_orientation(6))),
    "two EXIFs": with_segments(segment(b"Exif\0\0II*\0"), segment(tiff_orientation(6))),
    "EXIF with another name": with_segments(segment(b"Exif\0\1" + tiff_orientation(6)[6:])),
    "EXIF with entries that lie outside": with_segments(segment(tiff_orientation(6, entries=900))),
    "a filled segment": with_segments(b"\xff\xff" + segment(tiff_orientation(6))),
    "a strip": cv2.imencode(".jpg", cv2.resize(PIXELS, (900, 9)))[1].tobytes(),
}
OTHERS = {
    **{name: (name, saved(name)) for name in FORMATS},
    **{f"{name}, lossless": (name, saved(name, lossless=True)) for name in ("WebP",)},
    **{f"{name}, moving": (name, saved(name, save_all=True, append_images=[Image.new("RGB", (75, 53))]))
       for name in ("GIF", "PNG", "WebP", "AVIF", "TIFF")},
    **{f"{name} of grey": (name, saved(name, "L")) for name in FORMATS},
    **{f"{name} with a palette": (name, saved(name, "P")) for name in ("PNG", "BMP", "GIF", "TIFF")},
    **{f"{name} of black and white": (name, saved(name, "1")) for name in ("PNG", "BMP", "GIF", "TIFF")},
    **{f"{name}, turned": (name, saved(name, exif=orientation(6))) for name in ("PNG", "WebP", "TIFF", "AVIF")},
    **{f"{name} of 16 bits": (name, cv2.imencode(f".{name.lower()}", PIXELS.astype(np.uint16) * 257)[1].tobytes())
       for name in ("PNG", "TIFF")},
    **{f"TIFF, {compression}": ("TIFF", saved("TIFF", compression=compression))
       for compression in ("tiff_deflate", "tiff_lzw", "jpeg", "packbits", "zstd", "lzma")},
    "TIFF of CMYK": ("TIFF", saved("TIFF", "CMYK")),
    "TIFF with large offsets": ("TIFF", saved("TIFF", big_tiff=True)),
    "PNG, a strip": ("PNG", cv2.imencode(".png", cv2.resize(PIXELS, (9, 900)))[1].tobytes()),
}  # fmt: skip
