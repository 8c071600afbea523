"""Draw what ensembles gain, where they are right, and whether their confidence can be believed.

In: the JSON files and the tables of products that evaluate_predictions.py writes for models and ensembles. Out: three
SVGs: accuracy by number of models, on the products that all of them have in common; accuracy by level of the category
tree and by category of the first level, and calibration, both of the ensemble with most models on all its products.

Example:
    python scripts/draw_evaluations.py --ensembles ensemble-1 ensemble-14 --evaluations evaluation/*.json \
        --products evaluation/*.parquet --sizes sizes.svg --levels levels.svg --calibration calibration.svg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cli
from figures import evaluations, style
from figures.evaluations import FEW, LABELLED, NETWORKS_ALONE
from postprocessing.proportions import paired_interval, wilson_interval

LARGEST = 25  # first-level categories that are drawn
SHIFT = 0.06  # models, by which intervals stand beside each other


def draw_sizes(members: dict[str, int], right: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy by number of models, and what each ensemble gains over the smallest; all with 95 % intervals.

    Args:
        members: number of models by ensemble.
        right: what is right (columns networks and labelled) by model and by ensemble, of the same products.
    """
    figure, (shares, gains) = plt.subplots(2, 1, figsize=(7, 6), height_ratios=(3, 2), sharex=True)
    count = len(next(iter(right.values())))
    ordered = sorted(members, key=members.get)
    singles = [100 * rows.networks.mean() for name, rows in right.items() if name not in members]
    shares.plot([1] * len(singles), singles, "x", color=style.GREY, label="single models, networks alone")
    for position, (step, label) in enumerate({"networks": NETWORKS_ALONE, "labelled": LABELLED}.items()):
        counts = [int(right[name][step].sum()) for name in ordered]
        sizes = [members[name] + SHIFT * (2 * position - 1) for name in ordered]
        draw_shares(shares, sizes, counts, [count] * len(counts), label=label, **style.series(position))
    smallest = right[ordered[0]].networks
    pairs = [paired_interval_of(smallest, right[name].networks) for name in ordered[1:]]
    gains.axhline(0, color=style.GREY, linewidth=1.0)
    draw_intervals(gains, [members[name] for name in ordered[1:]], pairs, **style.series(0))
    few = f" (fewer than {FEW}: see the intervals)" if count < FEW else ""
    shares.set(ylabel="products right, %", title=f"On the same {count:,} products{few}")
    gains.set(
        xlabel="models in the ensemble",
        ylabel="points",
        title=f"Gain over {style.shortened(ordered[0])}, {NETWORKS_ALONE}",
    )
    gains.set_xticks(sorted(set(members.values())))
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def paired_interval_of(first: pd.Series, second: pd.Series) -> tuple[float, float, float]:
    """By how much the second is right more often, and the 95 % interval of that; shares of the same products."""
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    return ((gained - lost) / len(first), *paired_interval(gained, lost, len(first)))


def draw_shares(axes: Axes, positions: list[float], correct: list[int], counts: list[int], **look: object) -> None:
    """Draw shares of counts in per cent with their 95 % intervals."""
    pairs = zip(correct, counts, strict=True)
    draw_intervals(axes, positions, [(right / count, *wilson_interval(right, count)) for right, count in pairs], **look)


def draw_intervals(
    axes: Axes, positions: list[float], shares: list[tuple[float, float, float]], **look: object
) -> None:
    """Draw shares (value, low, high) in per cent, joined, each with its interval."""
    values, lows, highs = ([100 * share[part] for share in shares] for part in range(3))
    axes.vlines(positions, lows, highs, color=look["color"], linewidth=1.0)
    axes.plot(positions, values, **look)


