"""draw_evaluations.py shows what ensembles reach by their size and by category, and whether to trust confidences."""

import pytest

import draw_evaluations
from drawn import EVALUATION, assert_axes_have_names, assert_name_is_inside, right, texts, with_any_name
from figures import evaluations, style


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


def test_equal_names_keep_bars_of_their_own():
    level = {"level1": "x" * 300, "products": 9, "accuracy": 0.5}
    axes = draw_evaluations.draw_levels("e", EVALUATION | {"by_top_level": [level, level]}).axes[1]
    assert len(axes.patches) == 2
    assert len({bar.get_y() for bar in axes.patches}) == 2


def test_each_level_has_a_bar_of_the_mean_over_products_and_one_of_that_over_categories():
    axes = draw_evaluations.draw_levels("e", EVALUATION).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["level 1 (2)", "category (5)"]
    drawn = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}
    assert drawn == {"mean over products": [75, 50], "mean over categories": [65, 40]}


@with_any_name
@pytest.mark.filterwarnings("ignore:Glyph")  # of asking where a label is
def test_any_name_is_drawn_as_text_inside_the_figure(name, tmp_path):
    level = {"level1": name, "products": 404, "accuracy": 0.5}
    assert_name_is_inside(name, draw_evaluations.draw_levels("e", EVALUATION | {"by_top_level": [level]}), tmp_path)
    named = texts(draw_evaluations.draw_levels(name, EVALUATION), tmp_path)
    assert f"{style.shortened(name)}: by level of the category tree" in named


@pytest.mark.parametrize(
    "figure",
    [
        lambda: draw_evaluations.draw_sizes({"a": 1, "b": 2}, {"a": right([True] * 9), "b": right([False] * 9)}),
        lambda: draw_evaluations.draw_levels("a", EVALUATION),
        lambda: draw_evaluations.draw_calibration("a", EVALUATION),
    ],
)
def test_a_figure_is_an_svg_whose_axes_have_names(figure, tmp_path):
    assert_axes_have_names(figure(), tmp_path)
