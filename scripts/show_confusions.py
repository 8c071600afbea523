"""Show the categories that an ensemble confuses most: confused products beside examples of what they were taken for.

In: the ensemble's evaluation, classes.csv, train.bson and its index. Out: an HTML page with its pictures inside.

Example:
    python scripts/show_confusions.py --evaluation evaluation/ensemble-14.json --classes classes.csv \
        --catalog catalog/train.bson --index index/train.parquet --output confusions.html
"""

import argparse
from html import escape
from pathlib import Path

import pandas as pd

import cli
from catalog.classes import full_names, read_classes
from catalog.ids import number_in
from catalog.index import read_index
from figures.evaluations import NOTHING_COMMON, read_evaluations
from figures.examples import COLUMNS, captioned_pictures, example_rows, first_pictures
from figures.pages import markup_table, page, paragraph
from postprocessing.steps import labels_taken

PAIRS = 12
HEAD = ("category, and products of it", "taken for, and examples of it", "products")


def numbered(pair: dict) -> dict:
    """A confused pair with the numbers of its ids, in place of what people have."""
    categories = {name: number_in(str(pair[name])) for name in ("category_id", "predicted_category_id")}
    return pair | categories | {"product_ids": [number_in(str(each)) for each in pair["product_ids"]]}


def pair_cells(pair: dict, names: dict[int, str], examples: pd.Series, pictures: dict[int, str]) -> tuple[str, ...]:
    """The cells of HEAD of a confused pair, as markup.

    Args:
        examples: product ids by category id, several each.
    """
    columns = (
        (pair["category_id"], pair["product_ids"]),
        (pair["predicted_category_id"], examples[examples.index == pair["predicted_category_id"]]),
    )
    cells = [
        f"{escape(names[category_id])}<br>{''.join(pictures[product_id] for product_id in product_ids)}"
        for category_id, product_ids in columns
    ]
    return (*cells, f"{pair['products']:,}")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    [(name, evaluation)] = read_evaluations([args.evaluation]).items()
    pairs = [numbered(pair) for pair in evaluation.get("confused_pairs", [])[:PAIRS]]
    names = full_names(read_classes(args.classes))
    index = read_index(args.index, COLUMNS)
    examples = example_rows(index, {pair["predicted_category_id"] for pair in pairs})
    confused = first_pictures(index, {product_id for pair in pairs for product_id in pair["product_ids"]})
    pictures = captioned_pictures(args.catalog, pd.concat([confused, examples]))
    by_category = examples.set_index("category_id").product_id
    products = evaluation["products"]
    text = (
        f"What {name} predicts after labels were taken ({labels_taken(evaluation)}), measured on {products:,} products."
        " Below a picture: the product's id."
    )
    rows = [pair_cells(pair, names, by_category, pictures) for pair in pairs]
    html = page(
        "What is confused most",
        paragraph(text if products else f"{name}: {NOTHING_COMMON}"),
        markup_table(HEAD, rows, text_columns=2),
    )
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(html)
    cli.summary(f"{len(pairs)} pairs of categories shown in {args.output}")


if __name__ == "__main__":
    cli.run(main)
