"""Tabulate what models and ensembles reach on products that none of their members trained on.

In: what was configured (JSON: models, heads with their models, ensembles with their members), the JSON files and the
tables of products of evaluate_predictions.py, models first. Out: a CSV, and the same as a table of text. Per model or
ensemble: the passes of each picture through networks, top-1 of single pictures, accuracy of products by the networks
alone and after post-processing with its 95 % interval, the number of products that it was measured on, the accuracy of
the networks alone on those products that all have in common, and the accuracy after post-processing at each level of
the category tree, as a mean over products and as one over categories.

Example:
    python scripts/tabulate_evaluations.py --csv summary.csv --text summary.txt --configured configured.json \
        --evaluations evaluation/M*.json --products evaluation/M*.parquet
"""

import argparse
import json
from pathlib import Path

import pandas as pd

import cli
from figures.evaluations import (
    LEVEL_NAMES,
    MEANS,
    PASSES_ARE,
    by_level,
    on_common_products,
    passes,
    read_evaluations,
    read_right,
)
from postprocessing.steps import labels_taken

COLUMNS = (
    *("passes", "pictures_with_mirror", "products_networks_alone", "products_labelled", "low", "high", "products"),
    *("common_networks_alone", "common_products"),
)
HEADS = (
    ("", "pictures", "products", "products", "95 % interval", "measured on", "same {:,}"),
    ("passes", "with mirror", "networks alone", "labelled", "of labelled", "products", "networks alone"),
)
NOTES = """
{passes_are}
Right, in %. With mirror: by the mean of a picture and its mirror. Networks alone: no label is taken.
Labelled: {labelled} took the label that they have in the train parts.
Same {common:,}: the products that no model trained on, where models of different splits can be compared.
"""
LEVELS_TITLE = """
Labelled, right at each level of the category tree, in %: mean over products, and over the categories of the level.
"""


def summarize(evaluations: dict[str, dict], common: dict[str, pd.DataFrame], configured: dict) -> pd.DataFrame:
    """COLUMNS by name, in the order given, and columns of level_values; NaN where no product could be measured.

    Args:
        common: by name, whether each product that all have in common is right (figures.evaluations).
        configured: workflow.recipes.configured.
    """
    rows = []
    for name, each in evaluations.items():
        on_common = (common[name].networks.mean(), len(common[name]))
        values = (passes(name, each, configured), *own_values(each), *on_common)
        rows.append(dict(zip(COLUMNS, values, strict=True)) | level_values(each))
    return pd.DataFrame(rows, index=pd.Index(evaluations, name="name"))


def own_values(evaluation: dict) -> tuple:
    """What was measured on all the products of a model or an ensemble."""
    if not evaluation["products"]:
        return (float("nan"),) * 5 + (0,)
    networks = evaluation["steps"]["networks"]["accuracy"]
    of_pictures = evaluation["picture"]["top1"]  # None where no picture has pixels
    reached = (float("nan") if of_pictures is None else of_pictures, networks, evaluation["accuracy"])
    return (*reached, *evaluation["interval"], evaluation["products"])


def level_values(evaluation: dict) -> dict[str, float]:
    """What was measured at each level, as level1_accuracy, level1_macro and so on."""
    if not evaluation["products"]:
        return {}
    return {f"{each['level']}_{mean}": each[mean] for each in by_level(evaluation) for mean in MEANS}


def levels_as_text(summary: pd.DataFrame) -> str:
    """The table of the levels; empty where no product could be measured."""
    columns, measured = summary.columns[len(COLUMNS) :], summary[summary.products > 0]
    if measured.empty:
        return ""
    width = max(map(len, summary.index))
    levels, means = zip(*(column.rsplit("_", 1) for column in columns), strict=True)
    heads = ([LEVEL_NAMES[level] for level in levels], [MEANS[mean] for mean in means])
    lines = [" " * width + "".join(f"  {text:>15}" for text in head) for head in heads]
    lines += [
        f"{name:{width}}" + "".join(f"  {100 * share:15.2f}" for share in row[columns])
        for name, row in measured.iterrows()
    ]
    return "\n".join([LEVELS_TITLE, *lines, ""])


def as_text(summary: pd.DataFrame, labelled: str) -> str:
    """The table that a terminal shows, with what its columns mean; accuracies in per cent."""
    width = max(map(len, summary.index))
    common = int(summary.common_products.iloc[0])
    lines = [" " * width + _cells(*(text.format(common) for text in head)) for head in HEADS]
    for name, row in summary.iterrows():
        begin, cost = f"{name:{width}}", f"{int(row.passes)}"
        if row.products:
            reached = (row.pictures_with_mirror, row.products_networks_alone, row.products_labelled)
            interval = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
            same = f"{100 * row.common_networks_alone:.2f}" if common else "-"
            cells = _cells(cost, *(f"{100 * share:.2f}" for share in reached), interval, f"{int(row.products):,}", same)
            lines.append(begin + cells)
        else:
            lines.append(f"{begin}{_cells(cost)}  no product is in the valid part of all splits; raise valid_fraction")
    return (
        "\n".join(lines)
        + "\n"
        + NOTES.format(passes_are=PASSES_ARE, labelled=labelled, common=common)
        + levels_as_text(summary)
    )


def _cells(cost: str, *others: str) -> str:
    """The end of a line: a narrow cell and wide ones."""
    return f"  {cost:>6}" + "".join(f"  {text:>14}" for text in others)


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--configured", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, nargs="+", required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    evaluations = read_evaluations(args.evaluations)
    summary = summarize(evaluations, on_common_products(read_right(args.products)), args.configured)
    labelled = labels_taken(next(iter(evaluations.values())))
    with cli.written_whole(args.csv, args.text) as (csv, text):
        summary.to_csv(csv)
        text.write_text(as_text(summary, labelled))
    cli.summary(f"{len(summary)} models and ensembles tabulated in {args.text}")


if __name__ == "__main__":
    cli.run(main)
