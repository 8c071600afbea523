"""One look for all figures: readable in black and white and by the colour-blind.

Every series differs by marker and line style besides colour, every group of bars by hatch besides grey.
"""

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import cli

# Colours of Okabe and Ito, dark enough for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#B8860B")
MARKERS = "os^DvPX*<>"
LINES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "axes.axisbelow": True,
        "hatch.linewidth": 0.6,
        "svg.hashsalt": "shelfmark",  # the same figure is the same file
        "figure.constrained_layout.use": True,
    }
)


def series(place: int) -> dict:
    """Colour, marker and line style of the series at a place, for Axes.plot."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place // len(COLOURS) % len(LINES)] if place >= len(LINES) else LINES[place],
        "markersize": 4.5,
    }


def bars(place: int) -> dict:
    """Fill and hatch of a group of bars, for Axes.bar and Axes.barh."""
    fills = ("#9ecae1", "#fdd0a2", "#e5e5e5", "#c7e9c0", "#dadaeb", "#ffffff")
    return {
        "facecolor": fills[place % len(fills)],
        "hatch": HATCHES[place % len(HATCHES)],
        "edgecolor": "#222222",
        "linewidth": 0.7,
    }


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, whole or not at all."""
    with cli.written_whole(path) as (temporary,):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)
