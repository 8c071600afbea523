"""Average the probabilities of an ensemble's models for one shard.

In: one .npy (float16, pictures x classes) per model. Out: one .npy of that form. Memory is bounded by a block of rows.

Example:
    python scripts/average_models.py --mean arithmetic --output ensemble/0000.npy M05/0000.npy M07/0000.npy
"""

import argparse
import contextlib
import time
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

import cli
from postprocessing.halves import narrowed, widened
from postprocessing.means import combine, weights_of
from postprocessing.shards import open_shard

VALUES_PER_BLOCK = 1 << 18  # 1 MB in float32: stays in the processor's cache


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


def average(paths: list[Path], shape: tuple[int, int], mean: str, weights: list[float], output: BinaryIO) -> None:
    """Write the mean of the models' probabilities, each of that shape, block by block."""
    count, classes = shape
    block = np.empty((max(1, VALUES_PER_BLOCK // classes), classes), np.float16)
    wide = np.empty(block.shape, np.float32)
    header = {"descr": np.lib.format.dtype_to_descr(block.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(output, header)
    with contextlib.ExitStack() as stack, cli.progress(count, "picture", "averaging") as bar:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        for file in files:
            file.seek(-count * classes * block.itemsize, 2)
        for start in range(0, count, len(block)):
            rows = block[: count - start]
            members = (_read(file, rows, wide[: len(rows)]) for file in files)
            output.write(narrowed(combine(members, mean, weights)))
            bar.update(len(rows))


def _read(file: BinaryIO, rows: np.ndarray, wide: np.ndarray) -> np.ndarray:
    file.readinto(rows)
    return widened(rows, wide)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    cv2.setNumThreads(1)
    weights = weights_of(args.members, args.weights)
    shape = shape_of(args.members)
    with cli.written_whole(args.output) as (path,), path.open("wb") as output:
        average(args.members, shape, args.mean, weights, output)
    size = len(args.members) * shape[0] * shape[1] * np.dtype(np.float16).itemsize / 1e6
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(args.members)} models, {shape[0]} pictures, {size:.0f} MB in {seconds:.1f} s ({size / seconds:.0f} MB/s)"
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
