"""label_categories.py: class ids in the order of the names' table, every mismatch named."""

from pathlib import Path

import pandas as pd
import pytest
from tiny_catalogs import error_of, files_below, indexed, jpeg, product, run, write

HEADER = "category_id,category_level1,category_level2,category_level3\n"


@pytest.fixture
def index(tmp_path) -> Path:
    path = write(tmp_path / "train.bson", [product(n, [jpeg(n)], category) for n, category in enumerate([30, 10, 30])])
    indexed(path)
    return path.with_suffix(".parquet")


def label(index: Path, names: str | None, encoding: str = "utf-8"):
    words = []
    if names is not None:
        path = index.with_name("category_names.csv")
        path.write_text(names, encoding)
        words = ["--names", path]
    return run("label_categories", *words, "--index", index, "--output", index.with_name("classes.csv"))


def test_class_ids_follow_the_lines_of_the_table(index):
    done = label(index, HEADER + '30,A,B,"C, D"\n20,A,É,NA\n10,B,"say ""x""",\n')
    assert done.returncode == 0, done.stderr
    classes = pd.read_csv(index.with_name("classes.csv"), keep_default_na=False)
    assert list(classes.columns) == ["class_id", "category_id", "level1", "level2", "level3"]
    assert classes.to_numpy().tolist() == [
        [0, 30, "A", "B", "C, D"],
        [1, 20, "A", "É", "NA"],
        [2, 10, "B", 'say "x"', ""],
    ]


def test_without_a_table_class_ids_follow_the_category_ids(index):
    assert label(index, None).returncode == 0
    classes = pd.read_csv(index.with_name("classes.csv"))
    assert classes[["class_id", "category_id"]].to_numpy().tolist() == [[0, 10], [1, 30]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (HEADER + "10,A,B,C\n", "category 30 of product 0 is not listed"),
        (HEADER + "10,A,B,C\n30,A,B,D\n10,A,B,E\n", "category 10 is listed twice"),
        ("category_id,level1\n10,A\n", "the columns must be"),
        (HEADER + "ten,A,B,C\n", "the columns must be"),
        (HEADER + "10,A,B,C\n30,A,B,D,E,F\n", "not a table of categories"),
        ("", "not a table of categories"),
    ],
)
def test_a_table_that_does_not_fit_is_named_and_nothing_written(index, names, expected):
    line = error_of(label(index, names))
    assert expected in line
    assert "category_names.csv" in line
    assert "classes.csv" not in files_below(index.parent)


def test_a_table_that_is_no_text_is_named(index):
    assert "not a table of categories" in error_of(label(index, HEADER + "10,é,B,C\n30,A,B,C\n", "latin-1"))


def test_training_products_without_category_are_named(tmp_path):
    path = write(tmp_path / "train.bson", [product(4, [jpeg(1)], None)])
    indexed(path)
    line = error_of(label(path.with_suffix(".parquet"), None))
    assert "product 4 has no category_id" in line
    assert "classes.csv" not in files_below(tmp_path)
