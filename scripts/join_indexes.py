"""Join the indexes of a catalog's dumps to that of the whole: what index_catalog.py makes of the dumps in one file.

The offsets of a dump count on from the end of the one before. A product whose _id an earlier dump has is a fault, as it
is inside a file. Memory: 50 bytes per product, and a million rows.

In: the dumps in order, the index and the rejects of each. Out: the index and the rejects of the whole.

REVISION goes into every recipe: raise it when the joined index has other rows, or another order of them.

Example:
    python scripts/join_indexes.py --catalog catalog/train/a.bson catalog/train/b.bson \
        --indexes index/train.a.parquet index/train.b.parquet \
        --dump-rejects index/train.a.rejects.csv index/train.b.rejects.csv --on-bad-product stop \
        --output index/train-joined.parquet --rejects index/train-joined.rejects.csv
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.documents import describe_fault
from catalog.files import Files
from catalog.ids import first_written, is_repeated, written
from catalog.index import as_frame, first_rows, index_writer, iter_index, numbers, selected, with_numbers
from catalog.rejects import REPEATED, WHOLE_PRODUCT, Reject, in_order, read_rejects, write_rejects

REVISION = 1
OFFSETS = ["doc_offset", "image_offset"]
DOCUMENT = ["product_id", "product_text", "doc_offset"]


def repeated_products(indexes: list[Path], starts: np.ndarray) -> pd.DataFrame:
    """The documents whose product an earlier dump has: product_id and product_text, doc_offset in the whole.

    Args:
        starts: the offset of each dump in the whole.
    """
    documents = [as_frame(first_rows(path, DOCUMENT)) for path in indexes]
    repeated = is_repeated(np.concatenate([each.product_id for each in documents]))
    of_dumps = np.split(repeated, np.cumsum([len(each) for each in documents])[:-1])
    found = [
        each[chosen].assign(
            doc_offset=each.doc_offset[chosen] + start, product_text=each.product_text[chosen].astype(object)
        )
        for each, chosen, start in zip(documents, of_dumps, starts, strict=True)
    ]
    return pd.concat(found, ignore_index=True)


def stop_at_first(catalog: Files, repeated: pd.DataFrame) -> None:
    """Raise the first repeated product, if there is any."""
    if len(repeated):
        path, offset = catalog.place(repeated.doc_offset.iloc[0])
        raise cli.UserError(describe_fault(path, offset, first_written(repeated, "product"), REPEATED))


def write_joined(indexes: list[Path], starts: np.ndarray, left_out: np.ndarray, output: Path) -> int:
    """Write the rows of all dumps but those of documents at some offsets in the whole; returns how many rows."""
    rows = 0
    with index_writer(output) as writer:
        for path, start in zip(indexes, starts.tolist(), strict=True):
            for group in iter_index(path):
                moved = with_numbers(group, {name: numbers(group, name) + start for name in OFFSETS})
                kept = selected(moved, ~np.isin(numbers(moved, "doc_offset"), left_out))
                writer.write_table(kept)
                rows += len(kept)
    return rows


def dump_rejects(paths: list[Path], starts: np.ndarray) -> Iterator[Reject]:
    """The rejects of all dumps, by their offsets in the whole."""
    for path, start in zip(paths, starts.tolist(), strict=True):
        for offset, *others in read_rejects(path):
            yield offset + start, *others


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    with Files(args.catalog) as catalog:
        repeated = repeated_products(args.indexes, catalog.starts)
        if args.on_bad_product == "stop":
            stop_at_first(catalog, repeated)
        rejects = [*dump_rejects(args.dump_rejects, catalog.starts)]
        products = zip(repeated.doc_offset, written(repeated, "product"), strict=True)
        rejects += [(offset, product, WHOLE_PRODUCT, REPEATED) for offset, product in products]
        with cli.written_whole(args.output, args.rejects) as (output, rejects_path):
            rows = write_joined(args.indexes, catalog.starts, repeated.doc_offset.to_numpy(), output)
            write_rejects(in_order(rejects), rejects_path)
    cli.summary(
        f"{rows} pictures of {len(args.indexes)} dumps, {len(rejects)} rejects, {len(repeated)} of them products that"
        f" an earlier dump has, in {time.monotonic() - start:.1f} s"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True)
    parser.add_argument("--indexes", type=Path, nargs="+", required=True, help="one per dump, in the same order")
    parser.add_argument("--dump-rejects", type=Path, nargs="+", required=True, help="one per dump, in the same order")
    parser.add_argument("--on-bad-product", choices=("stop", "skip"), required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
