"""What networks see of a picture. Training's validation and prediction see the same pixels."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Crop:
    """Which pixels of a picture a network gets.

    Attributes:
        size: side of the square that is cut out at the centre, pixels.
        resize: the picture's shorter edge before that, pixels, at least size.
    """

    size: int
    resize: int


def decoded(picture: bytes) -> np.ndarray | None:
    """Decode to (height, width, 3) uint8 RGB, or None where that fails."""
    try:
        return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # no bytes at all, or a header with sides beyond OpenCV's limits
        return None


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
    pixels = decoded(picture)
    if pixels is None:
        planes[:] = 0
        return False
    cv2.split(cropped(pixels, crop), list(planes))
    return True
