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
import itertools
import json
import mmap
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
import forks
from catalog.documents import (
    BadDocumentError,
    describe_fault,
    find_documents,
    next_document,
    open_catalog,
    read_documents,
)
from catalog.dumps import check_dump
from catalog.ids import is_repeated, written
from catalog.layout import NO_CATEGORY, ROW, TEXTS
from catalog.pictures import PictureCheck
from catalog.rejects import REPEATED, WHOLE_PRODUCT, Reject, counted, in_order, write_rejects
from loading.formats import PLAIN_JPEG, in_words, other_kinds
from loading.pixels import BadPictureError

if TYPE_CHECKING:
    import pyarrow as pa

REVISION = 3
BLOCK = 32 << 20  # bytes of a catalog that a process indexes at a time
PIECE = 1 << 19  # bytes of pictures that are looked at in several ways while they are in the processor's cache

Answer = tuple[dict, bytes]  # of a block: what is sent as JSON, and rows (ROW)


@dataclass(frozen=True)
class Options:
    """What decides which rows an index has.

    Attributes:
        on_bad_product: stop or skip.
        with_categories: whether category_id is read, and must be there.
    """

    on_bad_product: str
    with_categories: bool = True


def index_block(path: Path, block: int, options: Options, check: PictureCheck, start: int | None = None) -> Answer:
    """Index the documents that start in one of a catalog's blocks.

    Args:
        start: where the first one starts. None: where one seems to; that is true if the block before ends there.

    Returns:
        start, where the first document behind the block starts (stop), the rejects and, where an id is no whole number,
        TEXTS; and rows.
    """
    catalog = open_catalog(path)
    end = min((block + 1) * BLOCK, len(catalog))
    if start is None:
        start = next_document(catalog, block * BLOCK) if block else 0
    documents, faults, stop = find_documents(catalog, start, end, options.on_bad_product == "skip")
    answer, rows = index_documents(catalog, documents, options.with_categories, check)
    if catalog.size() < len(catalog):  # what was read of the last page may have been zeros
        raise cli.UserError(shrunk(path))
    rejects = [_reject(offset, fault) for offset, fault in faults] + answer.pop("rejects")
    return {"start": start, "stop": stop, "rejects": rejects, **answer}, rows


def index_documents(catalog: mmap.mmap, documents: np.ndarray, with_categories: bool, check: PictureCheck) -> Answer:
    """Index documents (DOCUMENTS); returns rejects and, where an id is no whole number, TEXTS; and rows."""
    offsets, sizes = documents["offset"], documents["size"]
    pictures, texts, faults = read_documents(catalog, offsets, sizes, with_categories)
    rejects = [_reject(int(offsets[position]), fault) for position, fault in faults]
    kinds, digests = look_at_pictures(catalog, pictures["start"], pictures["start"] + pictures["size"], check)
    is_good = np.ones(len(pictures), bool)
    for position, kind in enumerate(kinds):
        if isinstance(kind, BadPictureError):
            is_good[position], kinds[position] = False, PLAIN_JPEG
            document, image, product_id = pictures[["document", "image", "product_id"]][position].tolist()
            product, _ = texts.get(document, (None, None))
            rejects.append((int(offsets[document]), product or product_id, image, str(kind)))
    rows = np.empty(len(pictures), ROW)
    for name in ("product_id", "category_id", "image"):
        rows[name] = pictures[name]
    rows["doc_offset"], rows["doc_size"] = offsets[pictures["document"]], sizes[pictures["document"]]
    rows["image_offset"], rows["image_size"] = pictures["start"], pictures["size"]
    rows["kind"] = kinds
    rows["md5_hi"], rows["md5_lo"] = np.frombuffer(digests, ">u8").reshape(-1, 2).T
    answer = {"rejects": rejects}
    if texts:
        of_rows = [texts.get(document, (None, None)) for document in pictures["document"][is_good].tolist()]
        answer |= {name: [each[position] for each in of_rows] for position, name in enumerate(TEXTS)}
    return answer, rows[is_good].tobytes()


