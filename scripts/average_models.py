"""Average the probabilities of an ensemble's models for one shard.

In: one .npy (float16, pictures x classes) per model. Out: one .npy of that form. Memory is bounded by a block of rows.

Example:
    python scripts/average_models.py --mean arithmetic --output ensemble/0000.npy M05/0000.npy M07/0000.npy
"""

import argparse
import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

import cli
from postprocessing.float16 import narrowed, widened
from postprocessing.means import Mean, MemberNotFiniteError, weights_of
from postprocessing.shards import NewShard, not_finite, open_shard

# 2 MB in float32: few enough to stay in a processor's cache, enough that threads seldom wait for Python's lock.
VALUES_PER_BLOCK = 1 << 19


def shape_of(paths: list[Path]) -> tuple[int, int]:
    """Pictures and classes of the models' probabilities.

    Raises:
        cli.UserError: a file is damaged, or two differ in shape.
    """
    shapes = [open_shard(path).shape for path in paths]
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise cli.UserError(f"{path}: shape {shape}, but {paths[0]} has {shapes[0]}; predict it again")
    return shapes[0]


def average(paths: list[Path], shape: tuple[int, int], mean: Mean, output: BinaryIO, threads: int) -> None:
    """Write the mean of the models' probabilities, each of that shape; every thread works on a block of rows."""
    count, classes = shape
    row_bytes = classes * np.dtype(np.float16).itemsize
    block = (max(1, VALUES_PER_BLOCK // classes), classes)
    shard = NewShard(output, shape)
    memory = threading.local()  # fresh memory for each block would cost more than the arithmetic

    def allocate() -> None:
        memory.float16, memory.float32 = np.empty(block, np.float16), np.empty((3, *block), np.float32)

    def average_block(start: int) -> int:
        rows, (member, mean_rows, spare) = memory.float16[: count - start], memory.float32[:, : count - start]
        members = (_read(file, end - (count - start) * row_bytes, rows, member) for file, end in files)
        try:
            mean.write(members, mean_rows, spare)
        except MemberNotFiniteError as fault:
            raise not_finite(paths[fault.member], start + fault.row) from None
        shard.write(start, narrowed(mean_rows, rows))
        return len(rows)

    with (
        contextlib.ExitStack() as stack,
        ThreadPoolExecutor(threads, initializer=allocate) as pool,
        cli.progress(count, "picture", "averaging") as bar,
    ):
        files = [(stack.enter_context(path.open("rb")), path.stat().st_size) for path in paths]
        for rows in pool.map(average_block, range(0, count, block[0])):
            bar.update(rows)


def _read(file: BinaryIO, offset: int, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Read rows (float16) at an offset; returns them in float32, in out."""
    os.preadv(file.fileno(), [rows], offset)
    return widened(rows, out)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    cv2.setNumThreads(1)
    mean = Mean(args.mean, weights_of(args.members, args.weights))
    shape = shape_of(args.members)
    with cli.written_whole(args.output) as (path,), path.open("wb", buffering=0) as output:
        average(args.members, shape, mean, output, args.threads)
    size = len(args.members) * shape[0] * shape[1] * np.dtype(np.float16).itemsize / 1e6
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(args.members)} models, {shape[0]} pictures, {size:.0f} MB in {seconds:.1f} s ({size / seconds:.0f} MB/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--mean", choices=("arithmetic", "geometric"), required=True)
    parser.add_argument("--weights", type=float, nargs="+", help="one per model; equal if absent")
    parser.add_argument("--threads", type=int, default=1, help="blocks of rows that are worked on at a time")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("members", type=Path, nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
