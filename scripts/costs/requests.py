"""What jobs request of a cluster: what they are expected to take, with room to spare.

A job that still exceeds its time or memory is started again with more (`attempt`).
"""

import math

import cli
from costs.estimator import MEBIBYTE

ROOM = 2.0  # requested over expected: a busy file system, a slower GPU, a catalog without copies
START_MINUTES = 10  # loading an environment, compiling kernels


def minutes(seconds: float, attempt: int) -> int:
    """Minutes to request for a job that is expected to take some seconds."""
    return math.ceil(attempt * (START_MINUTES + ROOM * seconds / 60))


def mebibytes(memory: float, attempt: int) -> int:
    """Memory in MiB to request for a job that is expected to need some bytes at its peak."""
    return math.ceil(attempt * ROOM * memory / MEBIBYTE)


def check_gpus(asked: dict[str, int], available: int) -> None:
    """Refuse a run whose jobs ask for more GPUs than it has: Snakemake would give them fewer and say nothing.

    Args:
        asked: keys of the configuration, and the GPUs of a job that each sets.
        available: GPUs of the run.

    Raises:
        cli.UserError: names these keys.
    """
    short = [key for key, gpus in asked.items() if gpus > available]
    if short:
        keys = ", ".join(short)
        raise cli.UserError(
            f"{keys}: jobs ask for up to {max(asked.values())} GPUs, there are {available} here; lower these keys in"
            " an overlay (0: the CPU), and batch_size where fewer GPUs have too little memory for it"
        )
