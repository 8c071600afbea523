"""One look for all figures: readable in black and white and by the colour-blind.

Every series differs by marker and line style besides colour, every group of bars by hatch besides grey.
Text stays text: the browser that shows a figure draws it, in any script that it has a font for.
"""

import io
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cli

# Colours of Okabe and Ito, dark enough for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#B8860B")
MARKERS = "os^DvPX*<>"
LINES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
GREY = "#777777"
WIDTH = 32  # of a name in a figure, in letters

plt.rcParams.update(
    {
        "font.size": 9,
        "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "axes.axisbelow": True,
        "hatch.linewidth": 0.6,
        "text.parse_math": False,  # a $ in a name is a $
        "svg.fonttype": "none",
        "svg.hashsalt": "shelfmark",  # the same figure is the same file
        "figure.constrained_layout.use": True,
    }
)


def series(position: int) -> dict:
    """Colour, marker and line style of the series at a position, for Axes.plot."""
    return {
        "color": COLOURS[position % len(COLOURS)],
        "marker": MARKERS[position % len(MARKERS)],
        "linestyle": LINES[position // len(COLOURS) % len(LINES)] if position >= len(LINES) else LINES[position],
        "markersize": 4.5,
    }


def bars(position: int) -> dict:
    """Fill and hatch of a group of bars, for Axes.bar and Axes.barh."""
    fills = ("#9ecae1", "#fdd0a2", "#e5e5e5", "#c7e9c0", "#dadaeb", "#ffffff")
    return {
        "facecolor": fills[position % len(fills)],
        "hatch": HATCHES[position % len(HATCHES)],
        "edgecolor": "#222222",
        "linewidth": 0.7,
    }


def shortened(name: str) -> str:
    """A name in one line of at most WIDTH: a long one loses its middle."""
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    if _width(line) <= WIDTH:
        return line
    half = WIDTH // 2
    return f"{_start(line, half - 1)}…{_start(line[::-1], half)[::-1]}"


def _width(text: str) -> int:
    """Columns of a terminal: two for a wide letter, such as a Chinese one."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def _start(text: str, width: int) -> str:
    """As many first letters as are at most so wide."""
    end = len(text)
    while _width(text[:end]) > width:
        end -= 1
    return text[:end]


def name_rows(axes: Axes, names: Iterable[str]) -> range:
    """Name the positions 0, 1, ... of the vertical axis from the top; names may be equal. Returns the positions."""
    names = list(names)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    return range(len(names))


def notice(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = plt.figure(figsize=(7, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def svg(figure: Figure) -> str:
    """A figure as SVG; it is closed."""
    text = io.StringIO()
    with warnings.catch_warnings():
        # What DejaVu Sans lacks gets its room from matplotlib's font of last resort, and its shape from the browser.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, whole or not at all."""
    with cli.written_whole(path) as (temporary,):
        temporary.write_text(svg(figure))
