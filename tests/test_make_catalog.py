"""make_catalog.py turns a folder tree or a CSV of pictures into a catalog."""

import subprocess
import sys
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd
import pytest

import cli
import make_catalog

PROGRAM = Path(make_catalog.__file__)


def write_picture(path: Path, height: int, width: int, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((height, width, 3), value, np.uint8)
    picture[:, width // 2 :] = 255 - value
    cv2.imwrite(str(path), picture)
    return path


@pytest.fixture
def tree(tmp_path):
    """Two categories, two products each; one of them has two pictures."""
    root = tmp_path / "photos"
    for place, product in enumerate(("APPLE/GALA/a", "APPLE/GALA/b", "PEAR/c", "PEAR/d")):
        write_picture(root / "FRUIT" / product / "front.jpg", 180, 180, 40 + place)
    write_picture(root / "FRUIT/PEAR/d/back.PNG", 300, 200)
    return root


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(path: Path) -> list[dict]:
    return bson.decode_all(path.read_bytes())


def test_a_tree_becomes_products_with_their_category(tree, tmp_path):
    done = run("--train", tree, "--test", tree / "FRUIT/PEAR", "--output-folder", tmp_path / "catalog")
    assert done.returncode == 0, done.stderr
    names = pd.read_csv(tmp_path / "catalog/category_names.csv", index_col="category_id")
    assert names.values.tolist() == [["FRUIT", "APPLE", "GALA"], ["FRUIT", "PEAR", "PEAR"]]
    train = read(tmp_path / "catalog/train.bson")
    assert [(product["_id"], product["category_id"]) for product in train] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [len(product["imgs"]) for product in train] == [1, 1, 1, 2]
    test = read(tmp_path / "catalog/test.bson")
    assert [sorted(product) for product in test] == [["_id", "imgs"]] * 2
    products = pd.read_csv(tmp_path / "catalog/products.csv")
    assert products["product"].tolist() == ["a", "b", "c", "d", "c", "d"]
    assert products["part"].tolist() == ["train"] * 4 + ["test"] * 2
    assert not (tmp_path / "catalog/test_categories.csv").exists()


def test_a_180x180_jpeg_goes_in_untouched_and_any_other_becomes_one(tmp_path):
    untouched = write_picture(tmp_path / "a.jpg", 180, 180)
    assert make_catalog.catalog_picture(untouched) == untouched.read_bytes()
    for path, shape in (("b.jpg", (181, 180)), ("c.png", (180, 180)), ("d.png", (60, 400))):
        content = make_catalog.catalog_picture(write_picture(tmp_path / path, *shape))
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (180, 180, 3)
        assert content.startswith(b"\xff\xd8\xff")


def test_a_wide_picture_keeps_its_centre():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    assert (make_catalog.centre_square(picture, 100) == 255).all()


def test_names_that_are_different_whole_numbers_are_the_ids():
    def ids(*names):
        return make_catalog.product_ids([make_catalog.Product(name, (), ()) for name in names])

    assert ids("7", "12", "3") == [7, 12, 3]
    assert ids("7", "07") == [1, 2]
    assert ids("7", "a") == [1, 2]


def test_a_table_becomes_the_same_catalog_as_its_tree(tree, tmp_path):
    rows = []
    for path in sorted(tree.rglob("*.*")):
        *levels, product, _ = path.relative_to(tree).parts
        rows.append((path.relative_to(tree.parent), product, *levels, *levels[-1:] * (3 - len(levels))))
    table = tree.parent / "pictures.csv"
    pd.DataFrame(rows, columns=["path", "product", *make_catalog.LEVELS]).to_csv(table, index=False)
    for name, source in (("from-tree", tree), ("from-table", table)):
        done = run("--train", source, "--test", source, "--output-folder", tmp_path / name)
        assert done.returncode == 0, done.stderr
    for file in ("train.bson", "test.bson", "category_names.csv"):
        assert (tmp_path / "from-table" / file).read_bytes() == (tmp_path / "from-tree" / file).read_bytes()


def test_a_group_goes_into_the_documents_of_train(tmp_path):
    write_picture(tmp_path / "a.jpg", 20, 20)
    table = tmp_path / "pictures.csv"
    table.write_text("path,product,category_level1,group\na.jpg,1,X,north\na.jpg,2,X,south\n")
    assert run("--train", table, "--test", table, "--output-folder", tmp_path / "catalog").returncode == 0
    assert [product["group"] for product in read(tmp_path / "catalog/train.bson")] == ["north", "south"]
    assert all("group" not in product for product in read(tmp_path / "catalog/test.bson"))


def test_a_drawn_test_part_leaves_every_category_in_training_and_tells_the_truth(tmp_path):
    for number in range(20):
        write_picture(tmp_path / f"photos/{'AB'[number % 2]}/{number}.jpg", 20, 20)
    write_picture(tmp_path / "photos/C/20.jpg", 20, 20)
    catalog = tmp_path / "catalog"
    arguments = ["--test-fraction", "0.3", "--picture-per-product", "--output-folder", catalog]
    assert run("--train", tmp_path / "photos", *arguments).returncode == 0
    train, test = read(catalog / "train.bson"), read(catalog / "test.bson")
    assert len(test) == round(0.3 * 21)
    assert sorted(product["_id"] for product in train + test) == list(range(21))
    assert {product["category_id"] for product in train} == {1, 2, 3}
    truth = pd.read_csv(catalog / "test_categories.csv")
    assert truth["_id"].tolist() == [product["_id"] for product in test]
    assert (truth["category_id"] == 1 + truth["_id"] % 2).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,product\na.jpg,1\n", "no column category_level1; the first line must name path, product"),
        ("path,product,category_level1\na.jpg,1,X\na.jpg,1,Y\n", "line 3: product 1 has another category"),
        ("path,product,category_level1,group\na.jpg,1,X,s\na.jpg,1,X,t\n", "line 3: product 1 has another group"),
        ("path,product,category_level1,group\na.jpg,1,X,s\na.jpg,2,X,\n", "line 3: group is empty"),
        ("path,product,category_level1\na.jpg,1,X\na.jpg,,X\n", "line 3: product is empty"),
        ("path,product,category_level1\n", "no pictures"),
    ],
)
def test_a_wrong_table_is_named_with_the_line(tmp_path, table, message):
    path = tmp_path / "pictures.csv"
    path.write_text(table)
    with pytest.raises(cli.UserError, match=f"pictures.csv: {message}"):
        make_catalog.read_products(path, True)


def test_a_tree_of_another_depth_is_named(tmp_path):
    write_picture(tmp_path / "photos/product/a.jpg", 20, 20)
    with pytest.raises(cli.UserError, match="photos/product: 0 category folders above"):
        make_catalog.read_products(tmp_path / "photos", True)
    write_picture(tmp_path / "deep/1/2/3/4/product/a.jpg", 20, 20)
    with pytest.raises(cli.UserError, match="4 category folders above"):
        make_catalog.read_products(tmp_path / "deep", True)


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_file_that_is_no_picture_is_named_and_leaves_nothing(tree, tmp_path, content):
    (tree / "FRUIT/PEAR/c/front.jpg").write_bytes(content)
    done = run("--train", tree, "--test-fraction", "0.3", "--output-folder", tmp_path / "catalog")
    assert done.returncode == 2
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "PEAR/c/front.jpg: cannot be decoded" in error
    assert list((tmp_path / "catalog").iterdir()) == []
