"""Draw what ensembles gain, where they are right, and whether their confidence can be believed.

In: the JSON files of evaluate_predictions.py for ensembles. Out: three SVGs: accuracy by number of models,
before and after each step of post-processing; accuracy by category of the first level and calibration, both
of the ensemble with most models.

Example:
    python scripts/draw_evaluations.py --sizes sizes.svg --levels levels.svg --calibration calibration.svg \
        evaluation/ensemble-1.json evaluation/ensemble-14.json
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import cli
from figures import style
from figures.evaluations import measured, read_evaluations

STEPS = {
    "networks": "networks alone",
    "picture_md5": "known pictures labelled",
    "product_md5": "known products labelled",
}
LARGEST = 25  # first-level categories that are drawn


def draw_sizes(ensembles: dict[str, dict]) -> Figure:
    """Accuracy of products by number of models, a line per step; bars are the last step's 95 % intervals."""
    figure, axes = plt.subplots(figsize=(7, 4))
    ordered = sorted(ensembles.values(), key=lambda evaluation: evaluation["members"])
    sizes = [evaluation["members"] for evaluation in ordered]
    for place, (step, label) in enumerate(STEPS.items()):
        shares = [100 * evaluation["steps"][step]["accuracy"] for evaluation in ordered]
        axes.plot(sizes, shares, label=label, **style.series(place))
    low, high = ([100 * evaluation["interval"][end] for evaluation in ordered] for end in (0, 1))
    axes.vlines(sizes, low, high, color="#777777", linewidth=1.0, zorder=1)
    products = sorted({evaluation["products"] for evaluation in ordered})
    count = " to ".join(f"{number:,}" for number in sorted({products[0], products[-1]}))
    axes.set(xlabel="models in the ensemble", ylabel="products right, %", title=f"measured on {count} products")
    axes.set_xticks(sizes)
    axes.legend()
    return figure


def draw_levels(name: str, evaluation: dict) -> Figure:
    """Accuracy by category of the first level, largest first."""
    levels = evaluation["by_top_level"][:LARGEST][::-1]
    figure, axes = plt.subplots(figsize=(7, 1.3 + 0.24 * len(levels)))
    names = [f"{level['level1']} ({level['products']:,})" for level in levels]
    axes.barh(names, [100 * level["accuracy"] for level in levels], **style.bars(0))
    axes.axvline(100 * evaluation["accuracy"], color="black", linestyle="--", linewidth=1.2, label="all products")
    axes.set(xlabel="products right, %", xlim=(0, 100), title=f"{name}: by category of the first level (products)")
    figure.legend(loc="outside lower right")
    return figure


def draw_calibration(name: str, evaluation: dict) -> Figure:
    """Accuracy over confidence, and how many products have which confidence."""
    bins = evaluation["calibration"]
    figure, (curve, counts) = plt.subplots(2, 1, figsize=(5, 5.4), height_ratios=(3, 1), sharex=True)
    curve.plot([0, 100], [0, 100], color="#777777", linewidth=1.0, label="as right as confident")
    confidence = [100 * item["confidence"] for item in bins]
    curve.plot(confidence, [100 * item["accuracy"] for item in bins], label=name, **style.series(0))
    curve.set(ylabel="products right, %", ylim=(0, 102), title="Calibration")
    curve.legend()
    lefts, widths = ([100 * item[key] for item in bins] for key in ("from", "to"))
    widths = [right - left for left, right in zip(lefts, widths, strict=True)]
    counts.bar(lefts, [item["products"] for item in bins], widths, align="edge", **style.bars(0))
    counts.set(xlabel="confidence, %", ylabel="products", xlim=(0, 100))
    return figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=Path, required=True)
    parser.add_argument("--levels", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("evaluations", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    ensembles = measured(read_evaluations(args.evaluations))
    if not ensembles:
        raise cli.UserError(
            f"{args.evaluations[0]}: no product is in the valid part of all splits; raise the config key valid_fraction"
        )
    style.save(draw_sizes(ensembles), args.sizes)
    largest = max(ensembles, key=lambda name: ensembles[name]["members"])
    style.save(draw_levels(largest, ensembles[largest]), args.levels)
    style.save(draw_calibration(largest, ensembles[largest]), args.calibration)
    cli.summary(f"{len(ensembles)} ensembles drawn, {largest} in detail")


if __name__ == "__main__":
    cli.run(main)
