"""A picture of any size and format, made one of a catalog."""

from pathlib import Path

import cv2
import numpy as np

import cli
from catalog_making.files import shown
from loading.formats import HEAD, JPEG, format_of
from loading.pixels import BadPictureError, decoded_whole, encoded

SIDE = 180  # pixels
MOST_BYTES = 1 << 28  # of a file


def silence_decoders() -> None:
    """Keep OpenCV from saying in words of its own what is said once with a picture's name."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def catalog_picture(path: Path) -> bytes:
    """The bytes of a picture as the catalog holds it: a JPEG of SIDE x SIDE as it is, any other encoded anew.

    Raises:
        cli.UserError: the file is missing or no picture that can be used.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise cli.UserError(f"{shown(path)}: {size:,} bytes, {MOST_BYTES:,} are possible")
        content = path.read_bytes()
        picture = decoded_whole(content)
    except FileNotFoundError:
        raise cli.UserError(f"{shown(path)}: no such picture") from None
    except OSError as error:
        raise cli.UserError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except BadPictureError as fault:
        raise cli.UserError(f"{shown(path)}: {fault}") from None
    if format_of(content[:HEAD]) == JPEG and picture.shape[:2] == (SIDE, SIDE):
        return content
    return encoded(centre_square(picture, SIDE))


def centre_square(picture: np.ndarray, side: int) -> np.ndarray:
    """Crop (height, width, 3) uint8 to the square at its centre and resize that to side pixels."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = picture[top : top + edge, left : left + edge]
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if edge > side else cv2.INTER_CUBIC)
