"""Index a catalog: a row per picture with product, category, offset, size, kind and MD5, in one pass over the bytes.

A picture that does not decode, is cut off, too large or of no format that is taken is a fault like those of documents:
all pictures of an index can be used. With --on-bad-product skip such a picture is left out, and a product that has no
others; above a share of products with a fault the job ends nevertheless.

In: a .bson file of products. Out: the index (.parquet, columns in catalog/layout.py) and a table of what was left out
(offset of the product, product_id, 0-based image or -1 for the whole product, reason), empty unless --on-bad-product
skip found faults.

REVISION goes into every recipe and the settings of predictions: raise it when the index has other columns, other
pictures, or another order of them.

Example:
    python scripts/index_catalog.py catalog/train.bson --on-bad-product skip --most-bad-products 0.1 --processes 2 \
        --output index/train.parquet --rejects index/train.rejects.csv
"""

import argparse
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
from catalog.layout import NO_CATEGORY, ROW
from catalog.pictures import PictureCheck
from catalog.rejects import REPEATED, WHOLE_PRODUCT, Reject, counted, in_order, write_rejects
from loading.formats import in_words, other_kinds
from loading.pixels import BadPictureError

if TYPE_CHECKING:
    import pandas as pd

REVISION = 3
BLOCK = 32 << 20  # bytes of documents that a process indexes at a time


def index_documents(path: Path, documents: np.ndarray, check: PictureCheck) -> tuple[np.ndarray, list[Reject]]:
    """Index the documents at the given offsets and sizes (bytes); returns rows (ROW) and rejects."""
    catalog = open_catalog(path)
    offsets, sizes = documents["offset"], documents["size"]
    pictures, faults = read_documents(catalog, offsets, sizes)
    rejects = [(int(offsets[position]), fault.product_id, WHOLE_PRODUCT, str(fault)) for position, fault in faults]
    kinds, digests = bytearray(len(pictures)), bytearray()
    is_good = np.ones(len(pictures), bool)
    stops = pictures["start"] + pictures["size"]
    for position, (start, stop) in enumerate(zip(pictures["start"].tolist(), stops.tolist(), strict=True)):
        picture = catalog[start:stop]
        digests += hashlib.md5(picture, usedforsecurity=False).digest()
        try:
            kinds[position] = check.kind(picture)
        except BadPictureError as fault:
            is_good[position] = False
            document, image, product_id = pictures[["document", "image", "product_id"]][position].tolist()
            rejects.append((int(offsets[document]), product_id, image, str(fault)))
    rows = np.empty(len(pictures), ROW)
    for name in ("product_id", "category_id", "image"):
        rows[name] = pictures[name]
    rows["doc_offset"], rows["doc_size"] = offsets[pictures["document"]], sizes[pictures["document"]]
    rows["image_offset"], rows["image_size"] = pictures["start"], pictures["size"]
    rows["kind"] = np.frombuffer(kinds, np.uint8)
    rows["md5_hi"], rows["md5_lo"] = np.frombuffer(digests, ">u8").reshape(-1, 2).T
    return rows[is_good], rejects


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
    check = PictureCheck()
    for documents in groups:
        rows, rejects = index_documents(path, documents, check)
        sender.send_bytes(rows.tobytes())
        sender.send_bytes(json.dumps(rejects).encode())


def table(rows: bytes | bytearray) -> "pd.DataFrame":
    """The index as a frame, from the bytes of rows (ROW)."""
    import pandas as pd  # noqa: PLC0415 - takes half a second: the processes are forked before

    columns = np.frombuffer(rows, ROW)
    return pd.DataFrame({name: columns[name].copy() for name in ROW.names})


def faults_between_products(index: "pd.DataFrame") -> list[Reject]:
    """Documents that are sound by themselves but not beside the others: a repeated _id, a missing category_id."""
    documents = index.drop_duplicates("doc_offset")
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


def index_catalog(
    path: Path, on_bad_product: str, processes: int, most_bad_products: float = 1.0
) -> tuple["pd.DataFrame", list[Reject]]:
    """Index a catalog.

    Args:
        most_bad_products: the share of products that may have a fault where on_bad_product is "skip".

    Returns:
        the index, and the rejects in the catalog's order (none unless on_bad_product is "skip").

    Raises:
        cli.UserError: a product is faulty and on_bad_product is "stop", too many are, or nothing is left.
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
        raise cli.UserError(f"{path}: no product has a picture that can be used; dump the catalog again")
    rejects = in_order(rejects + between)
    bad = {offset for offset, *_ in rejects}
    products = len(bad.union(index.doc_offset))
    if len(bad) > most_bad_products * products:
        raise cli.UserError(
            f"{path}: {len(bad):,} of {products:,} products have a fault, more than {most_bad_products:.0%}"
            f" ({counted(rejects)}); mend the catalog, or raise the config key most_bad_products"
        )
    return index, rejects


def stop_at_fault(path: Path, rejects: list[Reject], on_bad_product: str) -> None:
    """Raise the fault that comes first in the catalog, if faults end the job."""
    if rejects and on_bad_product == "stop":
        offset, product_id, image, reason = in_order(rejects)[0]
        where = "" if image == WHOLE_PRODUCT else f"picture {image}: "
        raise cli.UserError(describe_fault(path, offset, product_id, where + reason))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    index, rejects = index_catalog(args.catalog, args.on_bad_product, args.processes, args.most_bad_products)
    from catalog.index import write_index  # noqa: PLC0415 - imports pandas, see table()

    with cli.written_whole(args.output, args.rejects) as (output, rejects_path):
        write_index(index, output)
        write_rejects(rejects, rejects_path)
    seconds = time.monotonic() - start
    size = args.catalog.stat().st_size
    if rejects:
        cli.warn(f"{args.catalog}: left out, as {args.rejects} lists: {counted(rejects)}")
    kinds = in_words(other_kinds(index.kind))
    kinds = f" ({kinds})" if kinds else ""
    cli.summary(
        f"{index.doc_offset.nunique()} products, {len(index)} pictures{kinds}, {len(rejects)} rejects,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--on-bad-product", choices=("stop", "skip"), required=True)
    parser.add_argument("--most-bad-products", type=float, default=1.0, help="share that may have a fault with skip")
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
