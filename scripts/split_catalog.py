"""Split the training products into train and valid, as the published solution does.

The products are shuffled and sampled with Python's random in the published sequence of calls (recipes, 6.2), so a
seed picks the published products. With --group-field, whole groups of products are drawn instead: those whose
documents have the same value in that field (a shop, a source) stay together. Each part keeps the documents' bytes and
the catalog's order.

In: train.bson, or its several dumps in order, and the index. Out: {train,valid}.bson and {train,valid}.parquet (an
index of that part) in the output folder.

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
from pathlib import Path

import numpy as np
import pyarrow as pa

import cli
from catalog.documents import BadDocumentError, read_field
from catalog.files import Files
from catalog.ids import Written, first_written, written
from catalog.index import (
    as_frame,
    first_rows,
    index_writer,
    iter_index,
    numbers,
    selected,
    starts_document,
    with_numbers,
)
from catalog.layout import TEXTS
from catalog.published_random import PublishedRandom

REVISION = 3
PARTS = ("train", "valid")
COLUMNS = ["product_id", "category_id", "doc_offset", "doc_size", *TEXTS]  # of the index
COPIERS = 2  # threads
SHARE = 32 << 20  # bytes that a thread copies at a time
PIECE = 1 << 18  # bytes that are read and written at a time: they stay in the processor's cache


def valid_products(product_ids: np.ndarray, seed: int, valid_fraction: float) -> np.ndarray:
    """The products of the valid part, by the published sequence of calls to Python's random."""
    generator = PublishedRandom(seed)
    shuffled = generator.shuffled(product_ids)
    return generator.sample(shuffled, int(len(shuffled) * valid_fraction))


def valid_groups(product_ids: list[int], groups: list[Written], seed: int, valid_fraction: float) -> list[int]:
    """The products of the valid part by whole groups, in a random order, as long as they fit.

    Args:
        groups: each product's group.
    """
    members: dict[Written, list[int]] = {}
    for product_id, group in zip(product_ids, groups, strict=True):
        members.setdefault(group, []).append(product_id)
    in_order = list(members.values())
    picked: list[int] = []
    for position in PublishedRandom(seed).shuffled(np.arange(len(in_order))).tolist():
        if len(picked) + len(in_order[position]) <= int(len(product_ids) * valid_fraction):
            picked += in_order[position]
    return picked


def read_groups(catalog: Files, documents: pa.Table, field: str) -> list[Written]:
    """What the documents (an index's first row of each) have in a field.

    Raises:
        cli.UserError: a document has no such field, or in it what could not be an id.
    """
    groups = []
    columns = (numbers(documents, name).tolist() for name in ("doc_offset", "doc_size"))
    for number, (offset, size) in enumerate(zip(*columns, strict=True)):
        try:
            groups.append(read_field(catalog.read(offset, size), field))
        except BadDocumentError as fault:
            path, place = catalog.place(offset)
            product = first_written(as_frame(documents.slice(number, 1)), "product")
            raise cli.UserError(
                f"{path}: byte {place}: product {product}: {fault};"
                " give each product one, or change the config key group_field"
            ) from None
    return groups


def unlearnt_categories(documents: pa.Table, is_valid: np.ndarray) -> list[Written]:
    """The categories all of whose products are in the valid part, by their numbers."""
    category_ids = numbers(documents, "category_id")
    unlearnt = np.setdiff1d(category_ids, category_ids[~is_valid])
    if not len(unlearnt):
        return []
    found = as_frame(selected(documents, np.isin(category_ids, unlearnt)))
    return written(found.drop_duplicates("category_id").sort_values("category_id"), "category").tolist()


def runs(offsets: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int]]:
    """Join documents that lie side by side: (offset, size) in bytes of each run."""
    starts = np.flatnonzero(np.r_[True, offsets[1:] != (offsets + sizes)[:-1]])
    return list(zip(offsets[starts].tolist(), np.add.reduceat(sizes, starts).tolist(), strict=True))


