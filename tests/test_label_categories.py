"""label_categories.py: class ids in the order of the names' table, every mismatch named."""

from pathlib import Path

import pandas as pd
import pytest

from catalog import documents
from catalog.classes import first_levels, full_names, read_classes
from catalog.ids import from_cell, from_text
from label_categories import named_classes
from programs import error_of, run
from tiny_catalogs import files_below, indexed, jpeg, product, write

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
        ("category_id,level1\n10,A\n", "line 1: no column category_level1"),
        (HEADER + "10,A,B,C\nthirty,A,B,C\n", "category 30 of product 0 is not listed"),
        (HEADER + "10,A,B,C\n,A,B,C\n", "line 3: category_id is empty"),
        (HEADER + "10,A,B,C\n30,A,B,C\n 30.0,A,B,C\n", "category 30 is listed twice"),
        (HEADER + "10,A,B,C\n30,A,B,D,E,F\n", "line 3: 6 fields, but the first line names 4"),
        (HEADER + "10,A,B,C,\n", "line 2: 5 fields, but the first line names 4"),
        (HEADER.replace("\n", ",colour\n") + "10,A,B,C,red\n", "line 1: a column colour, which nobody reads"),
        (HEADER + '10,A,B,C\n30,"A,B,C\n', "line 3: a double quote is opened and not closed"),
        ("", "the file is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_named_and_nothing_written(index, names, expected):
    line = error_of(label(index, names))
    assert expected in line
    assert "category_names.csv" in line
    assert "classes.csv" not in files_below(index.parent)


def test_a_table_that_is_not_unicode_is_named_with_the_line(index):
    line = error_of(label(index, HEADER + "10,A,B,C\n30,é,B,C\n", "latin-1"))
    assert "category_names.csv: line 3: not UTF-8 (byte 0xe9); save it as UTF-8" in line


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (HEADER + "30,É,B,C\n10,A,B,D\n", "utf-8"),
        (HEADER + "30,É,B,C\n10,A,B,D\n", "utf-8-sig"),
        (HEADER + "30,É,B,C\n10,A,B,D\n", "utf-16"),
        ((HEADER + "30,É,B,C\n10,A,B,D\n").replace(",", ";"), "utf-8-sig"),
        ("category_level3,category_level2,category_level1,category_id\nC,B,É,30\nD,B,A,10\n", "utf-8"),
        ("category_id,category_level3,category_level1,category_level2\n30.0,C,É,B\n10,D,A,B\n", "utf-16"),
    ],
)
def test_any_spelling_of_a_table_gives_the_same_classes(index, names, encoding):
    done = label(index, names, encoding)
    assert done.returncode == 0, done.stderr
    expected = "class_id,category_id,level1,level2,level3\n0,30,É,B,C\n1,10,A,B,D\n"
    assert index.with_name("classes.csv").read_text() == expected


@pytest.mark.parametrize("spelling", ["30", " 30 ", "+30", "30.0", "30.", "030"])
def test_a_number_may_be_spelt_as_excel_does_unless_the_catalog_has_such_a_text(tmp_path, spelling):
    index = indexed(write(tmp_path / "train.bson", [product(1, [jpeg(1)], 30)]))
    assert named_classes(table_of(tmp_path, spelling), index).category_id.tolist() == [30]
    index = indexed(write(tmp_path / "train.bson", [product(1, [jpeg(1)], spelling)]))
    [category_id] = named_classes(table_of(tmp_path, spelling), index).category_id
    assert category_id == (30 if spelling == "30" else spelling)


@pytest.mark.parametrize("spelling", ["7.5", "1e5", "1,000", str(2**63), str(-(2**63) - 1), "\u0667", "1" * 5000, "-0"])
def test_what_is_no_whole_number_of_64_bits_is_a_text(spelling):
    assert from_cell(spelling, set()) == (0 if spelling == "-0" else spelling)
    assert from_text(spelling) == spelling


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a", 7), (7, "b")])
def test_categories_with_one_number_are_named(tmp_path, monkeypatch, one, other):
    monkeypatch.setattr(documents, "number_of", lambda each: each if each in (1, 2) else 7)
    ids = zip((1, 2), (one, other), strict=True)
    found = [{"other": 0} | product(product_id, [jpeg(1)], category_id) for product_id, category_id in ids]
    indexed(write(tmp_path / "train.bson", found))
    line = error_of(label(tmp_path / "train.parquet", None))
    assert f"train.parquet: the categories {one} and {other} have one number; rename one" in line


def table_of(folder: Path, category_id: str) -> Path:
    path = folder / "category_names.csv"
    path.write_text(HEADER + f'"{category_id}",A,B,C\n')
    return path


def test_names_stay_the_texts_that_they_are(index):
    done = label(index, HEADER + "30,007,1.50,\n10,,1e5\n20,True,nan,null\n")
    assert done.returncode == 0, done.stderr
    lines = index.with_name("classes.csv").read_text().splitlines()[1:]
    assert lines == ["0,30,007,1.50,", "1,10,,1e5,", "2,20,True,nan,null"]
    classes = read_classes(index.with_name("classes.csv"))
    assert full_names(classes) == {30: "007 / 1.50", 10: "1e5", 20: "True / nan / null"}
    assert first_levels(classes).to_dict() == {30: "007", 10: "(no name)", 20: "True"}


def test_a_category_without_any_name_is_called_by_its_id_and_repeated_levels_once(index):
    assert label(index, HEADER + "30,,,\n10,A,A,A\n20,A,B,A\n").returncode == 0
    names = full_names(read_classes(index.with_name("classes.csv")))
    assert names == {30: "30", 10: "A", 20: "A / B / A"}


def test_training_products_without_category_are_named(tmp_path):
    path = write(tmp_path / "test.bson", [product(4, [jpeg(1)], None)])
    indexed(path)
    line = error_of(label(path.with_suffix(".parquet"), None))
    assert "product 4 has no category_id" in line
    assert "classes.csv" not in files_below(tmp_path)
