"""Pack the pictures of a split's part into RecordIO, byte for byte as the published converter does.

Records are numbered in the part's order and written in the order that Python's random, seeded with 0xC0FFEE, shuffles
them into (recipes, 6.3). Plain JPEGs go in as they are. Any other picture, which MXNet's decoder may not read or read
otherwise, is encoded anew from the pixels that prediction sees. Pictures are read as their records are written, a few
at a time, so memory does not grow with their bytes: most of it are 60 to 75 bytes a row of the index. Of a part that is
not in the page cache, the disk is asked for --memory bytes of pictures at once.

In: a part's .bson and index, classes.csv. Out: .rec, .idx (record number and offset, which makes
MXNet's ImageRecordIter shuffle) and .json (counts, a digest of the content) beside each other.

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

import numpy as np

import cli
from catalog.classes import NO_CLASS, class_ids, read_categories
from catalog.copies import MD5, all_of_one_category, first_copies
from catalog.ids import first_written
from catalog.index import iter_index, numbers, read_columns, read_index
from catalog.layout import TEXTS
from catalog.published_random import PublishedRandom
from loading.formats import JPEG_QUALITY, in_words, other_kinds
from records import recordio
from records.packing import Pictures, write_records

REVISION = 2

SHUFFLE_SEED = 0xC0FFEE
PROCESSES = 2
DEFAULT_MEMORY = 2 << 30  # bytes


def kept_rows(index: Path, first_copies_only: bool, drop_conflicts: bool) -> np.ndarray:
    """The rows (int64) of an index that become records."""
    filters = [all_of_one_category] * drop_conflicts + [first_copies] * first_copies_only
    columns = read_columns(index, MD5 * bool(filters) + ["category_id"] * (drop_conflicts or not filters))
    rows = np.arange(len(next(iter(columns.values()))))
    for keeps in filters:
        chosen = keeps(columns)
        rows, columns = rows[chosen], {name: column[chosen] for name, column in columns.items()}
    return rows


def written_order(count: int) -> np.ndarray:
    """The order in which the published converter writes records 0..count-1."""
    return PublishedRandom(SHUFFLE_SEED).shuffled(np.arange(count, dtype=np.uint32))


def read_labels(index: Path, rows: np.ndarray, classes: Path) -> np.ndarray:
    """The class id (int32) of rows of an index.

    Raises:
        cli.UserError: a category has no class.
    """
    categories = read_categories(classes)
    groups = (numbers(group, "category_id") for group in iter_index(index, ["category_id"]))
    labels = np.concatenate([class_ids(group, categories).astype(np.int32) for group in groups])[rows]
    if (labels == NO_CLASS).any():
        first = read_index(index, ["product_id", "category_id", *TEXTS])[rows[np.argmax(labels == NO_CLASS)] :]
        category, product = (first_written(first, of) for of in ("category", "product"))
        raise cli.UserError(f"{classes}: category {category} of product {product} is missing")
    return labels


def named(index: Path, rows: np.ndarray, number: int) -> str:
    """How a line names the picture of a record."""
    found = read_index(index, ["product_id", "product_text", "image", "image_offset"])[rows[number] :]
    product, row = first_written(found, "product"), found.iloc[0]
    return f"byte {row.image_offset}: product {product}, picture {row.image}"


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    rows = kept_rows(args.index, args.first_copies_only, args.drop_conflicts)
    if not len(rows):
        raise cli.UserError(f"{args.index}: no picture is left to pack")
    labels = read_labels(args.index, rows, args.classes)
    offsets, sizes, kinds = (
        read_columns(args.index, [name])[name][rows] for name in ("image_offset", "image_size", "kind")
    )
    if (recordio.record_sizes(sizes) > recordio.LARGEST).any():
        raise cli.UserError(f"{args.split}: a picture is larger than a record may be ({recordio.LARGEST} bytes)")
    pictures = Pictures(args.split, offsets, sizes, kinds, labels, functools.partial(named, args.index, rows))
    targets = [args.output.with_suffix(suffix) for suffix in (".rec", ".idx", ".json")]
    with cli.written_whole(*targets) as (records_path, offsets_path, summary_path):
        write_records(pictures, written_order(len(rows)), args.processes, args.memory, records_path, offsets_path)
        summary = describe(pictures, args.index, rows)
        summary_path.write_text(cli.as_json(summary))
        size = records_path.stat().st_size
    seconds = time.monotonic() - start
    anew = in_words(summary["encoded_anew"])
    anew = f" ({anew}, encoded anew)" if anew else ""
    cli.summary(
        f"{len(rows)} records{anew} of {summary['classes']} classes,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def describe(pictures: Pictures, index: Path, rows: np.ndarray) -> dict:
    """What the records hold; the digest covers labels and pictures in order.

    Args:
        rows: of the index, in its order, of each record.
    """
    digest = hashlib.sha256()
    first = number = 0
    for group in iter_index(index, MD5):
        last = number + np.searchsorted(rows[number:], first + len(group))
        chosen = rows[number:last] - first
        halves = [numbers(group, half)[chosen] for half in MD5]
        digest.update(np.column_stack([pictures.labels[number:last].astype(np.uint64), *halves]).tobytes())
        first, number = first + len(group), last
    return {
        "records": len(rows),
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
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--first-copies-only", action="store_true", help="keep only the first copy of each picture")
    parser.add_argument("--drop-conflicts", action="store_true", help="drop pictures with several categories")
    parser.add_argument("--memory", type=bytes_of, default=DEFAULT_MEMORY, help="of pictures, such as 500M or 2G")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--output", type=Path, required=True, help="the .rec")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