def start_copying(
    copiers: ThreadPoolExecutor, catalog: Files, target: Path, byte_runs: list[tuple[int, int]]
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


def copy_share(catalog: Files, target: Path, share: list[tuple[int, int, int]]) -> int:
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
                number, start, piece = catalog.piece(offset + copied, min(size - copied, PIECE))
                found = os.preadv(catalog.descriptor(number), [room[:piece]], start)
                if not found:
                    path = catalog.paths[number]
                    raise cli.UserError(f"{path}: byte {start}: the file is shorter than its index says")
                copied += os.pwrite(file.fileno(), room[:found], target_offset + copied)
    return sum(size for _, size, _ in share)


def offsets_in_parts(sizes: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
    """The offset (int64) of each document in the file of its part.

    Args:
        sizes: of the documents (bytes) in their order.
        is_valid: whether (bool) each is in the valid part.
    """
    offsets = np.empty(len(sizes), np.int64)
    for is_in_part in (~is_valid, is_valid):
        of_part = sizes[is_in_part].astype(np.int64)
        offsets[is_in_part] = np.cumsum(of_part) - of_part
    return offsets


def write_indexes(index: Path, sizes: np.ndarray, is_valid: np.ndarray, train: Path, valid: Path) -> None:
    """Write the index of each part: its rows, with the offsets that documents and pictures have in the part's file.

    Args:
        index: of the catalog.
        sizes, is_valid: as of offsets_in_parts.
    """
    offsets, document, last = offsets_in_parts(sizes, is_valid), -1, None
    with index_writer(train) as train_writer, index_writer(valid) as valid_writer:
        for rows in iter_index(index):
            before = numbers(rows, "doc_offset")
            documents = document + np.cumsum(starts_document(before, last))
            document, last = documents[-1], before[-1]
            in_part = offsets[documents]
            image_offsets = numbers(rows, "image_offset") + in_part - before
            moved = with_numbers(rows, {"doc_offset": in_part, "image_offset": image_offsets})
            is_in_valid = is_valid[documents]
            train_writer.write_table(selected(moved, ~is_in_valid))
            valid_writer.write_table(selected(moved, is_in_valid))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    documents = first_rows(args.index, COLUMNS)
    product_ids, offsets, sizes = (numbers(documents, name) for name in ("product_id", "doc_offset", "doc_size"))
    if args.group_field:
        with Files(args.catalog) as catalog:
            groups = read_groups(catalog, documents, args.group_field)
        picked = valid_groups(product_ids.tolist(), groups, args.seed, args.valid_fraction)
        kept_whole = f" in whole groups of {len(set(groups))} ({args.group_field})"
    else:
        picked = valid_products(product_ids, args.seed, args.valid_fraction)
        kept_whole = ""
    if not 0 < len(picked) < len(documents):
        raise cli.UserError(
            f"{args.index}: of {len(documents)} products a valid_fraction of {args.valid_fraction} picks"
            f" {len(picked)}{kept_whole}; change the config key valid_fraction"
        )
    is_valid = np.isin(product_ids, picked, assume_unique=True)
    if unlearnt := unlearnt_categories(documents, is_valid):
        categories = len(np.unique(numbers(documents, "category_id")))
        cli.warn(
            f"{Files(args.catalog)}: split {args.seed} has all products of {len(unlearnt)} of"
            f" {categories} categories in its valid part, so that its models cannot learn them:"
            f" {cli.some(unlearnt)}"
        )
    size = int(sizes.sum(dtype=np.int64))
    targets = [args.output_folder / f"{part}.{suffix}" for part in PARTS for suffix in ("bson", "parquet")]
    with (
        Files(args.catalog) as catalog,
        cli.written_whole(*targets) as (train, train_rows, valid, valid_rows),
        cli.progress(size, "B", "splitting") as bar,
        ThreadPoolExecutor(COPIERS) as copiers,
    ):
        copies = [
            start_copying(copiers, catalog, path, runs(offsets[is_in_part], sizes[is_in_part].astype(np.int64)))
            for is_in_part, path in ((~is_valid, train), (is_valid, valid))
        ]
        write_indexes(args.index, sizes, is_valid, train_rows, valid_rows)
        for copied in itertools.chain(*copies):
            bar.update(copied)
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(documents) - len(picked)} train and {len(picked)} valid products{kept_whole},"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--valid-fraction", type=float, required=True)
    parser.add_argument("--group-field", metavar="NAME", help="products with the same value stay together")
    parser.add_argument("--output-folder", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
