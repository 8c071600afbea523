"""draw_times.py shows where the time of a run went."""

import pandas as pd

import draw_times
from drawn import assert_axes_have_names
from figures.benchmarks import read_benchmarks


def test_times_are_summed_by_rule(tmp_path):
    (tmp_path / "train_epochs").mkdir()
    for epoch in (1, 2):
        (tmp_path / f"train_epochs/M01-000{epoch}.tsv").write_text(f"s\tmax_rss\n{10 * epoch}\t{100 * epoch}\n")
    (tmp_path / "label_categories.tsv").write_text("s\tmax_rss\n0.5\t-\n")
    sums = draw_times.sums_by_rule(read_benchmarks(tmp_path))
    assert sums.loc["train_epochs"].tolist() == [2, 30, 200]
    assert sums.loc["label_categories", "seconds"] == 0.5


def test_the_figure_is_an_svg_whose_axes_have_names(tmp_path):
    sums = pd.DataFrame({"jobs": [2], "seconds": [30.0], "memory": [200.0]}, index=["train_epochs"])
    assert_axes_have_names(draw_times.draw(sums), tmp_path)
