"""Pack the pictures of a split's part into RecordIO, byte for byte as the published converter does.

Records are numbered in the part's order and written in the order that Python's random, seeded with 0xC0FFEE, shuffles
them into (recipes, 6.3). Plain JPEGs go in as they are. Any other picture, which MXNet's decoder may not read or read
otherwise, is encoded anew from the pixels that prediction sees. Pictures are read as their records are written, a few
at a time, so memory does not grow with their bytes: most of it are 36 to 45 bytes a row of the index. Of a part that is
not in the page cache, the disk is asked for --memory bytes of pictures at once.

In: a part's .bson, or the catalog's several dumps, and the part's index; classes.csv. Out: .rec, .idx (record number
and offset, which makes MXNet's ImageRecordIter shuffle) and .json (counts, a digest of the content) beside each other.

REVISION goes into every recipe of training: raise it when the content of the records changes.

Example:
    python scripts/pack_records.py --split split/1/train.bson --index split/1/train.parquet --classes classes.csv \
        --output records/B/train.rec
"""

import argparse
import functools
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
from catalog.classes import NO_CLASS, class_ids, read_categories
from catalog.copies import MD5, all_of_one_category, first_copies
from catalog.files import Files
from catalog.ids import first_written
from catalog.index import iter_index, numbers, read_columns, read_index, row_count
from catalog.layout import TEXTS
from catalog.published_random import PublishedRandom
from loading.formats import JPEG_QUALITY, in_words, other_kinds
from records import recordio
from records.packing import Pictures, write_records

if TYPE_CHECKING:
    import pandas as pd

REVISION = 2

SHUFFLE_SEED = 0xC0FFEE
DEFAULT_MEMORY = 2 << 30  # bytes


def kept_rows(index: Path, first_copies_only: bool, drop_conflicts: bool) -> np.ndarray:
    """Mark (bool) the rows of an index that become records."""
    kept = np.ones(row_count(index), bool)
    if drop_conflicts:
        kept = all_of_one_category(read_columns(index, [*MD5, "category_id"]))
    if first_copies_only:
        kept[kept] = first_copies(read_columns(index, MD5, kept))
    return kept


def written_order(count: int) -> np.ndarray:
    """The order in which the published converter writes records 0..count-1."""
    return PublishedRandom(SHUFFLE_SEED).shuffled(np.arange(count, dtype=np.uint32))


def read_labels(index: Path, kept: np.ndarray, classes: Path) -> np.ndarray:
    """The class id (int32) of the rows of an index that are kept (bool).

    Raises:
        cli.UserError: a category has no class.
    """
    categories, labels, first = read_categories(classes), [], 0
    for group in iter_index(index, ["category_id"]):
        labels.append(class_ids(numbers(group, "category_id"), categories)[kept[first:][: len(group)]].astype(np.int32))
        first += len(group)
    labels = np.concatenate(labels)
    if (labels == NO_CLASS).any():
        row = read_row(index, kept, int(np.argmax(labels == NO_CLASS)))
        category, product = (first_written(row, of) for of in ("category", "product"))
        raise cli.UserError(f"{classes}: category {category} of product {product} is missing")
    return labels


def read_row(index: Path, kept: np.ndarray, number: int) -> "pd.DataFrame":
    """The row of an index that becomes the record of a number."""
    row = int(np.flatnonzero(kept)[number])
    return read_index(index, ["product_id", "category_id", "image", *TEXTS])[row : row + 1]


def named(index: Path, kept: np.ndarray, number: int) -> str:
    """How a line names the picture of a record."""
    row = read_row(index, kept, number)
    return f"product {first_written(row, 'product')}, picture {row.image.item()}"


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    kept = kept_rows(args.index, args.first_copies_only, args.drop_conflicts)
    count = np.count_nonzero(kept)
    if not count:
        raise cli.UserError(f"{args.index}: no picture is left to pack")
    labels = read_labels(args.index, kept, args.classes)
    columns = read_columns(args.index, ["image_offset", "image_size", "kind"], kept)
    if recordio.record_sizes(columns["image_size"].max()) > recordio.LARGEST:
        raise cli.UserError(f"{Files(args.split)}: a picture is larger than a record may be ({recordio.LARGEST} bytes)")
    targets = [args.output.with_suffix(suffix) for suffix in (".rec", ".idx", ".json")]
    with (
        Files(args.split) as split,
        cli.written_whole(*targets) as (records_path, offsets_path, summary_path),
    ):
        pictures = Pictures(split, *columns.values(), labels, functools.partial(named, args.index, kept))
        write_records(pictures, written_order(count), args.memory, records_path, offsets_path)
        summary = describe(pictures, args.index, kept)
        summary_path.write_text(cli.as_json(summary))
        size = records_path.stat().st_size
    seconds = time.monotonic() - start
    anew = in_words(summary["encoded_anew"])
    anew = f" ({anew}, encoded anew)" if anew else ""
    cli.summary(
        f"{count} records{anew} of {summary['classes']} classes,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def describe(pictures: Pictures, index: Path, kept: np.ndarray) -> dict:
    """What the records hold; the digest covers labels and pictures in order.

    Args:
        kept: marks (bool) the rows of the index that are the records' in order.
    """
    digest = hashlib.sha256()
    first = number = 0
    for group in iter_index(index, MD5):
        chosen = kept[first : first + len(group)]
        halves = [numbers(group, half)[chosen] for half in MD5]
        labels = pictures.labels[number : number + len(halves[0])].astype(np.uint64)
        digest.update(np.column_stack([labels, *halves]).tobytes())
        first, number = first + len(group), number + len(labels)
    return {
        "records": len(pictures.labels),
        "classes": int(np.count_nonzero(np.bincount(pictures.labels))),
        "picture_bytes": int(pictures.sizes.sum(dtype=np.int64)),
        "encoded_anew": other_kinds(pictures.kinds),
        "jpeg_quality": JPEG_QUALITY,
        "sha256": digest.hexdigest(),
    }


def bytes_of(text: str) -> int:
    """A size like 500M or 2G in bytes."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 1)
    return int(float(number) * unit)


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--split", type=Path, nargs="+", required=True, help="the part, or the catalog's dumps in order"
    )
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--first-copies-only", action="store_true", help="keep only the first copy of each picture")
    parser.add_argument("--drop-conflicts", action="store_true", help="drop pictures with several categories")
    parser.add_argument("--memory", type=bytes_of, default=DEFAULT_MEMORY, help="of pictures, such as 500M or 2G")
    parser.add_argument("--output", type=Path, required=True, help="the .rec")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
