"""Tabulate what models and ensembles reach on products that none of their members trained on.

In: the JSON files of evaluate_predictions.py, models first. Out: a CSV, and the same as a table of text.
Per model or ensemble: top-1 of single pictures, accuracy of products by the networks alone and after
post-processing with its 95 % interval, and the number of products that it was measured on.

Example:
    python scripts/tabulate_evaluations.py --csv summary.csv --text summary.txt evaluation/M*.json
"""

import argparse
from pathlib import Path

import pandas as pd

import cli
from figures.evaluations import read_evaluations

COLUMNS = ("picture_top1", "networks", "accuracy", "low", "high", "products")
HEADS = ("pictures", "products", "with MD5", "95 % interval", "measured on")


def summary_row(evaluation: dict) -> tuple:
    """The values of COLUMNS; NaN where no product could be measured."""
    if not evaluation["products"]:
        return (float("nan"),) * 5 + (0,)
    low, high = evaluation["interval"]
    networks = evaluation["steps"]["networks"]["accuracy"]
    return evaluation["picture"]["top1"], networks, evaluation["accuracy"], low, high, evaluation["products"]


def summarize(evaluations: dict[str, dict]) -> pd.DataFrame:
    """COLUMNS by name, in the order given."""
    rows = [summary_row(evaluation) for evaluation in evaluations.values()]
    return pd.DataFrame(rows, columns=COLUMNS, index=pd.Index(evaluations, name="name"))


def as_text(summary: pd.DataFrame) -> str:
    """The table that a terminal shows; accuracies in per cent."""
    width = max([len(name) for name in summary.index] + [len("accuracy in %")])
    head = "".join(f"  {text:>13}" for text in HEADS)
    lines = [f"{'accuracy in %':{width}}{head}"]
    for name, row in summary.iterrows():
        if row.products:
            shares = "".join(f"  {100 * share:13.2f}" for share in (row.picture_top1, row.networks, row.accuracy))
            interval = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
            lines.append(f"{name:{width}}{shares}  {interval:>13}  {int(row.products):13,}")
        else:
            lines.append(f"{name:{width}}  no product is in the valid part of all splits; raise valid_fraction")
    return "\n".join(lines) + "\n"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("evaluations", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    summary = summarize(read_evaluations(args.evaluations))
    with cli.written_whole(args.csv, args.text) as (csv, text):
        summary.to_csv(csv)
        text.write_text(as_text(summary))
    cli.summary(f"{len(summary)} models and ensembles tabulated in {args.text}")


if __name__ == "__main__":
    cli.run(main)
