"""What jobs request of a cluster: what they are expected to take, with room to spare.

A job that still exceeds its time or memory is started again with more (`attempt`).
"""

import math

from costs.estimator import MEBIBYTE

ROOM = 2.0  # requested over expected: a busy file system, a slower GPU, a catalog without copies
START_MINUTES = 10  # loading an environment, compiling kernels


def minutes(seconds: float, attempt: int) -> int:
    """Minutes to request for a job that is expected to take some seconds."""
    return math.ceil(attempt * (START_MINUTES + ROOM * seconds / 60))


def mebibytes(memory: float, attempt: int) -> int:
    """Memory in MiB to request for a job that is expected to need some bytes at its peak."""
    return math.ceil(attempt * ROOM * memory / MEBIBYTE)
