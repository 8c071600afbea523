"""The figures of the report: what they show is computed as said, they are drawn, and any name in them."""

import warnings
from xml.etree import ElementTree

import pandas as pd
import pytest

import draw_categories
import draw_evaluations
import draw_times
from figures import curves, evaluations, style
from figures.benchmarks import read_benchmarks
from figures.epochs import COLUMNS

BINS = [
    {"from": low, "to": low + 0.1, "products": products, "confidence": low + 0.05, "accuracy": 0.5}
    for low, products in ((0.2, 400), (0.5, 4))
]
EVALUATION = {
    "products": 404,
    "members": 2,
    "accuracy": 0.5,
    "interval": [0.4, 0.6],
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


def classes(level1=("A", "A", "B")):
    return pd.DataFrame({"category_id": [1, 2, 3], "level1": level1})


def epochs(*models: str) -> pd.DataFrame:
    rows = [
        dict.fromkeys(COLUMNS, 0.5)
        | {"model": model, "epoch": epoch, "optimizer": optimizer, "fresh_optimizer": is_fresh, "learning_rate": 0.1}
        for model in models
        for epoch, optimizer, is_fresh in ((1, "adam", True), (2, "adam", False), (3, "sgd", True))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def right(networks: list[bool], labelled: list[bool] | None = None, first: int = 1) -> pd.DataFrame:
    index = pd.RangeIndex(first, first + len(networks), name="product_id")
    return pd.DataFrame({"networks": networks, "labelled": labelled or networks}, index)


def texts(figure, folder) -> list[str]:
    """The texts of a figure's SVG, drawn without a warning."""
    with warnings.catch_warnings(action="error"):
        style.save(figure, folder / "figure.svg")
    return [element.text for element in ElementTree.parse(folder / "figure.svg").iter(f"{SVG}text")]


def test_pictures_are_summed_by_the_first_level():
    counts = pd.Series({1: 5, 2: 1, 3: 2})
    assert draw_categories.pictures_per_first_level(counts, classes()).to_dict() == {"A": 6, "B": 2}


def test_categories_without_a_name_are_one_bar_that_says_so(tmp_path):
    counts = pd.Series({1: 5, 2: 1, 3: 2})
    figure = draw_categories.draw(counts, classes(["", "2024", ""]))
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["(no name)", "2024"]
    assert {"(no name)", "2024"} <= set(texts(figure, tmp_path))


def test_the_largest_tenth_is_at_least_one_category():
    assert draw_categories.share_of_largest(pd.Series([6, 1, 1])) == 0.75
    assert draw_categories.share_of_largest(pd.Series([10] * 2 + [5] * 16)) == pytest.approx(20 / 100)


def test_times_are_summed_by_rule(tmp_path):
    (tmp_path / "train_epochs").mkdir()
    for epoch in (1, 2):
        (tmp_path / f"train_epochs/M01-000{epoch}.tsv").write_text(f"s\tmax_rss\n{10 * epoch}\t{100 * epoch}\n")
    (tmp_path / "label_categories.tsv").write_text("s\tmax_rss\n0.5\t-\n")
    sums = draw_times.sums_by_rule(read_benchmarks(tmp_path))
    assert sums.loc["train_epochs"].tolist() == [2, 30, 200]
    assert sums.loc["label_categories", "seconds"] == 0.5


def test_evaluations_are_compared_on_the_products_that_all_have():
    found = {"a": right([True, False, True, False]), "b": right([False, True, True], first=3)}
    common = evaluations.on_common_products(found)
    assert {name: rows.networks.to_dict() for name, rows in common.items()} == {
        "a": {3: True, 4: False},
        "b": {3: False, 4: True},
    }


def test_a_gain_counts_the_products_that_one_of_two_has_right_alone():
    first, second = right([True, True, False, False]), right([True, False, True, True])
    gain, low, high = draw_evaluations.paired_interval_of(first.networks, second.networks)
    assert gain == 0.25
    assert low < 0.25 < high


def test_ensembles_are_drawn_with_their_shares_of_the_same_products():
    found = {"M01": right([True] + [False] * 3), "one": right([True] * 2 + [False] * 2), "two": right([True] * 4)}
    shares, gains = draw_evaluations.draw_sizes({"two": 2, "one": 1}, found).axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in shares.lines}
    assert drawn["single models, networks alone"] == [25]
    assert drawn[evaluations.NETWORKS_ALONE] == [50, 100]
    assert "same 4 products (fewer than 100" in shares.get_title()
    assert gains.lines[-1].get_ydata().tolist() == [50]


def test_a_calibration_bin_of_few_products_is_grey():
    axes = draw_evaluations.draw_calibration("e", EVALUATION).axes[0]
    drawn = {line.get_label(): (line.get_xdata().tolist(), line.get_color()) for line in axes.lines}
    assert drawn["e"] == ([25], style.COLOURS[0])
    assert drawn["fewer than 100 products"] == ([pytest.approx(55)], "#999999")
    intervals = [segment for lines in axes.collections for segment in lines.get_segments()]
    heights = [top - bottom for (_, bottom), (_, top) in intervals]
    assert heights == [pytest.approx(9.8, abs=0.2), pytest.approx(70, abs=2)]


def test_a_phase_is_marked_where_it_starts_with_a_fresh_optimizer():
    stack = curves.draw(epochs("M01")).axes
    for axes in stack:
        assert [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2] == [[2.5, 2.5]]
    assert [text.get_text() for text in stack[2].texts] == ["adam", "sgd"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.filterwarnings("ignore:Glyph")  # of asking where a label is
def test_any_name_is_drawn_as_text_inside_the_figure(name, tmp_path):
    level = {"level1": name, "products": 404, "accuracy": 0.5}
    levels = draw_evaluations.draw_levels("e", EVALUATION | {"by_top_level": [level]})
    named = texts(draw_evaluations.draw_levels(name, EVALUATION), tmp_path)
    assert f"{style.shortened(name)}: by category of the first level (products)" in named
    categories = draw_categories.draw(pd.Series({1: 5, 2: 1, 3: 2}), classes([name, name, "B"]))
    for figure in (levels, categories):
        [drawn] = [text for text in texts(figure, tmp_path) if text.startswith(style.shortened(name))]
        [label] = [text for axes in figure.axes for text in axes.get_yticklabels() if text.get_text() == drawn]
        assert label.get_window_extent().x0 >= 0


def test_a_long_name_loses_its_middle_and_a_wide_letter_counts_twice():
    short = style.shortened(NAMES["300 letters"])
    assert (short[:16], short[16:], len(short)) == ("000001002003004…", "4095096097098099", style.WIDTH)
    chinese = style.shortened("机" * 300)
    assert chinese == "机" * 7 + "…" + "机" * 8


def test_equal_names_keep_bars_of_their_own():
    level = {"level1": "x" * 300, "products": 9, "accuracy": 0.5}
    axes = draw_evaluations.draw_levels("e", EVALUATION | {"by_top_level": [level, level]}).axes[0]
    assert len(axes.patches) == 2
    assert len({bar.get_y() for bar in axes.patches}) == 2


@pytest.mark.parametrize(
    "figure",
    [
        lambda: draw_categories.draw(pd.Series({1: 5, 2: 1, 3: 2}), classes()),
        lambda: curves.draw(epochs("M01", "M02", "M03", "M04", "M05", "M06")),
        lambda: draw_evaluations.draw_sizes({"a": 1, "b": 2}, {"a": right([True] * 9), "b": right([False] * 9)}),
        lambda: draw_evaluations.draw_levels("a", EVALUATION),
        lambda: draw_evaluations.draw_calibration("a", EVALUATION),
    ],
)
def test_a_figure_is_an_svg_whose_axes_have_names(figure, tmp_path):
    drawn = figure()
    assert all(axes.get_ylabel() or axes.get_xlabel() or drawn.get_supxlabel() for axes in drawn.axes)
    assert texts(drawn, tmp_path)
