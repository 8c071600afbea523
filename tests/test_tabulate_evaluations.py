"""tabulate_evaluations.py puts what was measured into one table."""

import pandas as pd

import tabulate_evaluations
from drawn import BY_LEVEL

EVALUATION = {
    "products": 1000,
    "members": 1,
    "picture": {"top1": 0.5},
    "steps": {"networks": {"accuracy": 0.6}},
    "accuracy": 0.7,
    "interval": [0.671, 0.728],
    "by_level": BY_LEVEL,
}
UNMEASURED = {"products": 0, "members": 14, "note": "no product"}
COMMON = pd.DataFrame({"networks": [True, False, False, False], "labelled": [True] * 4})
CONFIGURED = {
    "models": {"M02": {}},
    "heads": {},
    "ensembles": {"ensemble-14": [f"M{number:02d}" for number in range(1, 15)]},
}


def test_each_evaluation_is_a_row_in_the_order_given():
    found = {"M02": EVALUATION, "ensemble-14": UNMEASURED}
    summary = tabulate_evaluations.summarize(found, dict.fromkeys(found, COMMON[:0]), CONFIGURED)
    assert list(summary.index) == ["M02", "ensemble-14"]
    assert summary.loc["M02"].tolist()[:7] == [2, 0.5, 0.6, 0.7, 0.671, 0.728, 1000]
    assert summary.loc["M02"].iloc[9:].to_dict() == {
        **{"level1_accuracy": 0.75, "level1_macro": 0.65},
        **{"category_accuracy": 0.5, "category_macro": 0.4},
    }
    assert pd.isna(summary.loc["ensemble-14", "products_labelled"])
    assert pd.isna(summary.loc["M02", "common_networks_alone"])


def test_the_text_tells_accuracies_in_per_cent_and_what_they_measure():
    summary = tabulate_evaluations.summarize({"M02": EVALUATION}, {"M02": COMMON}, CONFIGURED)
    first, second, row, *notes = tabulate_evaluations.as_text(summary, "known pictures").splitlines()
    assert first.split()[-2:] == ["same", "4"]
    assert second.split()[:5] == ["passes", "with", "mirror", "networks", "alone"]
    assert row.split() == ["M02", "2", "50.00", "60.00", "70.00", "67.1", "to", "72.8", "1,000", "25.00"]
    assert "Labelled: known pictures took" in "\n".join(notes)


def test_the_text_says_what_could_not_be_measured():
    found = {"M02": EVALUATION, "ensemble-14": UNMEASURED}
    summary = tabulate_evaluations.summarize(found, dict.fromkeys(found, COMMON[:0]), CONFIGURED)
    _, _, measured, unmeasured, *_ = tabulate_evaluations.as_text(summary, "nothing").splitlines()
    assert measured.split()[-1] == "-"
    assert unmeasured.split()[:2] == ["ensemble-14", "28"]
    assert "raise valid_fraction" in unmeasured


def test_the_levels_are_a_table_of_their_own_without_what_was_not_measured():
    found = {"ensemble-14": UNMEASURED, "M02": EVALUATION}
    text = tabulate_evaluations.levels_as_text(
        tabulate_evaluations.summarize(found, dict.fromkeys(found, COMMON[:0]), CONFIGURED)
    )
    *_, levels, means, row = text.splitlines()
    assert levels.split() == ["level", "1"] * 2 + ["category"] * 2
    assert means.split() == ["over", "products", "over", "categories"] * 2
    assert row.split() == ["M02", "75.00", "65.00", "50.00", "40.00"]


def test_where_nothing_was_measured_there_are_no_levels():
    summary = tabulate_evaluations.summarize({"ensemble-14": UNMEASURED}, {"ensemble-14": COMMON[:0]}, CONFIGURED)
    assert tabulate_evaluations.levels_as_text(summary) == ""
