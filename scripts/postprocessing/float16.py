"""float16 to float32 and back. OpenCV has the processor convert; NumPy 1.23 computes it, some 50 times slower."""

import cv2
import numpy as np


def widened(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """A float16 array (rows, columns), neither of them 0, as float32; in out, of that shape, where it is given."""
    return cv2.convertFp16(values.view(np.int16), out)


def narrowed(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """A float32 array (rows, columns), neither of them 0, as float16, rounded to nearest even; in out if given."""
    return cv2.convertFp16(values, None if out is None else out.view(np.int16)).view(np.float16)
