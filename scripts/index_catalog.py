"""Index a catalog: a row per picture with its product, category, place and MD5, in one pass over the bytes.

In: a .bson file of products. Out: the index (.parquet, columns in catalog/index.py) and a table of the products
that were left out (offset, product_id, image, reason), empty unless --on-bad-product skip found faults.

REVISION goes into every recipe and the settings of predictions: raise it when other pictures, or another order of
them, are indexed.

Example:
    python scripts/index_catalog.py catalog/train.bson --on-bad-product stop --processes 2 \
        --output index/train.parquet --rejects index/train.rejects.csv
"""

import argparse
import csv
import hashlib
import multiprocessing
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.documents import BadDocumentError, document_sizes, open_catalog, read_document
from catalog.index import SCHEMA, write_index

REVISION = 1
REJECT_COLUMNS = ("offset", "product_id", "image", "reason")
BLOCK = 64 << 20  # bytes of documents that a process indexes at a time


@dataclass
class Rows:
    """Indexed pictures and rejected products of consecutive documents."""

    integers: array = field(default_factory=lambda: array("q"))  # SCHEMA's first six columns, row by row
    digests: bytearray = field(default_factory=bytearray)
    rejects: list[tuple[int, int, int, str]] = field(default_factory=list)


def index_documents(path: Path, block: list[tuple[int, int]]) -> Rows:
    """Index the documents at the given offsets and sizes (bytes)."""
    rows = Rows()
    catalog = open_catalog(path)
    with memoryview(catalog) as view:
        for offset, size in block:
            try:
                document = read_document(catalog, offset, size)
            except BadDocumentError as fault:
                product_id = "" if fault.product_id is None else fault.product_id
                rows.rejects.append((offset, product_id, -1, str(fault)))
                continue
            for image, (start, length) in enumerate(document.pictures):
                rows.integers.extend((document.product_id, document.category_id, image, offset, size, length))
                rows.digests += hashlib.md5(view[start : start + length], usedforsecurity=False).digest()
    return rows


def blocks(path: Path) -> list[list[tuple[int, int]]]:
    """Documents of a catalog in groups of about BLOCK bytes."""
    groups: list[list[tuple[int, int]]] = [[]]
    filled = 0
    for offset, size in document_sizes(open_catalog(path), path):
        if filled >= BLOCK:
            groups.append([])
            filled = 0
        groups[-1].append((offset, size))
        filled += size
    return groups


def table(parts: list[Rows]) -> pd.DataFrame:
    """The index as a frame, from consecutive parts."""
    integers = np.concatenate([np.frombuffer(part.integers, np.int64) for part in parts]).reshape(-1, 6)
    halves = np.frombuffer(b"".join(part.digests for part in parts), ">u8").astype(np.uint64).reshape(-1, 2)
    columns = [*integers.T, *halves.T]
    return pd.DataFrame(dict(zip(SCHEMA.names, columns, strict=True)))


def repeated_products(index: pd.DataFrame) -> pd.DataFrame:
    """The first row of each document whose product id an earlier document has."""
    documents = index.drop_duplicates("doc_offset")
    return documents[documents.product_id.duplicated()]


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    groups = blocks(args.catalog)
    size = args.catalog.stat().st_size
    parts = []
    with (
        multiprocessing.get_context("fork").Pool(args.processes) as pool,
        cli.progress(size, "B", f"indexing {args.catalog.name}") as bar,
    ):
        jobs = [pool.apply_async(index_documents, (args.catalog, group)) for group in groups]
        for job, group in zip(jobs, groups, strict=True):
            part = job.get()
            if part.rejects and args.on_bad_product == "stop":
                raise cli.UserError(describe(args.catalog, part.rejects[0]))
            parts.append(part)
            bar.update(sum(length for _, length in group))
    index = table(parts)
    rejects = [reject for part in parts for reject in part.rejects]
    repeated = repeated_products(index)
    rejects += [
        (row.doc_offset, row.product_id, -1, "an earlier product has this _id") for row in repeated.itertuples()
    ]
    if rejects and args.on_bad_product == "stop":
        raise cli.UserError(describe(args.catalog, min(rejects)))
    index = index[~index.doc_offset.isin(repeated.doc_offset)]
    if index.empty:
        raise cli.UserError(f"{args.catalog}: no product has a picture; see {args.rejects}")
    with cli.written_whole(args.output, args.rejects) as (output, rejects_path):
        write_index(index, output)
        with rejects_path.open("w", newline="") as file:
            csv.writer(file).writerows([REJECT_COLUMNS, *sorted(rejects)])
    seconds = time.monotonic() - start
    cli.summary(
        f"{index.doc_offset.nunique()} products, {len(index)} pictures, {len(rejects)} rejects,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def describe(catalog: Path, reject: tuple[int, int, int, str]) -> str:
    offset, product_id, _, reason = reject
    name = f"product {product_id}" if product_id != "" else "a product"
    return f"{catalog}: byte {offset}: {name}: {reason}; mend it, or set on_bad_product: skip to go on without"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--on-bad-product", choices=("stop", "skip"), required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
