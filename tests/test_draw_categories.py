"""draw_categories.py shows how the training pictures spread over the categories."""

import pandas as pd
import pytest

import draw_categories
from drawn import assert_axes_have_names, assert_name_is_inside, texts, with_any_name

COUNTS = pd.Series({1: 5, 2: 1, 3: 2})


def classes(level1=("A", "A", "B")):
    return pd.DataFrame({"category_id": [1, 2, 3], "level1": level1})


def test_pictures_are_summed_by_the_first_level():
    assert draw_categories.pictures_per_first_level(COUNTS, classes()).to_dict() == {"A": 6, "B": 2}


def test_categories_without_a_name_are_one_bar_that_says_so(tmp_path):
    figure = draw_categories.draw(COUNTS, classes(["", "2024", ""]))
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["(no name)", "2024"]
    assert {"(no name)", "2024"} <= set(texts(figure, tmp_path))


def test_the_largest_tenth_is_at_least_one_category():
    assert draw_categories.share_of_largest(pd.Series([6, 1, 1])) == 0.75
    assert draw_categories.share_of_largest(pd.Series([10] * 2 + [5] * 16)) == pytest.approx(20 / 100)


@with_any_name
@pytest.mark.filterwarnings("ignore:Glyph")  # of asking where a label is
def test_any_name_of_a_category_is_drawn_as_text_inside_the_figure(name, tmp_path):
    assert_name_is_inside(name, draw_categories.draw(COUNTS, classes([name, name, "B"])), tmp_path)


def test_the_figure_is_an_svg_whose_axes_have_names(tmp_path):
    assert_axes_have_names(draw_categories.draw(COUNTS, classes()), tmp_path)
