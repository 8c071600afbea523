"""The figures of the report: what they show is computed as said, and they are drawn."""

from xml.etree import ElementTree

import pandas as pd
import pytest

import draw_categories
import draw_evaluations
import draw_learning_curves
import draw_times
import show_confusions
from figures import style

BINS = [{"from": 0.5, "to": 0.6, "products": 3, "confidence": 0.55, "accuracy": 0.5}]
EVALUATION = {
    "products": 100,
    "members": 2,
    "accuracy": 0.5,
    "interval": [0.4, 0.6],
    "steps": {step: {"accuracy": 0.5} for step in draw_evaluations.STEPS},
    "by_top_level": [{"level1": "FRUIT", "products": 100, "accuracy": 0.5}],
    "calibration": BINS,
}
EPOCHS = [
    {"epoch": number, "learning_rate": rate, "train": {"top1": 0.1}, "valid": {"top1": 0.2}}
    for number, rate in ((1, 0.1), (2, 0.1), (3, 0.01))
]


def classes():
    return pd.DataFrame({"category_id": [1, 2, 3], "level1": ["A", "A", "B"]})


def test_pictures_are_summed_by_the_first_level():
    counts = pd.Series({1: 5, 2: 1, 3: 2})
    assert draw_categories.pictures_per_first_level(counts, classes()).to_dict() == {"A": 6, "B": 2}


def test_the_largest_tenth_is_at_least_one_category():
    assert draw_categories.share_of_largest(pd.Series([6, 1, 1])) == 0.75
    assert draw_categories.share_of_largest(pd.Series([10] * 2 + [5] * 16)) == pytest.approx(20 / 100)


def test_learning_rates_change_where_they_do():
    assert draw_learning_curves.rate_changes(EPOCHS) == [3]


def test_times_are_summed_by_rule(tmp_path):
    (tmp_path / "train_epochs").mkdir()
    for epoch in (1, 2):
        (tmp_path / f"train_epochs/M01-000{epoch}.tsv").write_text(f"s\tmax_rss\n{10 * epoch}\t{100 * epoch}\n")
    (tmp_path / "label_categories.tsv").write_text("s\tmax_rss\n0.5\t-\n")
    sums = draw_times.sums_by_rule(draw_times.read_benchmarks(tmp_path))
    assert sums.loc["train_epochs"].tolist() == [2, 30, 200]
    assert sums.loc["label_categories", "seconds"] == 0.5


def test_examples_are_first_pictures_of_different_products():
    index = pd.DataFrame({"category_id": [7] * 6 + [8], "image": [0, 1, 0, 0, 0, 0, 0]})
    assert list(show_confusions.example_rows(index, {7}).index) == [0, 2, 3]


@pytest.mark.parametrize(
    "figure",
    [
        lambda: draw_categories.draw(pd.Series({1: 5, 2: 1, 3: 2}), classes()),
        lambda: draw_learning_curves.draw({"M01": EPOCHS, "M02": EPOCHS}),
        lambda: draw_evaluations.draw_sizes({"a": EVALUATION, "b": EVALUATION | {"members": 1}}),
        lambda: draw_evaluations.draw_levels("a", EVALUATION),
        lambda: draw_evaluations.draw_calibration("a", EVALUATION),
    ],
)
def test_a_figure_is_an_svg_whose_axes_have_names(figure, tmp_path):
    drawn = figure()
    assert all(axes.get_ylabel() or axes.get_xlabel() or drawn.get_supxlabel() for axes in drawn.axes)
    style.save(drawn, tmp_path / "figure.svg")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")
