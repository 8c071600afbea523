"""Learning curves: cross entropy, accuracy and learning rate of each model's epochs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

COLUMNS = 5  # models side by side
PARTS = {"train": "train, as augmented", "valid": "valid, without mirror"}
PANELS = ("cross entropy", "pictures right, %", "learning rate")


def draw(epochs: pd.DataFrame) -> Figure:
    """Three panels per model, one below the other; each kind of panel has the same scale for all models."""
    models = list(epochs.groupby("model"))
    columns, rows = min(COLUMNS, len(models)), -(-len(models) // COLUMNS)
    figure, grid = plt.subplots(
        len(PANELS) * rows,
        columns,
        figsize=(max(5.5, 0.6 + 2.1 * columns), 0.8 + 3.6 * rows),
        height_ratios=(3, 3, 2) * rows,
        squeeze=False,
    )
    stacks = grid.reshape(rows, len(PANELS), columns).swapaxes(1, 2).reshape(-1, len(PANELS))
    for axes, first in zip(stacks[1:].T, stacks[0], strict=True):
        for other in axes:
            other.sharey(first)
    for stack, (name, rows_of_model) in zip(stacks, models, strict=False):
        draw_model(stack, name, rows_of_model)
    for axes in stacks[len(models) :].flat:
        axes.set_visible(False)
    for label, axes in zip(PANELS * rows, grid[:, 0], strict=True):
        axes.set_ylabel(label)
    for axes in grid[:, 1:].flat:
        axes.tick_params(labelleft=False)
    figure.supxlabel("epoch", fontsize=9)
    handles, labels = stacks[0, 0].get_legend_handles_labels()
    phase = plt.Line2D([], [], color=style.GREY, linewidth=0.9)
    figure.legend([*handles, phase], [*labels, "a phase starts"], loc="outside upper right", ncols=3)
    return figure


def draw_model(stack: np.ndarray, name: str, epochs: pd.DataFrame) -> None:
    """Draw a model's epochs into its three axes."""
    losses, accuracies, rates = stack
    for position, (part, label) in enumerate(PARTS.items()):
        look = style.series(position) | {"markersize": 2.5}
        losses.plot(epochs.epoch, epochs[f"{part}_cross_entropy"], label=label, **look)
        accuracies.plot(epochs.epoch, 100 * epochs[f"{part}_top1"], **look)
    rates.plot(epochs.epoch, epochs.learning_rate, drawstyle="steps-mid", **style.series(3) | {"markersize": 2.5})
    rates.set(yscale="log", ymargin=0.3)
    rates.yaxis.set_major_formatter("{x:g}")
    for axes in stack:
        axes.sharex(losses)
        axes.tick_params(labelbottom=axes is rates, labelsize=7)
        axes.set_xlim(0.5, epochs.epoch.max() + 0.5)
        draw_phases(axes, epochs)
    name_optimizers(rates, epochs)
    losses.xaxis.get_major_locator().set_params(integer=True)
    losses.set_title(f"{name}: {100 * epochs.valid_top1.iloc[-1]:.1f} %", fontsize=9)


def draw_phases(axes: Axes, epochs: pd.DataFrame) -> None:
    """A line before each epoch that starts a phase, with a fresh optimizer; the first needs none."""
    for epoch in epochs.epoch[epochs.fresh_optimizer.astype(bool)]:
        if epoch > 1:
            axes.axvline(epoch - 0.5, color=style.GREY, linewidth=0.9)


def name_optimizers(axes: Axes, epochs: pd.DataFrame) -> None:
    """The optimizer's name above the axis, at the first epoch and where another one follows."""
    changes = epochs[epochs.optimizer != epochs.optimizer.shift()]
    for epoch, optimizer in zip(changes.epoch, changes.optimizer, strict=True):
        position = (epoch - 0.4, 0.04)
        axes.text(*position, optimizer, fontsize=6, transform=axes.get_xaxis_transform(), clip_on=True)
