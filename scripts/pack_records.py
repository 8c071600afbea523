"""Pack the pictures of a split's part into RecordIO, byte for byte as the published converter does.

Records are numbered in the part's order and written in the order that Python's random, seeded with 0xC0FFEE, shuffles
them into (recipes, 6.3). Pictures that do not decode are left out and listed, as MXNet ends a training on them. The
part is read in windows of the written order, so memory stays below the budget whatever the part's size.

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
import random
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

import cli
from catalog.classes import NO_CLASS, class_ids, read_classes
from catalog.index import read_index
from catalog.joins import MD5, first_copies, single_categories
from catalog.layout import NO_CATEGORY
from catalog.pictures import DecodeCheck, iter_pictures
from records import recordio

REVISION = 1

SHUFFLE_SEED = 0xC0FFEE
DEFAULT_MEMORY = 2 << 30  # bytes
BYTES_PER_ROW = 150  # of the index, the order and Python's shuffled list
WRITE_BUFFER = 1 << 20  # bytes
COLUMNS = ["product_id", "category_id", "image", "image_offset", "image_size", *MD5]  # of the index

Fault = tuple[int, str]  # of a record: number, reason


def kept_rows(index: pd.DataFrame, first_copies_only: bool, drop_conflicts: bool) -> pd.DataFrame:
    """The rows of an index that become records."""
    kept = index[single_categories(index, index) != NO_CATEGORY] if drop_conflicts else index
    return kept[first_copies(kept)] if first_copies_only else kept


def written_order(count: int) -> np.ndarray:
    """The order in which the published converter writes records 0..count-1."""
    order = list(range(count))
    random.Random(SHUFFLE_SEED).shuffle(order)
    return np.array(order, np.int64)


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
    for position, label, number, picture in zip(*columns, iter_pictures(split, in_file), strict=True):
        if reason := check.fault(picture):
            faults.append((number, reason))
        records[position] = recordio.record(label, number, picture)
    records_file.writelines(records)
    return np.array([len(whole) for whole in records], np.int64), faults


def write_records(rows: pd.DataFrame, split: Path, memory: int, records_path: Path, offsets_path: Path) -> list[Fault]:
    """Write .rec and .idx of the given rows (index columns and label); returns faults like write_window."""
    order = written_order(len(rows))
    expected_sizes = recordio.record_sizes(rows.image_size.to_numpy())[order]
    check, faults, sizes = DecodeCheck(), [], []
    with (
        records_path.open("wb", WRITE_BUFFER) as file,
        cli.progress(len(rows), "record", "packing") as bar,
    ):
        for window in windows(expected_sizes, memory - BYTES_PER_ROW * len(rows)):
            numbers = order[window]
            window_sizes, window_faults = write_window(file, rows.iloc[numbers].assign(number=numbers), split, check)
            sizes.append(window_sizes)
            faults += window_faults
            bar.update(len(numbers))
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes]))
    with offsets_path.open("w") as file:
        file.writelines(f"{number}\t{start}\n" for number, start in zip(order.tolist(), ends.tolist(), strict=False))
    return faults


def write_sound_records(
    rows: pd.DataFrame, split: Path, memory: int, records_path: Path, offsets_path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Write .rec and .idx of those rows whose pictures may become records; returns these rows and a line per other."""
    rejected = []
    # The records' numbers and order depend on which pictures are kept: a fault that is found starts the writing anew.
    while faults := write_records(rows, split, memory, records_path, offsets_path):
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
        index, rejected = write_sound_records(index, args.split, args.memory, records_path, offsets_path)
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
    parser.add_argument("--memory", type=bytes_of, default=DEFAULT_MEMORY, help="budget, such as 500M or 2G")
    parser.add_argument("--output", type=Path, required=True, help="the .rec")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
