"""tabulate_answers.py: what was promised beside what was given, and a row per batch."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from figures.pages import NONE
from programs import run

CALIBRATION = {"temperature": 1.25, "shares_right": {"known picture": 0.9, "known product": 0.95}, "products": 400,
               "error_before": 0.08, "error_after": 0.02, "note": ""}  # fmt: skip
THRESHOLDS = {
    **{"precision": 0.98, "levels": ["category", "level1"], "of_others": [0.9, None], "own": [{"Fruit": 0.8}, {}]},
    **{"products": 400, "note": ""},
    "given": [
        {"level": "category", "accepted": 200, "right": 197, "interval": [0.957, 0.995]},
        {"level": "level1", "accepted": 0, "right": 0, "interval": None},
    ],
}


def answers(products: list, accepted: list[str]) -> pd.DataFrame:
    decided_by = np.resize(["networks", "known picture", "nothing"], len(products))
    columns = {"product": products, "decided_by": decided_by, "pictures_not_decoded": 1, "accepted": accepted}
    return pd.DataFrame(columns)


@pytest.fixture
def tabulate(tmp_path):
    """A function that gives the cells of the page's tables row by row, its text, and what was said."""

    def tabulate(
        batches: dict[str, pd.DataFrame], calibration: dict = CALIBRATION, thresholds: dict | None = THRESHOLDS
    ):
        (tmp_path / "c.json").write_text(json.dumps(calibration))
        words = ["--calibration", tmp_path / "c.json", "--output", tmp_path / "answers.html"]
        if thresholds:
            (tmp_path / "t.json").write_text(json.dumps(thresholds))
            words += ["--thresholds", tmp_path / "t.json"]
        for name, table in batches.items():
            table.to_parquet(tmp_path / f"{name}.parquet")
        done = run("tabulate_answers", *words, "--answers", *(tmp_path / f"{name}.parquet" for name in batches))
        assert done.returncode == 0, done.stderr
        page = Path(tmp_path / "answers.html").read_text()
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
        return rows, page, done.stderr

    return tabulate


TEST = answers([1, 2, 3, 4], ["category", "category", "level1", ""])


def test_what_was_promised_stands_beside_what_was_given(tabulate):
    rows, page, said = tabulate({"test": TEST})
    assert ["category", "98.00", "98.50", "95.70 to 99.50", "200", "50.00"] in rows
    assert ["level1", "98.00", NONE, NONE, "0", "0.00"] in rows
    limits = [row for row in rows if row[0] in ("category", "level1") and len(row) == 3]
    assert limits == [["category", "Fruit", "80.00"], ["category", "all others", "90.00"], ["level1", "all", NONE]]
    assert "expected calibration error is 8.00 points before and 2.00 after" in page
    assert "warning" not in said


def test_each_batch_has_a_row(tabulate):
    rows, _, _ = tabulate({"test": TEST, "2026-11-25": answers([8, 9], ["", ""])})
    assert ["test", "4", "2", "1", "0", "1", "4", "2", "1", "1", "0"] in rows
    assert ["2026-11-25", "2", "1", "1", "0", "0", "2", "0", "0", "2", "0"] in rows


def test_products_that_were_answered_before_are_counted_and_warned_of(tabulate):
    batches = {"test": TEST, "a": answers([3, 9], ["", ""]), "b": answers(["x", "9"], ["", ""])}
    rows, page, said = tabulate(batches)
    assert [row[-1] for row in rows if row[0] in batches] == ["0", "1", "1"]
    note = "a: 1 of its products are in test or in an earlier batch, too, 3 first; each answer stands by itself"
    assert note in page
    assert f"warning: {note}" in said


def test_notes_of_calibration_and_thresholds_stand_in_the_page(tabulate):
    calibration = CALIBRATION | {"products": 0, "error_before": None, "error_after": None, "note": "0 valid products"}
    _, page, said = tabulate({"test": TEST}, calibration, THRESHOLDS | {"note": "nothing is accepted", "products": 0})
    for note in ("0 valid products", "nothing is accepted"):
        assert f"Note: {note}." in page
        assert f"warning: {note}" in said
    assert "expected calibration error" not in page


def test_without_thresholds_nothing_is_said_of_what_is_accepted(tabulate):
    rows, page, _ = tabulate({"test": TEST.drop(columns="accepted")}, thresholds=None)
    assert ["test", "4", "2", "1", "0", "1", "4", "0"] in rows
    assert "accepted" not in page
