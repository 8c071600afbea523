"""Draw what each epoch of each model reached.

In: the metrics of all epochs, `<model>/<epoch>.json`. Out: an SVG with a panel per model: top-1 accuracy of
pictures in training and on the valid part; dotted lines stand where the learning rate changes.

Example:
    python scripts/draw_learning_curves.py --output curves.svg models/M01/*.json models/M02/*.json
"""

import argparse
import itertools
import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cli
from figures import style

COLUMNS = 5


def read_epochs(paths: list[Path]) -> dict[str, list[dict]]:
    """Metrics by model, in order of epochs."""
    models: dict[str, list[dict]] = {}
    for path in paths:
        models.setdefault(path.parent.name, []).append(json.loads(path.read_text()))
    return {name: sorted(epochs, key=lambda epoch: epoch["epoch"]) for name, epochs in sorted(models.items())}


def rate_changes(epochs: list[dict]) -> list[int]:
    """The epochs whose learning rate differs from the epoch before."""
    pairs = itertools.pairwise(epochs)
    return [after["epoch"] for before, after in pairs if before["learning_rate"] != after["learning_rate"]]


def draw_model(axes: Axes, name: str, epochs: list[dict]) -> None:
    numbers = [epoch["epoch"] for epoch in epochs]
    for place, part in enumerate(("train", "valid")):
        axes.plot(numbers, [100 * epoch[part]["top1"] for epoch in epochs], label=part, **style.series(place))
    for epoch in rate_changes(epochs):
        axes.axvline(epoch - 0.5, color="#555555", linestyle=":", linewidth=0.8)
    axes.set_title(f"{name}: {100 * epochs[-1]['valid']['top1']:.1f} %", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw(models: dict[str, list[dict]]) -> Figure:
    rows = -(-len(models) // COLUMNS)
    columns = min(COLUMNS, len(models))
    figure, grid = plt.subplots(rows, columns, figsize=(2.1 * columns, 0.6 + 1.9 * rows), sharey=True, squeeze=False)
    panels = grid.flatten()
    for axes, (name, epochs) in zip(panels, models.items(), strict=False):
        draw_model(axes, name, epochs)
    for axes in panels[len(models) :]:
        axes.set_visible(False)
    figure.supxlabel("epoch")
    figure.supylabel("pictures right, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("metrics", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    models = read_epochs(args.metrics)
    style.save(draw(models), args.output)
    cli.summary(f"{len(args.metrics)} epochs of {len(models)} models drawn to {args.output}")


if __name__ == "__main__":
    cli.run(main)
