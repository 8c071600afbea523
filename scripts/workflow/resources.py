"""Run time and memory to request for a job, from the work it has to do.

Everything is known before the first job: pictures are counted by the size of the catalog's files. Estimates are
meant to be met with room to spare; a job that still exceeds one is started again with more (`attempt`).
"""

import math
from pathlib import Path

import cli

BYTES_PER_PICTURE = 4_700  # of the published catalog: 58.2 GB, 12.4 million pictures
ROOM = 2.0  # requested over estimated time
START_MINUTES = 10  # loading an environment, compiling kernels, a busy file system
PUBLISHED_GPUS = 8
CPU_IN_GPUS = 0.1  # what a machine without GPUs is worth
FORWARD_SPEEDUP = 3.0  # a forward pass against a training step
FORWARDS_PER_PREDICTION = 2  # a picture and its mirror
INDEX_BYTES = 400  # of a picture's row in memory, with the copies that joins make
PROBABILITY_BYTES = 4  # a float32 while it is averaged
PUBLISHED_CLASSES = 5_270
MEBIBYTE = 2**20


def catalog_pictures(path: Path) -> int:
    """Pictures of a catalog file, about; 0 where it does not exist yet (a drawn catalog is small)."""
    return path.stat().st_size // BYTES_PER_PICTURE if path.exists() else 0


def class_count(names: Path) -> int:
    """Categories by the lines of category_names.csv; the published number where there is no such file."""
    if not names.exists():
        return PUBLISHED_CLASSES
    with names.open("rb") as lines:
        return max(sum(1 for _ in lines) - 1, 1)


def minutes(work: float, per_second: float, attempt: int) -> int:
    """Minutes to request for an amount of work (bytes, pictures) done at a speed; grows with each attempt."""
    return math.ceil(attempt * (START_MINUTES + ROOM * work / per_second / 60))


def mebibytes(fixed: float, variable_bytes: float, attempt: int) -> int:
    """Memory to request: a fixed part in MiB and a part that grows with the work, in bytes."""
    return math.ceil(attempt * (fixed + variable_bytes / MEBIBYTE))


def training_speed(published_images_per_second: float, gpus: int) -> float:
    """Pictures per second of one job, from a network's published speed on 8 GPUs."""
    return published_images_per_second * (gpus or CPU_IN_GPUS) / PUBLISHED_GPUS


def prediction_speed(published_images_per_second: float, gpus: int) -> float:
    """Pictures per second of one job, each forwarded with its mirror."""
    return training_speed(published_images_per_second, gpus) * FORWARD_SPEEDUP / FORWARDS_PER_PREDICTION


def probability_bytes(pictures: float, classes: int) -> float:
    """Memory of the probabilities of pictures while they are worked on."""
    return pictures * classes * PROBABILITY_BYTES


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
