"""choose_thresholds.py: thresholds, what they give on products that did not choose them, and notes."""

import json

import numpy as np
import pandas as pd
import pytest

from drawn_judgements import drawn
from programs import run


@pytest.fixture
def products(tmp_path) -> pd.DataFrame:
    judgements, right = drawn(np.random.default_rng(3), 4000)
    columns = {"fold": np.arange(4000) % 5, "decided_by": "networks", "score": 0.5, "top": judgements.tops}
    for number, level in enumerate(("category", "level1")):
        columns |= {f"{level}_probability": judgements.probabilities[:, number], f"{level}_right": right[:, number]}
    return pd.DataFrame(columns)


def choose(products: pd.DataFrame, tmp_path, precision: float) -> tuple[dict, str]:
    products.to_parquet(tmp_path / "products.parquet")
    words = ["--products", tmp_path / "products.parquet", "--precision", precision, "--output", tmp_path / "t.json"]
    done = run("choose_thresholds", *words)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "t.json").read_text()), done.stderr


def test_what_was_promised_stands_beside_what_other_products_gave(products, tmp_path):
    found, said = choose(products, tmp_path, 0.95)
    assert found["levels"] == ["category", "level1"]
    category, level1 = found["given"]
    assert category["accepted"] > 500 < level1["accepted"]
    for each in (category, level1):
        assert each["right"] / each["accepted"] > 0.93
        assert each["interval"][0] < each["right"] / each["accepted"] < each["interval"][1]
    assert found["note"] == ""
    assert "warning" not in said


@pytest.mark.parametrize(
    ("count", "precision", "note"),
    [
        (
            100,
            0.98,
            "100 valid products are too few to promise a precision of 0.98 (189, all right): nothing is accepted",
        ),
        (0, 0.98, "0 valid products are too few to promise a precision of 0.98"),
        (4000, 0.999, "no threshold keeps a precision of 0.999: nothing is accepted; lower accept.precision"),
    ],
)
def test_where_nothing_is_accepted_a_note_says_why(products, tmp_path, count, precision, note):
    found, said = choose(products[:count], tmp_path, precision)
    assert found["note"].startswith(note)
    assert f"warning: {note}" in said
    assert found["of_others"] == [None, None]
    assert [each["accepted"] for each in found["given"]] == [0, 0]
