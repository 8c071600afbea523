"""Score a submission: how many products have the right category, and what that says of others like them.

In: a submission (CSV or CSV.gz with _id and category_id) and the true categories (CSV with the same columns), such as
the test_categories.csv that make_catalog.py --test-fraction and generate_catalog.py write. Only the products with a
true category count. Out: a line with the share of right products and its 95 % interval (Wilson, 1927).

Example:
    python scripts/score_submission.py --submission results/submission/lite-1.csv.gz --truth catalog/test_categories.csv
"""

import argparse
import gzip
import zlib
from pathlib import Path

import cli
from catalog.tables import parse_table
from postprocessing.proportions import wilson_interval

COLUMNS = ["_id", "category_id"]
GZIP_START = b"\x1f\x8b"


def read_categories(path: Path) -> dict[str, str]:
    """The category of each product, both as they are written, of a CSV that may be compressed.

    Raises:
        cli.UserError: the file is no such table, a field is empty, or a product is there twice; names the line.
    """
    content = path.read_bytes()
    if content.startswith(GZIP_START):
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise cli.UserError(f"{path}: the compressed file is damaged or cut off") from None
    table = parse_table(path, content, COLUMNS)
    categories: dict[str, str] = {}
    for line, *fields in zip(table.lines, *(table.columns[name] for name in COLUMNS), strict=True):
        product, category = map(str.strip, fields)
        if not (product and category):
            raise cli.UserError(f"{path}: line {line}: {COLUMNS[bool(product)]} is empty")
        if product in categories:
            raise cli.UserError(f"{path}: line {line}: product {product} is there for the second time")
        categories[product] = category
    if not categories:
        raise cli.UserError(f"{path}: no products")
    return categories


def score_text(right: int, products: int) -> str:
    """The share of right products with its interval, in words."""
    share, (low, high) = right / products, wilson_interval(right, products)
    return (
        f"{right:,} of {products:,} products right: {100 * share:.2f} %"
        f" (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"
    )


def main() -> None:
    args = parse_args()
    submission, truth = read_categories(args.submission), read_categories(args.truth)
    if missing := [product for product in truth if product not in submission]:
        raise cli.UserError(
            f"{args.submission}: product {missing[0]} is missing ({len(missing):,} such products), which has a true"
            f" category in {args.truth}; are both of the same catalog?"
        )
    right = sum(submission[product] == category for product, category in truth.items())
    print(score_text(right, len(truth)))
    if others := len(submission) - len(truth):
        cli.summary(f"{others:,} products of the submission have no true category and do not count")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--submission", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
