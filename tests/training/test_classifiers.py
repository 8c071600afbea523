"""classifiers.py: rows of a classifier go by category id, wherever they stood."""

from pathlib import Path

import numpy as np
import pytest

import cli
from training import classifiers

BEFORE = np.array([30, 10, 20])
ARRAYS = {
    "conv_weight": np.ones((2, 3), np.float32),
    "fc_weight": np.array([[3, 3], [1, 1], [2, 2]], np.float32),
    "fc_bias": np.array([3, 1, 2], np.float32),
}


@pytest.fixture
def params(tmp_path) -> Path:
    write_list(tmp_path / "old-0000.params", BEFORE)
    return tmp_path / "old-0000.params"


def write_list(params: Path, ids) -> Path:
    path = params.with_name("old-0000.classes.csv")
    path.write_text("class_id,category_id,level1\n" + "".join(f"{row},{each},a\n" for row, each in enumerate(ids)))
    return path


def test_rows_move_with_their_categories_and_a_new_one_is_the_mean_of_what_is_kept(params):
    arrays, kept = classifiers.with_categories(ARRAYS, params, np.array([10, 40, 30]))
    assert kept == 2
    assert arrays["fc_bias"].tolist() == [1, 2, 3]
    assert arrays["fc_weight"].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert arrays["conv_weight"] is ARRAYS["conv_weight"]
    assert arrays["fc_bias"].dtype == np.float32


def test_the_same_categories_keep_every_bit(params):
    arrays, kept = classifiers.with_categories(ARRAYS, params, BEFORE)
    assert kept == 3
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)


def test_where_no_category_stays_no_row_does_even_where_their_number_is_the_same(params):
    arrays, kept = classifiers.with_categories(ARRAYS, params, np.array([1, 2, 3]))
    assert (kept, list(arrays)) == (0, ["conv_weight"])


def test_a_list_that_excel_wrote_names_the_same_categories(params):
    path = classifiers.class_list(params)
    path.write_bytes("\ufeffcategory_id;name\r\n30.0;c\r\n10;a\r\n20;b\r\n".encode())
    assert classifiers.read_class_list(path, BEFORE).tolist() == BEFORE.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "category_id\n30\n10\n",
            "0.classes.csv: 2 categories, but old-0000.params has a classifier of 3; put",
        ),
        ("category_id\n", "0 categories, but"),
        ("category_id\n30\n10\n30\n", "line 4: category 30 is listed twice; keep one line"),
        ("id\n30\n", "line 1: no column category_id"),
        ("", "the file is empty"),
    ],
)
def test_a_list_that_is_not_the_checkpoints_is_one_line(params, content, message):
    classifiers.class_list(params).write_text(content)
    with pytest.raises(cli.UserError, match=message):
        classifiers.with_categories(ARRAYS, params, BEFORE)
