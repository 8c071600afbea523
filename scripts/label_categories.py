"""Number the categories: class ids 0.. in the order of category_names.csv, without it by category id.

In: category_names.csv (category_id and three levels of names) and the index of the training products.
Out: classes.csv with class_id, category_id, level1, level2, level3.

REVISION goes into every recipe: raise it when categories get other class ids.

Example:
    python scripts/label_categories.py --names catalog/category_names.csv --index index/train.parquet \
        --output classes.csv
"""

import argparse
from pathlib import Path

import pandas as pd

import cli
from catalog.classes import COLUMNS
from catalog.index import read_index
from catalog.layout import NO_CATEGORY

REVISION = 1


def named_classes(names_path: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Classes in the order of category_names.csv.

    Raises:
        cli.UserError: the table is not as published, or a product's category is not in it.
    """
    try:
        names = pd.read_csv(names_path, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise cli.UserError(f"{names_path}: not a table of categories: {error}".rstrip()) from error
    if len(names.columns) != 4 or names.columns[0] != "category_id" or names.category_id.dtype != "int64":
        raise cli.UserError(
            f"{names_path}: the columns must be category_id (integers), category_level1, category_level2,"
            " category_level3"
        )
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
    return names


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
