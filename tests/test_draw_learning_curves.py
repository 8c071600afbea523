"""draw_learning_curves.py shows what models reached, epoch by epoch."""

import sys

import pandas as pd

import draw_learning_curves
from drawn import assert_axes_have_names
from figures import curves
from figures.epochs import COLUMNS


def epochs(*models: str) -> pd.DataFrame:
    rows = [
        dict.fromkeys(COLUMNS, 0.5)
        | {"model": model, "epoch": epoch, "optimizer": optimizer, "fresh_optimizer": is_fresh, "learning_rate": 0.1}
        for model in models
        for epoch, optimizer, is_fresh in ((1, "adam", True), (2, "adam", False), (3, "sgd", True))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_phase_is_marked_where_it_starts_with_a_fresh_optimizer():
    stack = curves.draw(epochs("M01")).axes
    for axes in stack:
        assert [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2] == [[2.5, 2.5]]
    assert [text.get_text() for text in stack[2].texts] == ["adam", "sgd"]


def test_the_figure_is_an_svg_whose_axes_have_names(tmp_path):
    assert_axes_have_names(curves.draw(epochs("M01", "M02", "M03", "M04", "M05", "lite-0")), tmp_path)


def test_without_a_model_that_learns_the_figure_says_so(tmp_path, monkeypatch):
    words = ["--figure", tmp_path / "curves.svg", "--table", tmp_path / "epochs.tsv"]
    monkeypatch.setattr(sys, "argv", ["draw_learning_curves", *map(str, words)])
    draw_learning_curves.main()
    assert (tmp_path / "epochs.tsv").read_text().split() == COLUMNS
    assert "<svg" in (tmp_path / "curves.svg").read_text()
