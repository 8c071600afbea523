"""Split the training products into train and valid, as the published solution does.

The products are shuffled and sampled with Python's random in the published sequence of calls (recipes, 6.2), so a
seed picks the published products. Each part keeps the documents' bytes and the catalog's order.

In: train.bson and its index. Out: {train,valid}.bson and {train,valid}.parquet (an index of that part) in the
output folder.

REVISION goes into every recipe: raise it when other products, or another order of them, are kept.

Example:
    python scripts/split_catalog.py --catalog catalog/train.bson --index index/train.parquet --seed 12648430 \
        --valid-fraction 0.05 --output-folder split/12648430
"""

import argparse
import os
import random
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.index import read_index, write_index

REVISION = 1
PARTS = ("train", "valid")


def valid_products(product_ids: list[int], seed: int, valid_fraction: float) -> set[int]:
    """The products of the valid part, by the published sequence of calls to Python's random."""
    shuffled = list(product_ids)
    generator = random.Random(seed)
    generator.shuffle(shuffled)
    return set(generator.sample(shuffled, int(len(shuffled) * valid_fraction)))


def runs(offsets: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int]]:
    """Join documents that lie side by side: (offset, size) in bytes of each run."""
    starts = np.flatnonzero(np.r_[True, offsets[1:] != (offsets + sizes)[:-1]])
    return list(zip(offsets[starts].tolist(), np.add.reduceat(sizes, starts).tolist(), strict=True))


def copy_runs(source: Path, target: Path, byte_runs: list[tuple[int, int]], bar) -> None:
    """Copy runs of bytes, one after the other, inside the kernel."""
    with source.open("rb") as reader, target.open("wb") as writer:
        for offset, size in byte_runs:
            copied = 0
            while copied < size:
                count = os.sendfile(writer.fileno(), reader.fileno(), offset + copied, size - copied)
                if count == 0:
                    raise cli.UserError(f"{source}: byte {offset}: the file is shorter than its index says")
                copied += count
            bar.update(size)


def part_index(rows: pd.DataFrame) -> pd.DataFrame:
    """The index of a part: its rows, with the documents' places in the part's file."""
    first = rows.doc_offset.diff().fillna(1).ne(0).to_numpy()
    ends = np.cumsum(np.where(first, rows.doc_size, 0), dtype=np.int64)
    return rows.assign(doc_offset=ends - rows.doc_size)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    index = read_index(args.index)
    documents = index.drop_duplicates("doc_offset")
    picked = valid_products(documents.product_id.tolist(), args.seed, args.valid_fraction)
    if not 0 < len(picked) < len(documents):
        raise cli.UserError(
            f"{args.index}: of {len(documents)} products a valid_fraction of {args.valid_fraction} picks"
            f" {len(picked)}; change the config key valid_fraction"
        )
    is_valid = index.product_id.isin(picked)
    targets = [args.output_folder / f"{part}.{suffix}" for part in PARTS for suffix in ("bson", "parquet")]
    with (
        cli.written_whole(*targets) as (train, train_rows, valid, valid_rows),
        cli.progress(int(documents.doc_size.sum()), "B", "splitting") as bar,
    ):
        for rows, bson_path, index_path in (
            (index[~is_valid], train, train_rows),
            (index[is_valid], valid, valid_rows),
        ):
            kept = rows.drop_duplicates("doc_offset")
            places = runs(kept.doc_offset.to_numpy(), kept.doc_size.to_numpy(np.int64))
            copy_runs(args.catalog, bson_path, places, bar)
            write_index(part_index(rows), index_path)
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(documents) - len(picked)} train and {len(picked)} valid products,"
        f" {documents.doc_size.sum() / 1e6:.0f} MB in {seconds:.1f} s"
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--valid-fraction", type=float, required=True)
    parser.add_argument("--output-folder", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
