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

import pandas as pd

import cli
from catalog.classes import COLUMNS, NAMES
from catalog.ids import first_written, from_cell, numbers_of, written
from catalog.index import read_index
from catalog.layout import NO_CATEGORY, TEXTS
from catalog.tables import read_table

REVISION = 1


def check_numbers(path: Path, index: pd.DataFrame) -> None:
    """Stop where two categories that are written otherwise have one number.

    Raises:
        cli.UserError: names them.
    """
    ids = index[["category_id", "category_text"]].drop_duplicates()
    shared = ids[ids.category_id.duplicated(keep=False)].sort_values("category_id", kind="stable")
    if len(shared):
        one, other = written(shared[:2], "category")
        raise cli.UserError(f"{path}: the categories {one} and {other} have one number; rename one of them")


def named_classes(names_path: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Classes in the order of category_names.csv: category_id as people have it and NAMES, texts that may be empty.

    Raises:
        cli.UserError: it is no such table, or a product's category is not in it.
    """
    table = read_table(names_path, ["category_id", *NAMES])
    if table.others:
        raise cli.UserError(f"{names_path}: line 1: a column {table.others[0]}, which nobody reads; take it out")
    cells = table.columns["category_id"]
    if empty := [line for line, cell in zip(table.lines, cells, strict=True) if not cell.strip()]:
        raise cli.UserError(f"{names_path}: line {empty[0]}: category_id is empty")
    known = set(index.category_id.unique().tolist())
    ids = [from_cell(cell, known) for cell in cells]
    names = pd.DataFrame(table.columns | {"category_id": ids})
    repeated = names.category_id[names.category_id.duplicated()]
    if len(repeated):
        raise cli.UserError(f"{names_path}: category {repeated.iloc[0]} is listed twice; keep one line")
    missing = index[~index.category_id.isin(numbers_of(ids))]
    if len(missing):
        raise cli.UserError(
            f"{names_path}: category {first_written(missing, 'category')} of product"
            f" {first_written(missing, 'product')} is not listed"
            f" ({missing.category_id.nunique()} such categories); add it"
        )
    return names[["category_id", *NAMES]]


def numbered_classes(index: pd.DataFrame) -> pd.DataFrame:
    """Classes by category id, numbers before texts, each its own top level."""
    ids = written(index.drop_duplicates("category_id"), "category")
    ids = sorted(ids, key=lambda each: (isinstance(each, str), each))
    return pd.DataFrame({"category_id": ids, **{level: map(str, ids) for level in COLUMNS[2:]}})


def main() -> None:
    args = parse_args()
    index = read_index(args.index, ["product_id", "category_id", *TEXTS])
    without = index[index.category_id == NO_CATEGORY]
    if len(without):
        raise cli.UserError(
            f"{args.index}: product {first_written(without, 'product')} has no category_id; give it one"
        )
    check_numbers(args.index, index)
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
