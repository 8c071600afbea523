"""Number the categories: class ids 0.. in the order of category_names.csv, without it by category id.

In: category_names.csv (category_id and category_level1 to category_level3, in any order) and the index of the training
products. Out: classes.csv with class_id, category_id, level1, level2, level3.

REVISION goes into every recipe: raise it when categories get other class ids.

Example:
    python scripts/label_categories.py --names catalog/category_names.csv --index index/train.parquet \
        --output classes.csv
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import COLUMNS, NAMES
from catalog.index import read_index
from catalog.layout import NO_CATEGORY
from catalog.tables import read_table, whole_number

REVISION = 1


def named_classes(names_path: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Classes in the order of category_names.csv: category_id (int64) and NAMES, texts that may be empty.

    Raises:
        cli.UserError: it is no such table, or a product's category is not in it.
    """
    table = read_table(names_path, ["category_id", *NAMES])
    if table.others:
        raise cli.UserError(f"{names_path}: line 1: a column {table.others[0]}, which nobody reads; take it out")
    rows = zip(table.lines, table.columns["category_id"], strict=True)
    ids = [whole_number(names_path, line, "category_id", text) for line, text in rows]
    names = pd.DataFrame(table.columns | {"category_id": np.array(ids, np.int64)})
    repeated = names.category_id[names.category_id.duplicated()]
    if len(repeated):
        raise cli.UserError(f"{names_path}: category {repeated.iloc[0]} is listed twice; keep one line")
    missing = index[~index.category_id.isin(names.category_id)]
    if len(missing):
        first = missing.iloc[0]
        raise cli.UserError(
            f"{names_path}: category {first.category_id} of product {first.product_id} is not listed"
            f" ({missing.category_id.nunique()} such categories); add it"
        )
    return names[["category_id", *NAMES]]


def numbered_classes(index: pd.DataFrame) -> pd.DataFrame:
    """Classes by category id, each its own top level."""
    ids = sorted(index.category_id.unique())
    return pd.DataFrame({"category_id": ids, **{level: map(str, ids) for level in COLUMNS[2:]}})


def main() -> None:
    args = parse_args()
    index = read_index(args.index, ["product_id", "category_id"])
    without = index[index.category_id == NO_CATEGORY]
    if len(without):
        raise cli.UserError(f"{args.index}: product {without.product_id.iloc[0]} has no category_id; give it one")
    categories = named_classes(args.names, index) if args.names else numbered_classes(index)
    categories.insert(0, "class_id", range(len(categories)))
    categories.columns = COLUMNS
    with cli.written_whole(args.output) as (output,):
        categories.to_csv(output, index=False)
    used = index.category_id.nunique()
    cli.summary(f"{len(categories)} classes, {used} of them have training products")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--names", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
