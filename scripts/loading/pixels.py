"""What networks see of a picture. Training's validation and prediction see the same pixels."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from loading import jpegs
from loading.formats import HEAD, JPEG, JPEG_QUALITY, TAKEN, format_of

if TYPE_CHECKING:
    from PIL import Image

# Decoding runs in many processes or threads side by side; and a process that is forked does not have OpenCV's threads.
cv2.setNumThreads(1)

MOST_PIXELS = 64_000_000  # of a picture: decoding takes less than 1 GiB, whatever the format
LONGEST = 16  # times the shorter edge: what is longer is cut off at both ends, before resizing makes gigabytes of it
ROWS = 256  # converted at a time
ORIENTATION = 0x112  # the tag of EXIF; its values are 1 to 8
ON_ITS_SIDE = (5, 6, 7, 8)
OPPOSITE = {6: 8, 8: 6}  # what undoes an orientation; all others undo themselves
WHITE = (255, 255, 255, 255)
TOO_DEEP = ("I", "F")  # modes of pixels of 32 bits, whose white nobody knows


class BadPictureError(Exception):
    """Why a picture cannot be used."""


@dataclass(frozen=True)
class Crop:
    """Which pixels of a picture a network gets.

    Attributes:
        size: side of the square that is cut out at the centre, pixels.
        resize: the picture's shorter edge before that, pixels, at least size.
    """

    size: int
    resize: int


def decoded_whole(picture: bytes) -> np.ndarray:
    """Like decoded, of a picture that nobody has looked at yet: decoders fill up a JPEG that is cut off.

    Raises:
        BadPictureError: as decoded; or the picture is cut off.
    """
    if format_of(picture[:HEAD]) == JPEG and jpegs.is_cut_off(picture):
        raise BadPictureError("the JPEG is cut off")
    return decoded(picture)


def decoded(picture: bytes) -> np.ndarray:
    """Decode a picture to the pixels that stand for it everywhere: in training, in prediction and in a made catalog.

    They are upright, of the first frame, with white behind transparent ones. Of a strip that is longer than LONGEST
    times its width the middle is kept.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        BadPictureError: the picture is of no format that is taken, has too many pixels or does not decode.
    """
    kind = format_of(picture[:HEAD])
    if kind not in TAKEN:
        raise BadPictureError(_refusal(picture, kind))
    return _middle(_decoded_jpeg(picture) if kind == JPEG else _decoded_by_pillow(picture, kind))


def _refusal(picture: bytes, kind: str | None) -> str:
    if kind is not None:
        return f"{kind} is not taken; convert it to JPEG"
    return "the picture has no format that is taken" if picture else "the picture is empty"


def check_size(height: int, width: int) -> None:
    """Raise BadPictureError where a picture has no pixels or too many of them."""
    if height * width > MOST_PIXELS:
        raise too_many_pixels()
    if not height * width:
        raise BadPictureError("the picture has no pixels")


def too_many_pixels() -> BadPictureError:
    return BadPictureError(f"more than {MOST_PIXELS:,} pixels; make it smaller")


def _decoded_jpeg(picture: bytes) -> np.ndarray:
    size = jpegs.size_of(picture)
    if size is None:
        raise BadPictureError("the JPEG does not say its size")
    check_size(*size)
    try:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise BadPictureError("the JPEG does not decode")
    return pixels


def _decoded_by_pillow(picture: bytes, kind: str) -> np.ndarray:
    from PIL import Image  # noqa: PLC0415 - most catalogs have JPEGs alone

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # for tiles, which may be larger than their picture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture), formats=[kind]) as image:
                check_size(image.height, image.width)
                image.load()
                return _on_white(image, _orientation(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise too_many_pixels() from None
    except BadPictureError:
        raise
    except Exception:  # damaged bytes make Pillow's readers raise whatever they like
        raise BadPictureError(f"the {kind} does not decode") from None


def _on_white(image: "Image.Image", orientation: int) -> np.ndarray:
    """The pixels (height, width, 3) uint8 RGB of a loaded image, upright; a few rows at a time, for less memory."""
    size = (image.height, image.width)
    pixels = np.empty((*(size[::-1] if orientation in ON_ITS_SIDE else size), 3), np.uint8)
    stored = _turned(pixels, OPPOSITE.get(orientation, orientation))
    for rows, band in _bands(image):
        stored[rows] = _band_on_white(band)
    return pixels


def _bands(image: "Image.Image") -> Iterator[tuple[slice, "Image.Image"]]:
    for top in range(0, image.height, ROWS):
        bottom = min(top + ROWS, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _band_on_white(band: "Image.Image") -> np.ndarray:
    from PIL import Image  # noqa: PLC0415

    if band.mode in TOO_DEEP:
        raise BadPictureError("pixels of 32 bits are not taken")
    if band.mode.startswith("I;16"):
        return (np.asarray(band) >> 8).astype(np.uint8)[..., None]
    if band.has_transparency_data:
        band = Image.alpha_composite(Image.new("RGBA", band.size, WHITE), band.convert("RGBA"))
    return np.asarray(band.convert("RGB"))


def _orientation(image: "Image.Image") -> int:
    """How the pixels are to be turned (1 to 8, as EXIF counts); what cannot be read turns nothing."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF; the pixels are sound
        return 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """A view of (height, width, 3), turned and mirrored to be upright if EXIF tells this orientation."""
    turns = {
        2: lambda: pixels[:, ::-1],
        3: lambda: pixels[::-1, ::-1],
        4: lambda: pixels[::-1],
        5: lambda: pixels.transpose(1, 0, 2),
        6: lambda: np.rot90(pixels, -1),
        7: lambda: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: lambda: np.rot90(pixels),
    }
    return turns.get(orientation, lambda: pixels)()


def _middle(pixels: np.ndarray) -> np.ndarray:
    """Without the ends of a strip that is longer than LONGEST times its width."""
    height, width = pixels.shape[:2]
    longest = LONGEST * min(height, width)
    if max(height, width) <= longest:
        return pixels
    top, left = (max(edge - longest, 0) // 2 for edge in (height, width))
    return np.ascontiguousarray(pixels[top : top + longest, left : left + longest])


def encoded(pixels: np.ndarray) -> bytes:
    """A JPEG of (height, width, 3) uint8 RGB, of JPEG_QUALITY, with a colour for each pixel."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def cropped(pixels: np.ndarray, crop: Crop) -> np.ndarray:
    """Resize (height, width, 3) uint8 and cut out the centre, as MXNet's ImageRecordIter does on valid records."""
    return centre(resized(pixels, crop.resize), crop.size)


def resized(pixels: np.ndarray, shorter_edge: int) -> np.ndarray:
    """Resize (height, width, 3) uint8, bilinear, until the shorter edge has so many pixels."""
    height, width = pixels.shape[:2]
    if min(height, width) == shorter_edge:
        return pixels
    # The other edge is rounded down.
    if height > width:
        height, width = shorter_edge * height // width, shorter_edge
    else:
        height, width = shorter_edge, shorter_edge * width // height
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)


def centre(pixels: np.ndarray, size: int) -> np.ndarray:
    """The square of that side at the centre of (height, width, 3)."""
    height, width = pixels.shape[:2]
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def fill(planes: np.ndarray, picture: bytes, crop: Crop) -> bool:
    """Decode a picture into planes (3, size, size) uint8 RGB; where that fails they are 0, and False is returned."""
    try:
        pixels = decoded(picture)
    except BadPictureError:
        planes[:] = 0
        return False
    cv2.split(cropped(pixels, crop), list(planes))
    return True
