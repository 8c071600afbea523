"""A picture of any size and format, made one of a catalog."""

import itertools
from pathlib import Path

import cv2
import numpy as np

import cli
from catalog_making.files import shown
from catalog_making.formats import HEAD, format_of, is_cut_off, pixels_of

SIDE = 180  # pixels
JPEG_QUALITY = 95
MOST_PIXELS = 150_000_000  # of a picture; decoded, 450 MB
WHITE = 255
OPAQUE = ("JPEG", "BMP")
MOST_BYTES = 1 << 28  # of a file
ROWS = 256  # blended at a time


def silence_decoders() -> None:
    """Keep OpenCV from saying in words of its own what is said once with a picture's name."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def catalog_picture(path: Path) -> bytes:
    """The bytes of a picture as the catalog holds it: a JPEG of SIDE x SIDE as it is, any other encoded anew.

    Raises:
        cli.UserError: the file is missing or no picture that can be read.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise cli.UserError(f"{shown(path)}: {size:,} bytes, {MOST_BYTES:,} are possible")
        content = path.read_bytes()
    except FileNotFoundError:
        raise cli.UserError(f"{shown(path)}: no such picture") from None
    except OSError as error:
        raise cli.UserError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    kind = format_of(content[:HEAD])
    if fault := _fault(content, kind):
        raise cli.UserError(f"{shown(path)}: {fault}")
    picture = _decoded(content, kind)
    if picture is None:
        raise cli.UserError(f"{shown(path)}: cannot be decoded as a picture ({kind})")
    if kind == "JPEG" and picture.shape[:2] == (SIDE, SIDE):
        return content
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", centre_square(picture, SIDE), quality)[1].tobytes()


def _fault(content: bytes, kind: str | None) -> str | None:
    """Why a file goes to no decoder."""
    if not content:
        return "cannot be decoded as a picture: the file is empty"
    if kind is None:
        return "cannot be decoded as a picture: its content is none of a kind that is taken"
    if kind == "HEIC":
        return "HEIC, which cannot be decoded here; convert it to JPEG"
    if (pixels := pixels_of(content, kind)) > MOST_PIXELS:
        return f"{pixels:,} pixels, {MOST_PIXELS:,} are possible"
    if is_cut_off(content, kind):
        return f"cannot be decoded as a picture: the {kind} is cut off"
    return None


def _decoded(content: bytes, kind: str) -> np.ndarray | None:
    """The upright pixels (height, width, 3) uint8, BGR, of the first frame, with white behind them; or None."""
    encoded = np.frombuffer(content, np.uint8)
    try:
        picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        if picture is None or kind in OPAQUE:
            return picture
        stored = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return picture if stored is None else white_behind(picture, stored)


def white_behind(picture: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Blend a picture with white by the alpha of the pixels as they are stored, which need not be upright.

    Args:
        picture: upright (height, width, 3) uint8; changed in place.
        stored: uint8 or uint16, with alpha where it has four channels.
    """
    if stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype not in (np.uint8, np.uint16):
        return picture
    stored = (stored >> 8 * (stored.itemsize - 1)).astype(np.uint8, copy=False)
    if stored[..., 3].min() == WHITE:
        return picture
    for mirror, quarters in itertools.product((1, -1), range(4)):
        turned = np.rot90(stored[:, ::mirror], quarters)
        if np.array_equal(turned[..., :3], picture):
            stored = turned
            break
    if stored.shape[:2] != picture.shape[:2]:
        return picture
    for start in range(0, len(picture), ROWS):
        rows = slice(start, start + ROWS)
        alpha = stored[rows, :, 3:].astype(np.float32) / WHITE
        picture[rows] = np.rint(picture[rows] * alpha + WHITE * (1 - alpha))
    return picture


def centre_square(picture: np.ndarray, side: int) -> np.ndarray:
    """Crop (height, width, 3) uint8 to the square at its centre and resize that to side pixels."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = picture[top : top + edge, left : left + edge]
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if edge > side else cv2.INTER_CUBIC)
