"""Draw whether the probabilities of answers can be believed, and how many answers keep which precision.

In: the table of calibrate_answers.py. Out: an SVG with the share right over the probability, before and after
calibration, and, for each level of the category tree, the share of products that can be answered over the precision of
these answers.

Example:
    python scripts/draw_answers.py --products calibration.parquet --precision 0.98 --figure answers.svg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cli
from figures import style
from figures.answers import PROBABILITY, RIGHT, levels_of
from figures.evaluations import NOTHING_COMMON
from postprocessing.levels import CATEGORY

BINS = 10
FIRST = 20  # products: the precision of fewer says nothing


def coverage_over_precision(sure: np.ndarray, is_right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and coverage of the surest products, for each number of them from FIRST on.

    Args:
        sure: probabilities; `is_right` (bool) says which are right.
    """
    right = np.cumsum(is_right[np.argsort(-sure, kind="stable")])
    counts = np.arange(1, len(sure) + 1)
    return (right / counts)[FIRST - 1 :], (counts / max(len(sure), 1))[FIRST - 1 :]


def draw_calibration(axes: Axes, products: pd.DataFrame) -> None:
    right = products[f"{CATEGORY}{RIGHT}"].to_numpy()
    axes.plot([0, 100], [0, 100], color=style.GREY, linewidth=1.0, label="as right as sure")
    for position, (column, label) in enumerate({"score": "before", f"{CATEGORY}{PROBABILITY}": "after"}.items()):
        sure = products[column].to_numpy()
        bins = np.minimum((sure * BINS).astype(int), BINS - 1)
        filled = [bins == number for number in range(BINS) if (bins == number).any()]
        axes.plot(
            [100 * sure[chosen].mean() for chosen in filled],
            [100 * right[chosen].mean() for chosen in filled],
            label=f"{label} calibration",
            **style.series(position),
        )
    axes.set(xlabel="probability of the category, %", ylabel="products right, %", xlim=(0, 102), ylim=(0, 102))
    axes.legend(loc="upper left")


def draw_coverage(axes: Axes, products: pd.DataFrame, precision: float | None) -> None:
    for position, level in enumerate(levels_of(products)):
        columns = (products[f"{level}{suffix}"].to_numpy() for suffix in (PROBABILITY, RIGHT))
        precisions, coverage = coverage_over_precision(*columns)
        axes.plot(100 * precisions, 100 * coverage, label=level, **style.series(position) | {"marker": ""})
    if precision is not None:
        axes.axvline(100 * precision, color="black", linestyle=":", linewidth=1.2, label="accept.precision")
    axes.set(xlabel="precision: of these answers right, %", ylabel="products answered, %", ylim=(0, 102))
    axes.legend(loc="lower left")


def draw(products: pd.DataFrame, precision: float | None) -> Figure:
    """Both panels, on products that no member trained on."""
    figure, (calibration, coverage) = plt.subplots(1, 2, figsize=(9, 4.2))
    draw_calibration(calibration, products)
    draw_coverage(coverage, products, precision)
    figure.suptitle(f"{len(products):,} products that no member trained on")
    return figure


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--products", type=Path, required=True)
    parser.add_argument("--precision", type=float, help="that accepted answers are to keep")
    parser.add_argument("--figure", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    products = pd.read_parquet(args.products)
    style.save(draw(products, args.precision) if len(products) else style.notice(NOTHING_COMMON), args.figure)
    cli.summary(f"{len(products)} products drawn")


if __name__ == "__main__":
    cli.run(main)
