"""What jobs request of a cluster: what they are expected to take, with room to spare.

A job that still exceeds its time or memory is started again with more (`attempt`), up to what the site grants.
"""

import math

from costs.estimator import MEBIBYTE

ROOM = 2.0  # requested over expected: a busy file system, a slower GPU, a catalog without copies
START_MINUTES = 10  # loading an environment, compiling kernels


def minutes(seconds: float, attempt: int, most: int | None = None) -> int:
    """Minutes to request for a job that is expected to take some seconds; the site grants `most`."""
    return _granted(attempt * (START_MINUTES + ROOM * seconds / 60), most)


def mebibytes(memory: float, attempt: int, most: int | None = None) -> int:
    """Memory in MiB to request for a job that is expected to need some bytes at its peak; the site grants `most`."""
    return _granted(attempt * ROOM * memory / MEBIBYTE, most)


def _granted(wanted: float, most: int | None) -> int:
    return math.ceil(wanted) if most is None else min(math.ceil(wanted), most)


def fused_epochs(seconds: float, configured: int, most: int | None) -> int:
    """Epochs that one job trains: as many as are configured, fewer where the site does not grant the time of all.

    Args:
        seconds: that an epoch is expected to take.
        most: minutes that the site grants; None: any number.
    """
    return configured if most is None else max(1, min(configured, most // minutes(seconds, 1)))
