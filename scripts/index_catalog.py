"""Index a catalog: a row per picture with product, category, offset, size, kind and MD5, in one pass over the bytes.

A picture that does not decode, is cut off, too large or of no format that is taken is a fault like those of documents:
all pictures of an index can be used. With --on-bad-product skip such a picture is left out, and a product that has no
others; above a share of products with a fault the job ends nevertheless. With --without-categories nobody reads
category_id, as of test products; else every product must have one.

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
import functools
import hashlib
import json
import mmap
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
from catalog.documents import BadDocumentError, describe_fault, document_sizes, open_catalog, read_documents
from catalog.dumps import check_dump
from catalog.ids import written
from catalog.layout import NO_CATEGORY, ROW, TEXTS
from catalog.pictures import PictureCheck
from catalog.rejects import REPEATED, WHOLE_PRODUCT, Reject, counted, in_order, write_rejects
from loading.formats import in_words, other_kinds
from loading.pixels import BadPictureError

if TYPE_CHECKING:
    import pandas as pd

REVISION = 3
BLOCK = 32 << 20  # bytes of documents that a process indexes at a time
DOCUMENT = np.dtype([("offset", np.int64), ("size", np.int64)])  # bytes

Answer = tuple[dict, bytes]  # of a process: what is sent as JSON, and what is not
Task = Callable[[], Answer]


def find_documents(path: Path, goes_on: bool) -> Answer:
    """Find a catalog's documents; returns the rejects among them, and offsets and sizes (DOCUMENT)."""
    catalog, faults = open_catalog(path), []
    documents = np.fromiter(document_sizes(catalog, faults, goes_on), DOCUMENT)
    check_length(path, catalog)
    return {"rejects": [_reject(offset, fault) for offset, fault in faults]}, documents.tobytes()


def index_documents(path: Path, documents: np.ndarray, with_categories: bool, check: PictureCheck) -> Answer:
    """Index documents (DOCUMENT); returns rejects and, where an id is no whole number, TEXTS; and rows (ROW)."""
    catalog = open_catalog(path)
    offsets, sizes = documents["offset"], documents["size"]
    pictures, texts, faults = read_documents(catalog, offsets, sizes, with_categories)
    rejects = [_reject(int(offsets[position]), fault) for position, fault in faults]
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
            product, _ = texts.get(document, (None, None))
            rejects.append((int(offsets[document]), product or product_id, image, str(fault)))
    check_length(path, catalog)
    rows = np.empty(len(pictures), ROW)
    for name in ("product_id", "category_id", "image"):
        rows[name] = pictures[name]
    rows["doc_offset"], rows["doc_size"] = offsets[pictures["document"]], sizes[pictures["document"]]
    rows["image_offset"], rows["image_size"] = pictures["start"], pictures["size"]
    rows["kind"] = np.frombuffer(kinds, np.uint8)
    rows["md5_hi"], rows["md5_lo"] = np.frombuffer(digests, ">u8").reshape(-1, 2).T
    answer = {"rejects": rejects}
    if texts:
        of_rows = [texts.get(document, (None, None)) for document in pictures["document"][is_good].tolist()]
        answer |= {name: [each[position] for each in of_rows] for position, name in enumerate(TEXTS)}
    return answer, rows[is_good].tobytes()


def _reject(offset: int, fault: BadDocumentError) -> Reject:
    return offset, fault.product_id, WHOLE_PRODUCT, str(fault)


def check_length(path: Path, catalog: mmap.mmap) -> None:
    """Stop where the file has shrunk: what was read of the last page may have been zeros.

    Raises:
        cli.UserError: it has.
    """
    if catalog.size() < len(catalog):
        raise cli.UserError(shrunk(path))


def shrunk(path: Path) -> str:
    return f"{path}: the file shrank while it was read; wait until nobody writes it, and run again"


