"""Pack the pictures of a split's part into RecordIO, byte for byte as the published converter does.

Records are numbered in the part's order and written in the order that Python's random, seeded with 0xC0FFEE, shuffles
them into (recipes, 6.3). Plain JPEGs go in as they are. Any other picture, which MXNet's decoder may not read or read
otherwise, is encoded anew from the pixels that prediction sees. The part is read in windows of the written order, so
memory stays below --memory whatever the part's size, as long as that leaves 64 MiB for pictures beside the libraries
and the index.

In: a part's .bson and index, classes.csv. Out: .rec, .idx (record number and offset, which makes
MXNet's ImageRecordIter shuffle) and .json (counts, a digest of the content) beside each other.

REVISION goes into every recipe of training: raise it when the content of the records changes.

Example:
    python scripts/pack_records.py --split split/1/train.bson --index split/1/train.parquet --classes classes.csv \
        --output records/B/train.rec
"""

import argparse
import hashlib
import itertools
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

import cli
from catalog.classes import NO_CLASS, class_ids, read_classes
from catalog.copies import MD5, first_copies
from catalog.index import read_index
from catalog.joins import single_categories
from catalog.layout import NO_CATEGORY
from catalog.pictures import iter_pictures
from catalog.published_random import PublishedRandom
from loading.formats import PLAIN_JPEG, in_words, other_kinds
from loading.pixels import JPEG_QUALITY, BadPictureError, decoded, encoded
from records import recordio

REVISION = 2

SHUFFLE_SEED = 0xC0FFEE
DEFAULT_MEMORY = 2 << 30  # bytes
LIBRARIES = 200 << 20  # bytes of a process that has not read anything, and what stays between windows
BYTES_PER_ROW = 150  # of the index and the order
SMALLEST_WINDOW = 64 << 20  # bytes; with smaller ones packing takes longer for each record
GROWTH = 8  # at most, of a usual picture that is encoded anew
WRITE_BUFFER = 1 << 20  # bytes
COLUMNS = ["product_id", "category_id", "image", "image_offset", "image_size", "kind", *MD5]  # of the index


def kept_rows(index: pd.DataFrame, first_copies_only: bool, drop_conflicts: bool) -> pd.DataFrame:
    """The rows of an index that become records."""
    kept = index[single_categories(index, index) != NO_CATEGORY] if drop_conflicts else index
    return kept[first_copies(kept)] if first_copies_only else kept


def written_order(count: int) -> np.ndarray:
    """The order in which the published converter writes records 0..count-1."""
    return PublishedRandom(SHUFFLE_SEED).shuffled(np.arange(count))


def window_memory(memory: int, rows: int) -> int:
    """Bytes of pictures for a window, of the memory that a process with so many rows may use; never very few."""
    return max(memory - LIBRARIES - BYTES_PER_ROW * rows, SMALLEST_WINDOW)


def windows(sizes: np.ndarray, memory: int) -> list[slice]:
    """Cut rows in written order into consecutive windows of at most `memory` bytes of pictures."""
    ends = np.cumsum(sizes)
    cuts = np.flatnonzero(np.diff(ends // max(memory, 1), prepend=0)) if len(ends) else []
    bounds = sorted({0, *map(int, cuts), len(sizes)})
    return [slice(start, stop) for start, stop in itertools.pairwise(bounds)]


def write_window(records_file: BinaryIO, rows: pd.DataFrame, split: Path) -> np.ndarray:
    """Write consecutive records (columns label, number and the index's) from pictures read in the file's order.

    Returns:
        size (int64, bytes) of each record.
    """
    records = [b""] * len(rows)
    in_file = rows.assign(position=np.arange(len(rows))).sort_values("image_offset", kind="stable")
    columns = (in_file[name].tolist() for name in ("position", "label", "number", "kind"))
    for position, label, number, kind, picture in zip(*columns, iter_pictures([split], in_file), strict=True):
        try:
            content = picture if kind == PLAIN_JPEG else encoded(decoded(picture))
        except BadPictureError as fault:
            row = next(rows[position:].itertuples())
            raise cli.UserError(
                f"{split}: byte {row.image_offset}: product {row.product_id}, picture {row.image}: {fault}, unlike when"
                " it was indexed; index the catalog again"
            ) from None
        records[position] = recordio.record(label, number, content)
    records_file.writelines(records)
    return np.array([len(whole) for whole in records], np.int64)


def write_records(rows: pd.DataFrame, split: Path, window: int, records_path: Path, offsets_path: Path) -> None:
    """Write .rec and .idx of the given rows (index columns and label).

    Args:
        window: bytes of pictures that are in memory at a time.
    """
    order = written_order(len(rows))
    growth = np.where(rows.kind == PLAIN_JPEG, 1, GROWTH)
    expected_sizes = recordio.record_sizes(rows.image_size.to_numpy() * growth)[order]
    sizes = []
    with (
        records_path.open("wb", WRITE_BUFFER) as file,
        cli.progress(len(rows), "record", "packing") as bar,
    ):
        for chosen in windows(expected_sizes, window):
            numbers = order[chosen]
            sizes.append(write_window(file, rows.iloc[numbers].assign(number=numbers), split))
            bar.update(len(numbers))
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes]))
    with offsets_path.open("w") as file:
        file.writelines(f"{number}\t{start}\n" for number, start in zip(order.tolist(), ends.tolist(), strict=False))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    classes = read_classes(args.classes)
    index = read_index(args.index, COLUMNS)
    index = kept_rows(index, args.first_copies_only, args.drop_conflicts)
    index = index.assign(label=class_ids(index.category_id.to_numpy(), classes))
    without_class = index[index.label == NO_CLASS]
    if len(without_class):
        first = next(without_class.itertuples())
        raise cli.UserError(f"{args.classes}: category {first.category_id} of product {first.product_id} is missing")
    if (recordio.record_sizes(index.image_size.to_numpy()) > recordio.LARGEST).any():
        raise cli.UserError(f"{args.split}: a picture is larger than a record may be ({recordio.LARGEST} bytes)")
    if index.empty:
        raise cli.UserError(f"{args.index}: no picture is left to pack")
    targets = [args.output.with_suffix(suffix) for suffix in (".rec", ".idx", ".json")]
    with cli.written_whole(*targets) as (records_path, offsets_path, summary_path):
        write_records(index, args.split, window_memory(args.memory, len(index)), records_path, offsets_path)
        summary_path.write_text(cli.as_json(describe(index)))
        size = records_path.stat().st_size
    seconds = time.monotonic() - start
    anew = in_words(other_kinds(index.kind))
    anew = f" ({anew}, encoded anew)" if anew else ""
    cli.summary(
        f"{len(index)} records{anew} of {index.label.nunique()} classes,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def describe(rows: pd.DataFrame) -> dict:
    """What the records hold; the digest covers labels and pictures in order."""
    content = rows[["label", *MD5]].to_numpy(np.uint64).tobytes()
    return {
        "records": len(rows),
        "classes": int(rows.label.nunique()),
        "picture_bytes": int(rows.image_size.sum()),
        "encoded_anew": other_kinds(rows.kind),
        "jpeg_quality": JPEG_QUALITY,
        "sha256": hashlib.sha256(content).hexdigest(),
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
    parser.add_argument("--memory", type=bytes_of, default=DEFAULT_MEMORY, help="of the process, such as 500M or 2G")
    parser.add_argument("--output", type=Path, required=True, help="the .rec")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
