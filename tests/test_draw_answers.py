"""draw_answers.py: a figure of calibration and of coverage over precision."""

import numpy as np
import pandas as pd
import pytest

import draw_answers
from programs import run


def products(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    sure = rng.random(count).astype(np.float32)
    columns = {"score": sure**2}
    for level, bonus in (("category", 0.0), ("level1", 0.2)):
        columns[f"{level}_probability"] = np.minimum(sure + bonus, 1)
        columns[f"{level}_right"] = rng.random(count) < sure + bonus
    return pd.DataFrame(columns)


@pytest.mark.parametrize("count", [400, 30, 3, 0])
def test_a_figure_is_drawn_of_many_few_and_no_products(tmp_path, count):
    products(count).to_parquet(tmp_path / "p.parquet")
    words = ["--products", tmp_path / "p.parquet", "--precision", 0.9, "--figure", tmp_path / "a.svg"]
    done = run("draw_answers", *words)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "a.svg").read_text()
    assert ("no product is in the valid part" in text) == (count == 0)
    assert ("after calibration" in text) == ("level1" in text) == (count > 0)


def test_the_surest_come_first():
    sure, is_right = np.arange(100) / 100, np.arange(100) >= 60
    precision, coverage = draw_answers.coverage_over_precision(sure, is_right)
    assert precision[0] == 1.0
    np.testing.assert_allclose(coverage, np.arange(20, 101) / 100)
    assert precision[coverage == 0.5] == pytest.approx(40 / 50)
    assert precision[-1] == pytest.approx(0.4)
