"""Pack the pictures of a split's part into RecordIO, byte for byte as the published converter does.

Records are numbered in the part's order and written in the order that Python's random, seeded with 0xC0FFEE, shuffles
them into (recipes, 6.3). Pictures that do not decode are left out and listed, as MXNet ends a training on them. The
part is read in windows of the written order, so memory stays below --memory whatever the part's size, as long as that
leaves 64 MiB for pictures beside the libraries and the index.

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
from catalog.pictures import DecodeCheck, iter_pictures
from catalog.published_random import PublishedRandom
from records import recordio

REVISION = 1

SHUFFLE_SEED = 0xC0FFEE
DEFAULT_MEMORY = 2 << 30  # bytes
LIBRARIES = 200 << 20  # bytes of a process that has not read anything, and what stays between windows
BYTES_PER_ROW = 150  # of the index and the order
SMALLEST_WINDOW = 64 << 20  # bytes; with smaller ones packing takes longer for each record
WRITE_BUFFER = 1 << 20  # bytes
COLUMNS = ["product_id", "category_id", "image", "image_offset", "image_size", *MD5]  # of the index

Fault = tuple[int, str]  # of a record: number, reason


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


def write_window(
    records_file: BinaryIO, rows: pd.DataFrame, split: Path, check: DecodeCheck
) -> tuple[np.ndarray, list[Fault]]:
    """Write consecutive records (columns label, number and the index's) from pictures read in the file's order.

    Returns:
        size (int64, bytes) of each record, and number and reason of each picture that must not become one.
    """
    records, faults = [b""] * len(rows), []
    in_file = rows.assign(position=np.arange(len(rows))).sort_values("image_offset", kind="stable")
    columns = (in_file[name].tolist() for name in ("position", "label", "number"))
    for position, label, number, picture in zip(*columns, iter_pictures([split], in_file), strict=True):
        if reason := check.fault(picture):
            faults.append((number, reason))
        records[position] = recordio.record(label, number, picture)
    records_file.writelines(records)
    return np.array([len(whole) for whole in records], np.int64), faults


def write_records(rows: pd.DataFrame, split: Path, window: int, records_path: Path, offsets_path: Path) -> list[Fault]:
    """Write .rec and .idx of the given rows (index columns and label); returns faults like write_window.

    Args:
        window: bytes of pictures that are in memory at a time.
    """
    order = written_order(len(rows))
    expected_sizes = recordio.record_sizes(rows.image_size.to_numpy())[order]
    check, faults, sizes = DecodeCheck(), [], []
    with (
        records_path.open("wb", WRITE_BUFFER) as file,
        cli.progress(len(rows), "record", "packing") as bar,
    ):
        for chosen in windows(expected_sizes, window):
            numbers = order[chosen]
            window_sizes, window_faults = write_window(file, rows.iloc[numbers].assign(number=numbers), split, check)
            sizes.append(window_sizes)
            faults += window_faults
            bar.update(len(numbers))
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes]))
    with offsets_path.open("w") as file:
        file.writelines(f"{number}\t{start}\n" for number, start in zip(order.tolist(), ends.tolist(), strict=False))
    return faults


def write_sound_records(
    rows: pd.DataFrame, split: Path, window: int, records_path: Path, offsets_path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Write .rec and .idx of those rows whose pictures may become records; returns these rows and a line per other."""
    rejected = []
    # The records' numbers and order depend on which pictures are kept: a fault that is found starts the writing anew.
    while faults := write_records(rows, split, window, records_path, offsets_path):
        numbers, reasons = zip(*sorted(faults), strict=True)
        faulty = rows.iloc[list(numbers)]
        rejected += [
            f"product {product}, picture {image}: {reason}"
            for product, image, reason in zip(faulty.product_id, faulty.image, reasons, strict=True)
        ]
        rows = rows.drop(faulty.index)
    return rows, rejected


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
    targets = [args.output.with_suffix(suffix) for suffix in (".rec", ".idx", ".json")]
    with cli.written_whole(*targets) as (records_path, offsets_path, summary_path):
        window = window_memory(args.memory, len(index))
        index, rejected = write_sound_records(index, args.split, window, records_path, offsets_path)
        if index.empty:
            raise cli.UserError(f"{args.split}: no picture is left to pack")
        summary_path.write_text(cli.as_json(describe(index, rejected)))
        size = records_path.stat().st_size
    seconds = time.monotonic() - start
    for line in rejected:
        cli.summary(f"left out: {line}")
    cli.summary(
        f"{len(index)} records of {index.label.nunique()} classes, {len(rejected)} left out,"
        f" {size / 1e6:.0f} MB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)"
    )


def describe(rows: pd.DataFrame, rejected: list[str]) -> dict:
    """What the records hold; the digest covers labels and pictures in order."""
    content = rows[["label", *MD5]].to_numpy(np.uint64).tobytes()
    return {
        "records": len(rows),
        "classes": int(rows.label.nunique()),
        "picture_bytes": int(rows.image_size.sum()),
        "left_out": rejected,
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