def look_at_pictures(
    catalog: mmap.mmap, starts: np.ndarray, stops: np.ndarray, check: PictureCheck
) -> tuple[list[int | BadPictureError], bytes]:
    """The kind of each picture, or why it cannot be used; and the MD5s of all, one after the other."""
    kinds, digests = [], []
    pieces = np.flatnonzero(np.diff(starts // PIECE, prepend=-1))
    with memoryview(catalog) as octets:
        for piece in itertools.pairwise([*pieces.tolist(), len(starts)]):
            spans = [bounds[slice(*piece)].tolist() for bounds in (starts, stops)]
            kinds += check.kinds(catalog, *spans)
            digests += [
                hashlib.md5(octets[start:stop], usedforsecurity=False).digest()
                for start, stop in zip(*spans, strict=True)
            ]
    return kinds, b"".join(digests)


def _reject(offset: int, fault: BadDocumentError) -> Reject:
    return offset, fault.product_id, WHOLE_PRODUCT, str(fault)


def shrunk(path: Path) -> str:
    return f"{path}: the file shrank while it was read; wait until nobody writes it, and run again"


def index_blocks(path: Path, options: Options, processes: int) -> Iterator[Answer]:
    """Start processes that take every so many-th block of a catalog; yields the answers of all blocks in order.

    Where a block's first document starts is known when the block before it is read. Processes do not wait for that:
    they guess, by what the start of a document looks like. A block with a wrong guess is indexed once more.

    Raises:
        cli.UserError: a process died, as of a file that shrank.
    """
    blocks = range(-(-path.stat().st_size // BLOCK))
    works = [functools.partial(_index_share, path, blocks[number::processes], options) for number in range(processes)]
    return _guessed_right(path, options, forks.answers_in_turn(works))


def _guessed_right(path: Path, options: Options, messages: Iterator[bytes]) -> Iterator[Answer]:
    stop = 0
    try:
        for block, message in enumerate(messages):
            answer, rows = _unpacked(message)
            if answer["start"] != stop:
                again = functools.partial(_index_share, path, [block], options, stop)
                answer, rows = _unpacked(next(forks.answers_in_turn([again])))
            stop = answer["stop"]
            yield answer, rows
    except forks.DeathError as death:
        if death.signal == signal.SIGBUS:
            raise cli.UserError(shrunk(path)) from None
        raise cli.PassingError(f"{path}: an indexing process died; if memory ran out, take fewer processes") from None


def _index_share(path: Path, blocks: Sequence[int], options: Options, start: int | None = None) -> Iterator[bytes]:
    check = PictureCheck()
    for block in blocks:
        answer, rows = index_block(path, block, options, check, start)
        yield json.dumps(answer).encode() + b"\n" + rows


def _unpacked(message: bytes) -> Answer:
    head = message.index(b"\n")
    answer = json.loads(message[:head])
    answer["rejects"] = [*map(tuple, answer["rejects"])]
    return answer, memoryview(message)[head + 1 :]


def faults_between_products(rows: "pa.Table", with_categories: bool) -> list[Reject]:
    """Documents that are sound by themselves but not beside the others: a repeated _id, a missing category_id."""
    from catalog.index import as_frame, numbers, selected, starts_document  # noqa: PLC0415

    first = np.flatnonzero(starts_document(numbers(rows, "doc_offset"), None))
    is_without = (numbers(rows, "category_id")[first] == NO_CATEGORY) & with_categories
    with_category = first[~is_without]
    repeated = with_category[is_repeated(numbers(rows, "product_id")[with_category])]
    faults = []
    for faulty, reason in ((repeated, REPEATED), (first[is_without], "category_id is missing")):
        if len(faulty):
            is_faulty = np.zeros(len(rows), bool)
            is_faulty[faulty] = True
            found = as_frame(selected(rows, is_faulty))
            products = zip(found.doc_offset.tolist(), written(found, "product").tolist(), strict=True)
            faults += [(*product, WHOLE_PRODUCT, reason) for product in products]
    return faults


def index_catalog(
    path: Path, options: Options, processes: int, most_bad_products: float = 1.0
) -> tuple["pa.Table", list[Reject]]:
    """Index a catalog.

    Args:
        most_bad_products: the share of products that may have a fault where on_bad_product is "skip".

    Returns:
        the index, and the rejects in the catalog's order (none unless on_bad_product is "skip").

    Raises:
        cli.UserError: a product is faulty and on_bad_product is "stop", too many are, or nothing is left.
    """
    check_dump(path)
    rejects, content, texts = [], bytearray(), {name: [] for name in TEXTS}
    answers = index_blocks(path, options, processes)
    # What takes long to import, while the processes work.
    from catalog.index import as_table, encoded_texts, numbers, selected, starts_document  # noqa: PLC0415

    with cli.progress(path.stat().st_size, "B", f"indexing {path.name}") as bar:
        for answer, block_rows in answers:
            stop_at_fault(path, answer["rejects"], options)
            for name, parts in texts.items():
                parts.append(encoded_texts(answer.get(name), len(block_rows) // ROW.itemsize))
            content += block_rows
            rejects += answer["rejects"]
            bar.update(answer["stop"] - answer["start"])
    rows = as_table(np.frombuffer(content, ROW), texts)
    between = faults_between_products(rows, options.with_categories)
    stop_at_fault(path, between, options)
    if between:
        rows = selected(rows, ~np.isin(numbers(rows, "doc_offset"), [offset for offset, *_ in between]))
    if not len(rows):
        raise cli.UserError(f"{path}: no product has a picture that can be used; dump the catalog again")
    rejects = in_order(rejects + between)
    bad = np.unique(np.array([offset for offset, *_ in rejects], np.int64))
    offsets = numbers(rows, "doc_offset")
    is_gone = offsets[np.minimum(np.searchsorted(offsets, bad), len(offsets) - 1)] != bad
    products = np.count_nonzero(starts_document(offsets, None)) + np.count_nonzero(is_gone)
    if len(bad) > most_bad_products * products:
        raise cli.UserError(
            f"{path}: {len(bad):,} of {products:,} products have a fault, more than {most_bad_products:.0%}"
            f" ({counted(rejects)}); mend the catalog, or raise the config key most_bad_products"
        )
    return rows, rejects


def stop_at_fault(path: Path, rejects: list[Reject], options: Options) -> None:
    """Raise the fault that comes first in the catalog, if faults end the job."""
    if rejects and options.on_bad_product == "stop":
        offset, product_id, image, reason = in_order(rejects)[0]
        where = "" if image == WHOLE_PRODUCT else f"picture {image}: "
        raise cli.UserError(describe_fault(path, offset, product_id, where + reason))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    options = Options(args.on_bad_product, not args.without_categories)
    rows, rejects = index_catalog(args.catalog, options, args.processes, args.most_bad_products)
    from catalog.index import numbers, starts_document, write_index  # noqa: PLC0415

    with cli.written_whole(args.output, args.rejects) as (output, rejects_path):
        write_index(rows, output)
        write_rejects(rejects, rejects_path)
    seconds = time.monotonic() - start
    size = args.catalog.stat().st_size
    if rejects:
        cli.warn(f"{args.catalog}: left out, as {args.rejects} lists: {counted(rejects)}")
    products = np.count_nonzero(starts_document(numbers(rows, "doc_offset"), None))
    kinds = in_words(other_kinds(numbers(rows, "kind")))
    kinds = f" ({kinds})" if kinds else ""
    cli.summary(
        f"{products} products, {len(rows)} pictures{kinds}, {len(rejects)} rejects,"
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
