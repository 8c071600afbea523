"""train_head.py: what the rows of a head are made of, and the files that it leaves."""

import json

import numpy as np
import pandas as pd
import pytest

import cli
import train_head
from heads.inputs import Features
from postprocessing.shards import Shards
from programs import error_of, run_apart
from training import params_file

# Products of 1, 3 and 2 pictures; one picture is in two of them.
INDEX = pd.DataFrame({"product_id": [7, 5, 5, 5, 9, 9], "category_id": [10, 30, 30, 30, 20, 20]})
LISTED = np.array([0, 1, 2, 3, 2, 4])
CATEGORIES = np.array([10, 20, 30])


@pytest.fixture
def features(tmp_path) -> Features:
    np.save(tmp_path / "0.npy", np.arange(1, 11, dtype=np.float16).reshape(5, 2))
    return Features([Shards([tmp_path / "0.npy"], 5)])


def parts(lesson: train_head.Lesson) -> list[list[int]]:
    return [part.tolist() for part in np.split(lesson.inputs.pictures, lesson.inputs.starts[1:])]


def test_a_head_of_products_learns_from_each_product_and_from_each_of_its_pictures(features):
    lesson = train_head.lesson(INDEX, LISTED, CATEGORIES, features, "products")
    assert parts(lesson) == [[0], [1], [2], [3], [1, 2, 3], [2], [4], [2, 4]]
    assert lesson.products.tolist() == [0, 1, 1, 1, 1, 2, 2, 2]
    assert lesson.labels.tolist() == [0, 2, 2, 2, 2, 1, 1, 1]
    assert np.flatnonzero(lesson.is_whole).tolist() == [0, 4, 7]
    assert lesson.inputs.columns == 3


def test_a_head_of_pictures_learns_from_each_picture_of_each_product(features):
    lesson = train_head.lesson(INDEX, LISTED, CATEGORIES, features, "pictures")
    assert parts(lesson) == [[0], [1], [2], [3], [2], [4]]
    assert lesson.labels.tolist() == [0, 2, 2, 2, 1, 1]
    assert lesson.is_whole.all()
    assert lesson.inputs.columns == 2


def write_case(folder, products: int, classes: int = 3) -> list[object]:
    """Products of two pictures each in files; returns the program's options without --params and --metrics."""
    generator = np.random.default_rng(0)
    rows = 2 * products
    half = np.arange(rows, dtype=np.uint64)
    index = pd.DataFrame({"product_id": half.astype(np.int64) // 2, "category_id": half.astype(np.int64) // 2 % 3})
    index = index.assign(md5_hi=half, md5_lo=half)
    index.to_parquet(folder / "index.parquet")
    index[["md5_hi", "md5_lo"]].to_parquet(folder / "images.parquet")
    lines = "".join(f"{number},{number},a,b,c\n" for number in range(classes))
    (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + lines)
    features = 2 * np.eye(3)[index.category_id] + generator.normal(0, 0.3, (rows, 3))
    np.save(folder / "0000.npy", features.astype(np.float16))
    words = ["--index", folder / "index.parquet", "--images", folder / "images.parquet"]
    words += ["--classes", folder / "classes.csv", "--features", folder / "0000.npy"]
    return [*words, "--hidden", 0, "--models", "F1", "--seed", 1, "--of", "products"]


def test_the_program_leaves_layers_and_what_the_products_aside_said(tmp_path):
    words = write_case(tmp_path, 60, classes=4)
    done = run_apart("train_head", *words, "--params", tmp_path / "H.params", "--metrics", tmp_path / "H.json")
    assert done.returncode == 0, done.stderr
    assert "60 products, 100.0% of 6 kept aside right" in done.stderr
    assert "classes without a train product, which it never predicts: 1" in done.stderr
    arrays = params_file.read(tmp_path / "H.params")
    assert {name: array.shape for name, array in arrays.items()} == {
        "mean": (4,), "deviation": (4,), "layer0_weight": (4, 4), "layer0_bias": (4,)
    }  # fmt: skip
    told = json.loads((tmp_path / "H.json").read_text())
    assert (told["products"], told["rows"], told["classes_without_products"]) == (60, 180, 1)


def test_features_of_other_pictures_are_one_line_and_nothing_is_written(tmp_path):
    words = write_case(tmp_path, 20)
    np.save(tmp_path / "0000.npy", np.ones((39, 3), np.float16))
    done = run_apart("train_head", *words, "--params", tmp_path / "o/H.params", "--metrics", tmp_path / "o/H.json")
    assert done.returncode == cli.STAYS
    assert "the shards hold 39 rows, the list of pictures 40; predict them again" in error_of(done)
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())
