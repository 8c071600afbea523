"""Average the probabilities of an ensemble's models for one shard.

In: one .npy (float16, pictures x classes) per model. Out: one .npy of that form. Memory is bounded by a block of rows.

Example:
    python scripts/average_models.py --mean arithmetic --output ensemble/0000.npy M05/0000.npy M07/0000.npy
"""

import argparse
import time
from pathlib import Path

import numpy as np

import cli
from postprocessing.means import combine, equal_weights

ROWS_PER_BLOCK = 1024


def average(members: list[np.ndarray], mean: str, weights: list[float], output: np.ndarray) -> None:
    """Fill output (rows, classes) with the mean of members of that shape, block by block."""
    with cli.progress(len(output), "picture", "averaging") as bar:
        for start in range(0, len(output), ROWS_PER_BLOCK):
            rows = slice(start, start + ROWS_PER_BLOCK)
            output[rows] = combine([member[rows] for member in members], mean, weights)
            bar.update(len(output[rows]))


def open_members(paths: list[Path]) -> list[np.ndarray]:
    """Map the models' probabilities into memory.

    Raises:
        cli.UserError: two differ in shape.
    """
    members = [np.load(path, mmap_mode="r") if path.stat().st_size > 128 else np.load(path) for path in paths]
    for path, member in zip(paths, members, strict=True):
        if member.shape != members[0].shape:
            raise cli.UserError(
                f"{path}: shape {member.shape}, but {paths[0]} has {members[0].shape}; predict it again"
            )
    return members


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    members = open_members(args.members)
    shape = members[0].shape
    with cli.written_whole(args.output) as (path,):
        if len(members[0]):
            output = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            average(members, args.mean, args.weights or equal_weights(members), output)
        else:
            with path.open("wb") as file:
                np.save(file, members[0])
    size = sum(member.nbytes for member in members) / 1e6
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(members)} models, {shape[0]} pictures, {size:.0f} MB in {seconds:.1f} s ({size / seconds:.0f} MB/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mean", choices=("arithmetic", "geometric"), required=True)
    parser.add_argument("--weights", type=float, nargs="+", help="one per model; equal if absent")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("members", type=Path, nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
