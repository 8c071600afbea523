"""Average the probabilities of an ensemble's models for one shard.

In: one .npy (float16, pictures x classes) per model; with the mean `learned`, what was learned of these models, whose
names are given then: those that do not count need not be there. Out: one .npy of that form. Memory is bounded by a
block of rows.

Example:
    python scripts/average_models.py --mean arithmetic --output ensemble/0000.npy M05/0000.npy M07/0000.npy
"""

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

import cli
from postprocessing.float16 import narrowed, widened
from postprocessing.learned import LEARNED, read_learned
from postprocessing.means import Mean, MemberNotFiniteError, add_mean_options, learned_mean, weights_of
from postprocessing.shards import NewShard, Shard

# 2 MB in float32: few enough to stay in a processor's cache, enough that threads seldom wait for Python's lock.
VALUES_PER_BLOCK = 1 << 19


def open_members(paths: list[Path]) -> list[Shard]:
    """The models' probabilities.

    Raises:
        cli.UserError: a file is damaged, or two differ in shape.
    """
    shards = [*map(Shard, paths)]
    for path, shard in zip(paths, shards, strict=True):
        if shard.shape != shards[0].shape:
            raise cli.UserError(f"{path}: shape {shard.shape}, but {paths[0]} has {shards[0].shape}; predict it again")
    return shards


def average(shards: list[Shard], mean: Mean, output: BinaryIO, threads: int) -> None:
    """Write the mean of the models' probabilities, all of one shape; every thread works on a block of rows."""
    count, classes = shards[0].shape
    block = (max(1, VALUES_PER_BLOCK // classes), classes)
    mean_shard = NewShard(output, (count, classes))
    memory = threading.local()  # fresh memory for each block would cost more than the arithmetic

    def allocate() -> None:
        memory.float16, memory.float32 = np.empty(block, np.float16), np.empty((3, *block), np.float32)

    def average_block(start: int) -> int:
        rows, (member, mean_rows, spare) = memory.float16[: count - start], memory.float32[:, : count - start]
        members = (_read(shard, start, rows, member) for shard in shards)
        try:
            mean.write(members, mean_rows, spare)
        except MemberNotFiniteError as fault:
            raise shards[fault.member].not_finite(start + fault.row) from None
        mean_shard.write(start, narrowed(mean_rows, rows))
        return len(rows)

    with (
        ThreadPoolExecutor(threads, initializer=allocate) as pool,
        cli.progress(count, "picture", "averaging") as bar,
    ):
        for rows in pool.map(average_block, range(0, count, block[0])):
            bar.update(rows)


def _read(shard: Shard, first: int, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Read rows (float16) from a row on; returns them in float32, in out."""
    shard.read_into(first, rows)
    return widened(rows, out)


def mean_of(args: argparse.Namespace) -> tuple[Mean, list[Path]]:
    """The mean that is asked for, and the members that it is over.

    Raises:
        cli.UserError: weights and members do not fit.
    """
    if args.mean != LEARNED:
        return Mean(args.mean, weights_of(args.members, args.weights)), args.members
    learned = read_learned(args.learned)
    given = dict(zip(args.models, args.members, strict=True))
    if missing := [model for model in learned.counting if model not in given]:
        raise cli.UserError(f"{args.learned}: {missing[0]} counts, but its probabilities are not given; predict them")
    return learned_mean(learned.combination), [given[model] for model in learned.counting]


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    cv2.setNumThreads(1)
    mean, members = mean_of(args)
    shards = open_members(members)
    pictures, classes = shards[0].shape
    with cli.written_whole(args.output) as (path,), path.open("wb", buffering=0) as output:
        average(shards, mean, output, args.threads)
    size = len(members) * pictures * classes * np.dtype(np.float16).itemsize / 1e6
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(members)} models, {pictures} pictures, {size:.0f} MB in {seconds:.1f} s ({size / seconds:.0f} MB/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_mean_options(parser)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="of the members, for the mean learned")
    parser.add_argument("--threads", type=int, default=1, help="blocks of rows that are worked on at a time")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("members", type=Path, nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
