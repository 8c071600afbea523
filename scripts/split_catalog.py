"""Split the training products into train and valid, as the published solution does.

Each part keeps the documents' bytes and the catalog's order; catalog/parts.py draws which products are in which. What
a catalog in several dumps has in place of this is split_dumps.py, which copies nothing.

In: train.bson and its index. Out: {train,valid}.bson and {train,valid}.parquet (an index of that part) in the output
folder.

REVISION goes into every recipe: raise it when the parts hold other products, another order of them, or an index with
other columns.

Example:
    python scripts/split_catalog.py --catalog catalog/train.bson --index index/train.parquet --seed 12648430 \
        --valid-fraction 0.05 --output-folder split/12648430
"""

import argparse
import functools
import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

import numpy as np

import cli
from catalog import parts

REVISION = 3
COPIERS = 2  # threads
SHARE = 32 << 20  # bytes that a thread copies at a time
PIECE = 1 << 18  # bytes that are read and written at a time: they stay in the processor's cache


def runs(offsets: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int]]:
    """Join documents that lie side by side: (offset, size) in bytes of each run."""
    starts = np.flatnonzero(np.r_[True, offsets[1:] != (offsets + sizes)[:-1]])
    return list(zip(offsets[starts].tolist(), np.add.reduceat(sizes, starts).tolist(), strict=True))


def start_copying(
    copiers: ThreadPoolExecutor, catalog: FileIO, target: Path, byte_runs: list[tuple[int, int]]
) -> Iterator[int]:
    """Let threads copy runs of bytes, one after the other, to a file; yields how many bytes were copied."""
    target.touch()
    return copiers.map(functools.partial(copy_share, catalog, target), shares(byte_runs))


def shares(byte_runs: list[tuple[int, int]]) -> list[list[tuple[int, int, int]]]:
    """Runs, and their offsets in the file they are copied to, cut into pieces of about SHARE bytes."""
    cut: dict[int, list[tuple[int, int, int]]] = {}
    target_offset = 0
    for offset, size in byte_runs:
        cut.setdefault(target_offset // SHARE, []).append((offset, size, target_offset))
        target_offset += size
    return list(cut.values())


def copy_share(catalog: FileIO, target: Path, share: list[tuple[int, int, int]]) -> int:
    """Copy runs of bytes of a catalog to their places in a file that is there; returns how many bytes.

    Several threads may copy to one file. The kernel lets one at a time write to it, but all may read meanwhile: that is
    faster than copies inside the kernel, which do both under one lock.

    Raises:
        cli.UserError: the catalog ends before a run does.
    """
    room = memoryview(bytearray(PIECE))
    with target.open("r+b", buffering=0) as file:
        for offset, size, target_offset in share:
            copied = 0
            while copied < size:
                start = offset + copied
                found = os.preadv(catalog.fileno(), [room[: min(size - copied, PIECE)]], start)
                if not found:
                    raise cli.UserError(f"{catalog.name}: byte {start}: the file is shorter than its index says")
                copied += os.pwrite(file.fileno(), room[:found], target_offset + copied)
    return sum(size for _, size, _ in share)


def offsets_in_parts(sizes: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
    """The offset (int64) of each document in the file of its part.

    Args:
        sizes: of the documents (int64, bytes) in their order.
        is_valid: whether (bool) each is in the valid part.
    """
    offsets = np.empty(len(sizes), np.int64)
    for is_in_part in (~is_valid, is_valid):
        of_part = sizes[is_in_part]
        offsets[is_in_part] = np.cumsum(of_part) - of_part
    return offsets


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    split = parts.draw([args.catalog], args)
    sizes, size = split.sizes.astype(np.int64), int(split.sizes.sum(dtype=np.int64))
    targets = [args.output_folder / f"{part}.{suffix}" for part in parts.PARTS for suffix in ("bson", "parquet")]
    with (
        args.catalog.open("rb", buffering=0) as catalog,
        cli.written_whole(*targets) as (train, train_rows, valid, valid_rows),
        cli.progress(size, "B", "splitting") as bar,
        ThreadPoolExecutor(COPIERS) as copiers,
    ):
        copies = [
            start_copying(copiers, catalog, path, runs(split.offsets[is_in_part], sizes[is_in_part]))
            for is_in_part, path in ((~split.is_valid, train), (split.is_valid, valid))
        ]
        offsets = offsets_in_parts(sizes, split.is_valid)
        parts.write_indexes(args.index, split.is_valid, train_rows, valid_rows, offsets)
        for copied in itertools.chain(*copies):
            bar.update(copied)
    seconds = time.monotonic() - start
    cli.summary(f"{split.in_words}, {size / 1e6:.0f} MB in {seconds:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, required=True)
    parts.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
