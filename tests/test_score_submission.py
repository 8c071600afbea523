"""score_submission.py counts what is right among the products whose category is known."""

import gzip

import bson
import pandas as pd
import pytest

from postprocessing.proportions import wilson_interval
from programs import error_of, run
from tiny_catalogs import jpeg

HEADER = "_id,category_id\n"


def score(folder, submission: bytes, truth: str):
    (folder / "submission.csv.gz").write_bytes(submission)
    (folder / "truth.csv").write_text(truth)
    return run("score_submission", "--submission", folder / "submission.csv.gz", "--truth", folder / "truth.csv")


def test_the_share_of_right_products_has_its_interval(tmp_path):
    rows = [f"{number},{number % 3}\n" for number in range(300)]
    truth = [f"{number},{0 if number < 30 else number % 3}\n" for number in reversed(range(300))]
    done = score(tmp_path, gzip.compress((HEADER + "".join(rows)).encode()), HEADER + "".join(truth))
    assert done.returncode == 0, done.stderr
    low, high = wilson_interval(280, 300)
    expected = f"280 of 300 products right: 93.33 % (95 % interval {100 * low:.2f} to {100 * high:.2f} %)\n"
    assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize(
    ("submission", "right"),
    [
        ("_id,category_id\na,x\nb,y\n", 2),
        ("category_id;_id\r\nx;a\r\nx;b\r\n", 1),
        ("_id\tcategory_id\nb\ty\na\tz\n", 1),
        ("_id,category_id,probability\nb,x,0.5\na,y,0.1\n", 0),
    ],
)
def test_any_ids_and_any_order_of_rows_and_columns_count(tmp_path, submission, right):
    done = score(tmp_path, submission.encode("utf-8-sig"), HEADER + "a,x\nb,y\n")
    assert done.stdout.startswith(f"{right} of 2 products right: {50 * right}.00 %")


def test_products_without_a_true_category_do_not_count(tmp_path):
    done = score(tmp_path, (HEADER + "1,5\n2,5\n3,5\n").encode(), HEADER + "1,5\n")
    assert done.stdout.startswith("1 of 1 products right")
    assert done.stderr == "2 products of the submission have no true category and do not count\n"


@pytest.mark.parametrize(
    ("submission", "truth", "expected"),
    [
        (b"_id,category_id\n1,5\n", "1,5\n2,5\n3,5\n", "submission.csv.gz: product 2 is missing (2 such products)"),
        (b"_id,category_id\n1,5\n1,6\n", "1,5\n", "submission.csv.gz: line 3: product 1 is there for the second time"),
        (b"_id,category_id\n1,5\n", "1,5\n1,5\n", "truth.csv: line 3: product 1 is there for the second time"),
        (b"_id,category_id\n1,\n", "1,5\n", "submission.csv.gz: line 2: category_id is empty"),
        (b"_id,category_id\n ,5\n", "1,5\n", "submission.csv.gz: line 2: _id is empty"),
        (b"_id,category_id\n", "1,5\n", "submission.csv.gz: no products"),
        (b"_id,category\n1,5\n", "1,5\n", "submission.csv.gz: line 1: no column category_id"),
        (b"", "1,5\n", "submission.csv.gz: the file is empty"),
        (gzip.compress(b"_id,category_id\n1,5\n", mtime=0)[:-9], "1,5\n", "the compressed file is damaged or cut off"),
        (b"\x1f\x8bx", "1,5\n", "the compressed file is damaged or cut off"),
    ],
)
def test_what_cannot_be_scored_is_one_line(tmp_path, submission, truth, expected):
    assert expected in error_of(score(tmp_path, submission, HEADER + truth))


def test_a_file_that_is_not_there_is_named(tmp_path):
    missing = tmp_path / "missing.csv"
    line = error_of(run("score_submission", "--submission", missing, "--truth", missing))
    assert line == f"error: {missing}: No such file or directory"


def test_the_categories_that_make_catalog_holds_back_are_those_to_score_against(tmp_path):
    for number in range(12):
        path = tmp_path / f"photos/{'AB'[number % 2]}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    catalog = tmp_path / "catalog"
    words = ("--train", tmp_path / "photos", "--test-fraction", 0.5, "--output-folder", catalog)
    assert run("make_catalog", *words).returncode == 0
    names = pd.read_csv(catalog / "products.csv").set_index("_id")["product"]
    ids = [product["_id"] for product in bson.decode_all((catalog / "test.bson").read_bytes())]
    right = pd.DataFrame({"_id": ids, "category_id": [1 + int(names[number]) % 2 for number in ids]})
    right.to_csv(tmp_path / "submission.csv", index=False)
    words = ("--submission", tmp_path / "submission.csv", "--truth", catalog / "test_categories.csv")
    assert run("score_submission", *words).stdout.startswith("6 of 6 products right: 100.00 %")