def blocks(documents: np.ndarray) -> list[np.ndarray]:
    """Cut the documents into groups of consecutive ones, each of about BLOCK bytes."""
    cuts = np.flatnonzero(np.diff(documents["offset"] // BLOCK)) + 1
    return np.split(documents, cuts)


def run_in_processes(path: Path, tasks: list[Task], count: int) -> Iterator[Answer]:
    """Run tasks that read a mapped file in processes; yields what each returns, in order.

    Each process is forked, and answers through a pipe of its own.

    Raises:
        cli.UserError: a task did, or a process died, as of a file that shrank.
    """
    context = multiprocessing.get_context("fork")
    processes, answers = [], []
    try:
        for number in range(count):
            answer, sender = context.Pipe(duplex=False)
            process = context.Process(target=_run_tasks, args=(tasks[number::count], sender), daemon=True)
            process.start()
            sender.close()
            processes.append(process)
            answers.append(answer)
        for number in range(len(tasks)):
            yield _receive(path, processes[number % count], answers[number % count])
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _run_tasks(tasks: list[Task], sender: Connection) -> None:
    try:
        for task in tasks:
            answer, content = task()
            sender.send_bytes(json.dumps(answer).encode())
            sender.send_bytes(content)
    except cli.UserError as error:
        sender.send_bytes(json.dumps({"fault": str(error)}).encode())


def _receive(path: Path, process: BaseProcess, answers: Connection) -> Answer:
    try:
        answer = json.loads(answers.recv_bytes())
        if "fault" in answer:
            raise cli.UserError(answer["fault"])
        return answer, answers.recv_bytes()
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGBUS:
            raise cli.UserError(shrunk(path)) from None
        raise cli.PassingError(f"{path}: an indexing process died; if memory ran out, take fewer processes") from None


def faults_between_products(index: "pd.DataFrame", with_categories: bool) -> list[Reject]:
    """Documents that are sound by themselves but not beside the others: a repeated _id, a missing category_id."""
    documents = index.drop_duplicates("doc_offset")
    is_without = ((documents.category_id == NO_CATEGORY) & with_categories).to_numpy()
    is_repeated = np.zeros(len(documents), bool)
    is_repeated[~is_without] = documents.product_id[~is_without].duplicated()
    faults = []
    for is_faulty, reason in (
        (is_repeated, REPEATED),
        (is_without, "category_id is missing"),
    ):
        found = documents[is_faulty]
        rows = zip(found.doc_offset.tolist(), written(found, "product").tolist(), strict=True)
        faults += [(*row, WHOLE_PRODUCT, reason) for row in rows]
    return faults


def index_catalog(
    path: Path,
    on_bad_product: str,
    processes: int,
    most_bad_products: float = 1.0,
    with_categories: bool = True,
) -> tuple["pd.DataFrame", list[Reject]]:
    """Index a catalog.

    Args:
        most_bad_products: the share of products that may have a fault where on_bad_product is "skip".
        with_categories: whether category_id is read, and must be there.

    Returns:
        the index, and the rejects in the catalog's order (none unless on_bad_product is "skip").

    Raises:
        cli.UserError: a product is faulty and on_bad_product is "stop", too many are, or nothing is left.
    """
    check_dump(path)
    walk = functools.partial(find_documents, path, on_bad_product == "skip")
    [(found, content)] = run_in_processes(path, [walk], 1)
    rejects = [*map(tuple, found["rejects"])]
    groups = blocks(np.frombuffer(content, DOCUMENT))
    check = PictureCheck()  # of each process its own, after the forks
    tasks = [functools.partial(index_documents, path, group, with_categories, check) for group in groups]
    rows, texts = bytearray(), {name: [] for name in TEXTS}
    stop_at_fault(path, rejects, on_bad_product)
    with cli.progress(path.stat().st_size, "B", f"indexing {path.name}") as bar:
        for group, (answer, group_rows) in zip(groups, run_in_processes(path, tasks, processes), strict=True):
            group_rejects = [*map(tuple, answer["rejects"])]
            stop_at_fault(path, group_rejects, on_bad_product)
            from catalog.index import encoded_texts  # noqa: PLC0415 - takes half a second: after the forks

            for name, parts in texts.items():
                parts.append(encoded_texts(answer.get(name), len(group_rows) // ROW.itemsize))
            rows += group_rows
            rejects += group_rejects
            bar.update(int(group["size"].sum()))
    from catalog.index import as_frame  # noqa: PLC0415

    index = as_frame(rows, texts)
    between = faults_between_products(index, with_categories)
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
    index, rejects = index_catalog(
        args.catalog, args.on_bad_product, args.processes, args.most_bad_products, not args.without_categories
    )
    from catalog.index import write_index  # noqa: PLC0415 - takes half a second: after the forks

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
    parser.add_argument("--without-categories", action="store_true", help="nobody reads category_id")
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
