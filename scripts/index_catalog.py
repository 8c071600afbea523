"""Index a catalog: a row per picture with its product, category, offset, size and MD5, in one pass over the bytes.

In: a .bson file of products. Out: the index (.parquet, columns in catalog/layout.py) and a table of the products
that were left out (offset, product_id, image, reason), empty unless --on-bad-product skip found faults.

REVISION goes into every recipe and the settings of predictions: raise it when the index has other columns, other
pictures, or another order of them.

Example:
    python scripts/index_catalog.py catalog/train.bson --on-bad-product stop --processes 2 \
        --output index/train.parquet --rejects index/train.rejects.csv
"""

import argparse
import csv
import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
from catalog.documents import describe_fault, document_sizes, open_catalog, read_documents
from catalog.layout import NO_CATEGORY, REJECT_COLUMNS, REPEATED, ROW, WHOLE_PRODUCT

if TYPE_CHECKING:
    import pandas as pd

REVISION = 2
BLOCK = 32 << 20  # bytes of documents that a process indexes at a time

Reject = tuple[int, int | None, int, str]  # REJECT_COLUMNS


def index_documents(path: Path, documents: np.ndarray) -> tuple[np.ndarray, list[Reject]]:
    """Index the documents at the given offsets and sizes (bytes); returns rows (ROW) and rejects."""
    catalog = open_catalog(path)
    offsets, sizes = documents["offset"], documents["size"]
    pictures, faults = read_documents(catalog, offsets, sizes)
    starts, stops = pictures["start"], pictures["start"] + pictures["size"]
    with memoryview(catalog) as octets:
        digests = b"".join(
            [
                hashlib.md5(octets[start:stop], usedforsecurity=False).digest()
                for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
            ]
        )
    rows = np.empty(len(pictures), ROW)
    for name in ("product_id", "category_id", "image"):
        rows[name] = pictures[name]
    rows["doc_offset"], rows["doc_size"] = offsets[pictures["document"]], sizes[pictures["document"]]
    rows["image_offset"], rows["image_size"] = pictures["start"], pictures["size"]
    rows["md5_hi"], rows["md5_lo"] = np.frombuffer(digests, ">u8").reshape(-1, 2).T
    rejects = [(int(offsets[position]), fault.product_id, WHOLE_PRODUCT, str(fault)) for position, fault in faults]
    return rows, rejects


def blocks(documents: np.ndarray) -> list[np.ndarray]:
    """Cut the documents into groups of consecutive ones, each of about BLOCK bytes."""
    cuts = np.flatnonzero(np.diff(documents["offset"] // BLOCK)) + 1
    return np.split(documents, cuts)


def index_in_processes(path: Path, groups: list[np.ndarray], count: int) -> Iterator[tuple[bytes, list[Reject]]]:
    """Index groups of documents in processes; yields what index_documents returns of each, in order.

    Each process is forked, and sends rows as raw bytes and rejects as JSON through a pipe of its own.

    Raises:
        cli.UserError: a process died.
    """
    context = multiprocessing.get_context("fork")
    processes, answers = [], []
    try:
        for number in range(count):
            answer, sender = context.Pipe(duplex=False)
            process = context.Process(target=_index_groups, args=(path, groups[number::count], sender), daemon=True)
            process.start()
            sender.close()
            processes.append(process)
            answers.append(answer)
        for number in range(len(groups)):
            answer = answers[number % count]
            try:
                rows, rejects = answer.recv_bytes(), answer.recv_bytes()
            except EOFError:
                raise cli.PassingError(
                    f"{path}: an indexing process died; if memory ran out, take fewer processes"
                ) from None
            yield rows, [tuple(reject) for reject in json.loads(rejects)]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _index_groups(path: Path, groups: list[np.ndarray], sender: Connection) -> None:
    for documents in groups:
        rows, rejects = index_documents(path, documents)
        sender.send_bytes(rows.tobytes())
        sender.send_bytes(json.dumps(rejects).encode())


def table(rows: bytes | bytearray) -> "pd.DataFrame":
    """The index as a frame, from the bytes of rows (ROW)."""
    import pandas as pd  # noqa: PLC0415 - takes half a second: the processes are forked before

    columns = np.frombuffer(rows, ROW)
    return pd.DataFrame({name: columns[name].copy() for name in ROW.names})


def faults_between_products(index: "pd.DataFrame") -> list[Reject]:
    """Documents that are sound by themselves but not beside the others: a repeated _id, a missing category_id."""
    documents = index[index.image == 0]
    has_category = (documents.category_id != NO_CATEGORY).to_numpy()
    is_without = ~has_category & has_category.any()
    is_repeated = np.zeros(len(documents), bool)
    is_repeated[~is_without] = documents.product_id[~is_without].duplicated()
    faults = []
    for is_faulty, reason in (
        (is_repeated, REPEATED),
        (is_without, "category_id is missing, unlike in other products"),
    ):
        offsets, product_ids = (documents[name].to_numpy()[is_faulty] for name in ("doc_offset", "product_id"))
        faults += [(*row, WHOLE_PRODUCT, reason) for row in zip(offsets.tolist(), product_ids.tolist(), strict=True)]
    return faults


def index_catalog(path: Path, on_bad_product: str, processes: int) -> tuple["pd.DataFrame", list[Reject]]:
    """Index a catalog.

    Returns:
        the index, and the rejects in the catalog's order (none unless on_bad_product is "skip").

    Raises:
        cli.UserError: a product is faulty and on_bad_product is "stop", or nothing is left.
    """
    passed_over = None if on_bad_product == "stop" else []
    walk = document_sizes(open_catalog(path), path, passed_over)
    documents = np.fromiter(walk, [("offset", np.int64), ("size", np.int64)])
    rejects = [(offset, fault.product_id, WHOLE_PRODUCT, str(fault)) for offset, fault in passed_over or []]
    rows = bytearray()
    with cli.progress(path.stat().st_size, "B", f"indexing {path.name}") as bar:
        groups = blocks(documents)
        for group, (group_rows, group_rejects) in zip(groups, index_in_processes(path, groups, processes), strict=True):
            stop_at_fault(path, group_rejects, on_bad_product)
            rows += group_rows
            rejects += group_rejects
            bar.update(int(group["size"].sum()))
    index = table(rows)
    between = faults_between_products(index)
    stop_at_fault(path, between, on_bad_product)
    if between:
        index = index[~index.doc_offset.isin([offset for offset, *_ in between])]
    if index.empty:
        raise cli.UserError(f"{path}: no product has a picture; dump the catalog again")
    return index, sorted(rejects + between, key=lambda reject: reject[0])


def stop_at_fault(path: Path, rejects: list[Reject], on_bad_product: str) -> None:
    """Raise the fault that comes first in the catalog, if faults end the job."""
    if rejects and on_bad_product == "stop":
        offset, product_id, _, reason = min(rejects, key=lambda reject: reject[0])
        raise cli.UserError(describe_fault(path, offset, product_id, reason))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    index, rejects = index_catalog(args.catalog, args.on_bad_product, args.processes)
    from catalog.index import write_index  # noqa: PLC0415 - imports pandas, see table()

    with cli.written_whole(args.output, args.rejects) as (output, rejects_path):
        write_index(index, output)
        with rejects_path.open("w", newline="") as file:
            csv.writer(file).writerows([REJECT_COLUMNS, *rejects])
    seconds = time.monotonic() - start
    size = args.catalog.stat().st_size
    cli.summary(
        f"{(index.image == 0).sum()} products, {len(index)} pictures, {len(rejects)} rejects,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--on-bad-product", choices=("stop", "skip"), required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
