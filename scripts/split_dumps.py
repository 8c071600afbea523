"""Split the training products of a catalog in several dumps into train and valid, as the published solution does.

The products are those of split_catalog.py on one file of all dumps. Nothing is copied: the index of a part says where
its pictures lie in the dumps, and whoever needs them reads them there. So no job goes through the bytes of all dumps.

In: the dumps in order, which are read for --group-field alone, and their joined index. Out: {train,valid}.parquet (its
rows that are in that part) in the output folder.

REVISION goes into every recipe: raise it when the parts hold other products, or an index with other columns.

Example:
    python scripts/split_dumps.py --catalog catalog/train/a.bson catalog/train/b.bson \
        --index index/train-joined.parquet --seed 12648430 --valid-fraction 0.05 --output-folder split/12648430
"""

import argparse
import time
from pathlib import Path

import cli
from catalog import parts

REVISION = 1


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    split = parts.draw(args.catalog, args)
    targets = [args.output_folder / f"{part}.parquet" for part in parts.PARTS]
    with cli.written_whole(*targets) as (train, valid):
        parts.write_indexes(args.index, split.is_valid, train, valid)
    cli.summary(f"{split.in_words}, in {time.monotonic() - start:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parts.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
