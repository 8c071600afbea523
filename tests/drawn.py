"""What the tests of figures draw, and how they look at what was drawn."""

import warnings
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure

from figures import style

BINS = [
    {"from": low, "to": low + 0.1, "products": products, "confidence": low + 0.05, "accuracy": 0.5}
    for low, products in ((0.2, 400), (0.5, 4))
]
BY_LEVEL = [
    {"level": level, "categories": categories, "steps": {"product_md5": {"accuracy": accuracy, "macro": macro}}}
    for level, categories, accuracy, macro in (("level1", 2, 0.75, 0.65), ("category", 5, 0.5, 0.4))
]
EVALUATION = {
    "products": 404,
    "members": 2,
    "accuracy": 0.5,
    "interval": [0.4, 0.6],
    "by_level": BY_LEVEL,
    "by_top_level": [{"level1": "FRUIT", "products": 404, "accuracy": 0.5}],
    "calibration": BINS,
}
SVG = "{http://www.w3.org/2000/svg}"
NAMES = {
    "with dollars": "$x^2$ from $5 to $9",
    "a number": "2024",
    "Chinese": "智能手机与配件",
    "markup": "<b> & co",
    "300 letters": "".join(f"{number:03}" for number in range(100)),
    "lines and a control letter": "two\nlines\x01",
}


def right(networks: list[bool], labelled: list[bool] | None = None, first: int = 1) -> pd.DataFrame:
    """Whether products are right, by their ids."""
    index = pd.RangeIndex(first, first + len(networks), name="product_id")
    return pd.DataFrame({"networks": networks, "labelled": labelled or networks}, index)


def texts(figure: Figure, folder: Path) -> list[str]:
    """The texts of a figure's SVG, drawn without a warning."""
    with warnings.catch_warnings(action="error"):
        style.save(figure, folder / "figure.svg")
    return [element.text for element in ElementTree.parse(folder / "figure.svg").iter(f"{SVG}text")]


def assert_axes_have_names(figure: Figure, folder: Path) -> None:
    """The figure is an SVG with texts, and each of its axes has a name."""
    assert all(axes.get_ylabel() or axes.get_xlabel() or figure.get_supxlabel() for axes in figure.axes)
    assert texts(figure, folder)


def assert_name_is_inside(name: str, figure: Figure, folder: Path) -> None:
    """A name that labels a row of the figure is a text of its SVG, and does not leave the page."""
    [drawn] = [text for text in texts(figure, folder) if text.startswith(style.shortened(name))]
    [label] = [text for axes in figure.axes for text in axes.get_yticklabels() if text.get_text() == drawn]
    assert label.get_window_extent().x0 >= 0


with_any_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