def draw_levels(name: str, evaluation: dict) -> Figure:
    """Accuracy by level, and by category of the first level with 95 % intervals, largest first."""
    depths, levels = evaluations.by_level(evaluation), evaluation["by_top_level"][:LARGEST]
    heights = (0.4 * len(depths), 0.24 * (len(levels) + 1))
    figure, (tree, axes) = plt.subplots(2, 1, figsize=(7, 1.8 + sum(heights)), height_ratios=heights, sharex=True)
    draw_depths(tree, depths)
    positions = style.name_rows(
        axes, (f"{style.shortened(level['level1'])} ({level['products']:,})" for level in levels)
    )
    axes.barh(positions, [100 * level["accuracy"] for level in levels], **style.bars(0))
    intervals = [wilson_interval(right_of(level), level["products"]) for level in levels]
    axes.hlines(positions, *([100 * interval[end] for interval in intervals] for end in (0, 1)), color="black")
    axes.axvline(100 * evaluation["accuracy"], color="black", linestyle="--", linewidth=1.2, label="all products")
    axes.set(xlabel=f"{LABELLED}, %", xlim=(0, 100), title="categories of the first level (products)")
    figure.suptitle(f"{style.shortened(name)}: by level of the category tree")
    figure.legend(loc="outside lower right")
    return figure


def draw_depths(axes: Axes, depths: list[dict]) -> None:
    """Accuracy at each level: a bar of the mean over products, below it one of the mean over categories."""
    rows = style.name_rows(axes, (f"{each['name']} ({each['categories']:,})" for each in depths))
    height = 0.4
    for number, (mean, words) in enumerate(evaluations.MEANS.items()):
        positions = [row + height * (number - 0.5) for row in rows]
        shares = [100 * each[mean] for each in depths]
        axes.barh(positions, shares, height, label=f"mean {words}", **style.bars(number))
    axes.set(xlabel=f"{LABELLED}, %", title="levels (categories)")


def right_of(group: dict) -> int:
    return round(group["accuracy"] * group["products"])


def draw_calibration(name: str, evaluation: dict) -> Figure:
    """Accuracy over confidence with 95 % intervals, and how many products have which confidence."""
    name, bins = style.shortened(name), evaluation["calibration"]
    figure, (curve, counts) = plt.subplots(2, 1, figsize=(5.5, 5.6), height_ratios=(3, 1), sharex=True)
    curve.plot([0, 100], [0, 100], color=style.GREY, linewidth=1.0, label="as right as confident")
    groups = {
        name: ([item for item in bins if item["products"] >= FEW], style.series(0) | {"linestyle": ""}),
        f"fewer than {FEW} products": (
            [item for item in bins if item["products"] < FEW],
            {"color": "#999999", "marker": "o", "markerfacecolor": "white", "linestyle": ""},
        ),
    }
    for label, (chosen, look) in groups.items():
        if chosen:
            positions = [100 * item["confidence"] for item in chosen]
            draw_shares(curve, positions, [right_of(item) for item in chosen], [item["products"] for item in chosen],
                        label=label, **look)  # fmt: skip
    curve.set(ylabel="products right, %", ylim=(0, 102), title=f"{name}: known pictures labelled")
    curve.legend(loc="lower right")
    lefts, widths = [100 * item["from"] for item in bins], [100 * (item["to"] - item["from"]) for item in bins]
    drawn = counts.bar(lefts, [item["products"] for item in bins], widths, align="edge", **style.bars(0))
    counts.bar_label(drawn, [f"{item['products']:,}" for item in bins], fontsize=7, padding=1)
    counts.set(xlabel="confidence, %", ylabel="products", xlim=(0, 100), ymargin=0.2)
    return figure


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--ensembles", nargs="+", required=True, metavar="NAME", help="the others are single models")
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, nargs="+", required=True)
    parser.add_argument("--sizes", type=Path, required=True)
    parser.add_argument("--levels", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    found = evaluations.measured(evaluations.read_evaluations(args.evaluations))
    members = {name: found[name]["members"] for name in args.ensembles if name in found}
    common = evaluations.on_common_products(evaluations.read_right(args.products))
    has_common = not next(iter(common.values())).empty
    largest = max(members, key=members.get, default="none")
    nothing = style.notice(evaluations.NOTHING_COMMON)
    style.save(draw_sizes(members, common) if members and has_common else nothing, args.sizes)
    style.save(draw_levels(largest, found[largest]) if members else nothing, args.levels)
    style.save(draw_calibration(largest, found[largest]) if members else nothing, args.calibration)
    cli.summary(f"{len(members)} ensembles drawn, {largest} in detail")


if __name__ == "__main__":
    cli.run(main)
