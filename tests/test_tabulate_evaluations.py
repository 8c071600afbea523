"""tabulate_evaluations.py puts what was measured into one table."""

import json

import pandas as pd

import tabulate_evaluations
from figures.evaluations import read_evaluations

EVALUATION = {
    "products": 1000,
    "members": 1,
    "picture": {"top1": 0.5},
    "steps": {"networks": {"accuracy": 0.6}},
    "accuracy": 0.7,
    "interval": [0.671, 0.728],
}
UNMEASURED = {"products": 0, "members": 14, "note": "no product"}


def test_each_evaluation_is_a_row_in_the_order_given(tmp_path):
    for name, evaluation in (("M02", EVALUATION), ("ensemble-14", UNMEASURED)):
        (tmp_path / f"{name}.json").write_text(json.dumps(evaluation))
    paths = [tmp_path / "M02.json", tmp_path / "ensemble-14.json"]
    summary = tabulate_evaluations.summarize(read_evaluations(paths))
    assert list(summary.index) == ["M02", "ensemble-14"]
    assert summary.loc["M02"].tolist() == [0.5, 0.6, 0.7, 0.671, 0.728, 1000]
    assert pd.isna(summary.loc["ensemble-14", "accuracy"])


def test_the_text_tells_accuracies_in_per_cent_and_what_was_not_measured():
    summary = tabulate_evaluations.summarize({"M02": EVALUATION, "ensemble-14": UNMEASURED})
    _, first, second = tabulate_evaluations.as_text(summary).splitlines()
    assert first.split() == ["M02", "50.00", "60.00", "70.00", "67.1", "to", "72.8", "1,000"]
    assert "raise valid_fraction" in second
