"""tabulate_evaluations.py puts what was measured into one table."""

import pandas as pd

import tabulate_evaluations

EVALUATION = {
    "products": 1000,
    "members": 1,
    "picture": {"top1": 0.5},
    "steps": {"networks": {"accuracy": 0.6}},
    "accuracy": 0.7,
    "interval": [0.671, 0.728],
}
UNMEASURED = {"products": 0, "members": 14, "note": "no product"}
COMMON = pd.DataFrame({"networks": [True, False, False, False], "labelled": [True] * 4})


def test_each_evaluation_is_a_row_in_the_order_given():
    found = {"M02": EVALUATION, "ensemble-14": UNMEASURED}
    summary = tabulate_evaluations.summarize(found, dict.fromkeys(found, COMMON[:0]))
    assert list(summary.index) == ["M02", "ensemble-14"]
    assert summary.loc["M02"].tolist()[:6] == [0.5, 0.6, 0.7, 0.671, 0.728, 1000]
    assert pd.isna(summary.loc["ensemble-14", "products_labelled"])
    assert pd.isna(summary.loc["M02", "common_networks_alone"])


def test_the_text_tells_accuracies_in_per_cent_and_what_they_measure():
    summary = tabulate_evaluations.summarize({"M02": EVALUATION}, {"M02": COMMON})
    first, second, row, *notes = tabulate_evaluations.as_text(summary, "known pictures").splitlines()
    assert first.split()[-2:] == ["same", "4"]
    assert second.split()[:4] == ["with", "mirror", "networks", "alone"]
    assert row.split() == ["M02", "50.00", "60.00", "70.00", "67.1", "to", "72.8", "1,000", "25.00"]
    assert "Labelled: known pictures took" in "\n".join(notes)


def test_the_text_says_what_could_not_be_measured():
    found = {"M02": EVALUATION, "ensemble-14": UNMEASURED}
    summary = tabulate_evaluations.summarize(found, dict.fromkeys(found, COMMON[:0]))
    _, _, measured, unmeasured, *_ = tabulate_evaluations.as_text(summary, "nothing").splitlines()
    assert measured.split()[-1] == "-"
    assert "raise valid_fraction" in unmeasured
