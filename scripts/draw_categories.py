"""Draw how unevenly the training pictures spread over the categories.

In: the index of train.bson and classes.csv. Out: an SVG: pictures per category by rank, and per category of
the first level.

Example:
    python scripts/draw_categories.py --index index/train.parquet --classes classes.csv --output categories.svg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

import cli
from catalog.classes import first_levels, read_classes
from catalog.index import read_index
from figures import style

LARGEST = 20  # first-level categories that get a bar of their own


def pictures_per_category(category_ids: pd.Series) -> pd.Series:
    """Pictures by category id, most first; from a row per picture."""
    return category_ids.value_counts()


def share_of_largest(counts: pd.Series, part: float = 0.1) -> float:
    """The share of all pictures that the largest categories hold, a part of all categories (rounded up)."""
    largest = max(1, -(-len(counts) * part // 1))
    return counts.iloc[: int(largest)].sum() / counts.sum()


def pictures_per_first_level(counts: pd.Series, classes: pd.DataFrame) -> pd.Series:
    """Pictures by level1, most first; beyond LARGEST, the others together."""
    sums = counts.groupby(counts.index.map(first_levels(classes))).sum().sort_values(ascending=False)
    if len(sums) <= LARGEST:
        return sums
    others = pd.Series({f"{len(sums) - LARGEST} others": sums.iloc[LARGEST:].sum()})
    return pd.concat([sums.iloc[:LARGEST], others])


def draw(counts: pd.Series, classes: pd.DataFrame) -> Figure:
    first_level = pictures_per_first_level(counts, classes)
    figure, (ranks, levels) = plt.subplots(1, 2, figsize=(10, 1.6 + 0.2 * max(len(first_level), 10)))
    ranks.plot(range(1, len(counts) + 1), counts.to_numpy(), **style.series(0) | {"markersize": 2})
    ranks.set(xscale="log", yscale="log", xlabel="category, the largest first", ylabel="training pictures")
    for axis in (ranks.xaxis, ranks.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    ranks.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    share = share_of_largest(counts)
    figure.suptitle(f"{len(counts):,} categories: the largest tenth holds {100 * share:.0f} % of the pictures")
    ranks.set_title("By category")
    levels.barh(style.name_rows(levels, map(style.shortened, first_level.index)), first_level, **style.bars(0))
    levels.set(xlabel="training pictures", title="By category of the first level")
    return figure


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    counts = pictures_per_category(read_index(args.index, columns=["category_id"]).category_id)
    style.save(draw(counts, read_classes(args.classes)), args.output)
    cli.summary(f"{counts.sum()} pictures of {len(counts)} categories drawn to {args.output}")


if __name__ == "__main__":
    cli.run(main)
