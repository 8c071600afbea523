"""make_catalog.py turns a folder tree or a CSV of pictures into a catalog."""

import os
import subprocess
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd
import pytest

import programs
from catalog.classes import NAMES
from programs import error_of


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
    return programs.run("make_catalog", *arguments)


def read(path: Path) -> list[dict]:
    return bson.decode_all(path.read_bytes())


def test_a_tree_becomes_products_with_their_category(tree, tmp_path):
    words = ("--train", tree, "--test", tree / "FRUIT/PEAR", "--output-folder", tmp_path / "catalog")
    done = programs.run_apart("make_catalog", *words)
    assert done.returncode == 0, done.stderr
    names = pd.read_csv(tmp_path / "catalog/category_names.csv", index_col="category_id")
    assert names.values.tolist() == [["FRUIT", "APPLE", "GALA"], ["FRUIT", "PEAR", "PEAR"]]
    train = read(tmp_path / "catalog/train.bson")
    assert [product["category_id"] for product in train] == [1, 1, 2, 2]
    assert [len(product["imgs"]) for product in train] == [1, 1, 1, 2]
    test = read(tmp_path / "catalog/test.bson")
    assert [sorted(product) for product in test] == [["_id", "imgs"]] * 2
    products = pd.read_csv(tmp_path / "catalog/products.csv")
    assert products["product"].tolist() == ["a", "b", "c", "d", "c", "d"]
    assert products["part"].tolist() == ["train"] * 4 + ["test"] * 2
    assert products["_id"].tolist() == [product["_id"] for product in train + test]
    assert products["path"].tolist()[-1] == str(tree / "FRUIT/PEAR/d")
    assert not (tmp_path / "catalog/test_categories.csv").exists()


def test_a_table_becomes_the_same_catalog_as_its_tree(tree, tmp_path):
    rows = []
    for path in sorted(tree.rglob("*.*")):
        *levels, product, _ = path.relative_to(tree).parts
        rows.append((path.relative_to(tree.parent), product, *levels, *levels[-1:] * (3 - len(levels))))
    table = tree.parent / "pictures.csv"
    pd.DataFrame(rows, columns=["path", "product", *NAMES]).to_csv(table, index=False)
    for name, source in (("from-tree", tree), ("from-table", table)):
        done = run("--train", source, "--test", source, "--output-folder", tmp_path / name)
        assert done.returncode == 0, done.stderr
    for file in ("train.bson", "test.bson"):
        from_tree, from_table = (read(tmp_path / name / file) for name in ("from-tree", "from-table"))
        assert [product | {"_id": 0} for product in from_tree] == [product | {"_id": 0} for product in from_table]
    names = [(tmp_path / name / "category_names.csv").read_text() for name in ("from-tree", "from-table")]
    assert names[0] == names[1]


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
    products = pd.read_csv(catalog / "products.csv").set_index("_id")["product"]
    assert sorted(products[product["_id"]] for product in train + test) == list(range(21))
    assert {product["category_id"] for product in train} == {1, 2, 3}
    truth = pd.read_csv(catalog / "test_categories.csv")
    assert truth["_id"].tolist() == [product["_id"] for product in test]
    assert (truth["category_id"] == 1 + truth["_id"].map(products) % 2).all()


def photographs(root: Path, *names: str) -> Path:
    """A small picture of its own under each name."""
    for number, name in enumerate(names):
        write_picture(root / name, 12, 16, 40 + number % 100)
    return root


def shown_of(done: subprocess.CompletedProcess) -> str:
    """What the terminal shows before the first progress line."""
    assert done.returncode == 0, done.stderr
    return done.stderr.split("writing:")[0]


def ids_of_test(catalog: Path) -> dict[str, int]:
    """_id by name of the test products."""
    products = pd.read_csv(catalog / "products.csv")
    return dict(products[products["part"] == "test"][["product", "_id"]].to_numpy())


def fruits(root: Path, pictures: int = 12) -> Path:
    leaves = ("Fruits/Apple", "Fruits/Banana", "Vegetables/Carrot", "Vegetables/Leek", "Vegetables/Onion")
    return photographs(root, *(f"{leaf}/IMG_{number:04}.jpg" for leaf in leaves for number in range(pictures)))


def test_a_flat_folder_of_new_pictures_is_a_product_each(tmp_path):
    train = fruits(tmp_path / "photos")
    new = photographs(tmp_path / "new", *(f"DSC_{number:04}.jpg" for number in range(60)))
    done = run("--train", train, "--test", new, "--output-folder", tmp_path / "catalog")
    shown = shown_of(done)
    assert f"--test {new}: 60 products, 60 pictures\n  a product is a picture\n  DSC_0000.jpg: 1 picture" in shown
    assert len(read(tmp_path / "catalog/test.bson")) == 60
    assert len(pd.read_csv(tmp_path / "catalog/category_names.csv")) == 5


def test_what_was_recognized_is_shown_with_counts_three_examples_and_the_other_choice(tmp_path):
    train = fruits(tmp_path / "photos")
    done = run("--train", train, "--test-fraction", "0.2", "--output-folder", tmp_path / "catalog")
    first, meaning, *examples = shown_of(done).strip().splitlines()
    assert first == f"--train {train}: 60 products, 60 pictures, 5 categories"
    assert meaning.endswith(
        "a product is a picture; the folders above it are its category (if that is wrong: --folder-per-product train)"
    )
    assert [line.split(", _id")[0].strip() for line in examples] == [
        "Fruits/Apple/IMG_0000.jpg: 1 picture, category Fruits / Apple",
        "Vegetables/Carrot/IMG_0006.jpg: 1 picture, category Vegetables / Carrot",
        "Vegetables/Onion/IMG_0011.jpg: 1 picture, category Vegetables / Onion",
    ]


def test_what_is_a_product_can_be_said_for_train_and_test_apart(tmp_path):
    train = fruits(tmp_path / "photos")
    new = photographs(tmp_path / "new", "a/1.jpg", "a/2.jpg", "b/1.jpg", "alone.jpg")
    words = ("--train", train, "--test", new, "--output-folder", tmp_path / "catalog")

    def counts(*options):
        shown = shown_of(run(*words, *options))
        return [line.split(": ")[1].split(",")[0] for line in shown.splitlines() if line.startswith("--")]

    assert counts() == ["60 products", "4 products"]
    assert counts("--folder-per-product", "test") == ["60 products", "3 products"]
    assert counts("--folder-per-product", "train") == ["5 products", "3 products"]
    assert counts("--folder-per-product", "train", "--picture-per-product", "test") == ["5 products", "4 products"]
    assert counts("--picture-per-product") == ["60 products", "4 products"]
    assert counts("--folder-per-product") == ["5 products", "3 products"]
    both = run(*words, "--folder-per-product", "--picture-per-product", "test")
    assert "--folder-per-product and --picture-per-product both decide for test" in error_of(both)


def test_a_name_keeps_its_id_whatever_else_is_there_next_week(tmp_path):
    train = fruits(tmp_path / "photos")
    week, other = tmp_path / "week1", tmp_path / "week2"
    photographs(week, "DSC_0000.jpg", "DSC_0001.jpg", "211.jpg", "7.png", "007.jpg", "Lamp 2.5W.jpg")
    photographs(other, "DSC_0060.jpg", "DSC_0001.jpg", "211.jpg", "Lamp 2.7W.jpg", "212.jpg")
    for name, folder in (("1", week), ("2", other)):
        done = run("--train", train, "--test", folder, "--output-folder", tmp_path / name)
        assert done.returncode == 0, done.stderr
        photographs(train, "Berries/IMG_0001.jpg", "Fruits/Apple/0.jpg")
    first, second = ids_of_test(tmp_path / "1"), ids_of_test(tmp_path / "2")
    assert {name: first[name] for name in ("DSC_0001", "211")} == {name: second[name] for name in ("DSC_0001", "211")}
    assert (first["211"], second["212"]) == (211, 212)
    new = [second[name] for name in second.keys() - first.keys()]
    assert not {*new} & {*first.values()}
    products = [pd.read_csv(tmp_path / name / "products.csv").set_index("path")["_id"] for name in "12"]
    common = products[0].index.intersection(products[1].index)
    assert len(common) == 60
    assert (products[0][common] == products[1][common]).all()


def test_two_files_that_would_be_one_product_are_named(tmp_path):
    new = photographs(tmp_path / "new", "17.jpg", "17.png", "18.jpg")
    done = run("--train", fruits(tmp_path / "photos"), "--test", new, "--output-folder", tmp_path / "catalog")
    line = error_of(done)
    assert "new/17.png: would have the id 17, as" in line
    assert "new/17.jpg has; rename one of them" in line


@pytest.mark.parametrize(
    "name",
    ["12345678901234567890", "Lamp 2.5W", "Caf\u00e9", "\u667a\u80fd", "a\nb", 'it\'s, "so"', "-5", "1e5", " ", "NA"],
)
def test_any_folder_name_is_taken_as_product_and_as_category(tmp_path, name):
    train = photographs(tmp_path / "photos", *(f"{name}/{name} {n}/front.jpg" for n in "ab"), f"x/{name}/front.jpg")
    done = run("--train", train, "--test", train / name, "--output-folder", tmp_path / "catalog")
    assert done.returncode == 0, done.stderr
    names = pd.read_csv(tmp_path / "catalog/category_names.csv", keep_default_na=False, dtype=str)
    assert name in names["category_level1"].tolist()
    products = pd.read_csv(tmp_path / "catalog/products.csv", keep_default_na=False, dtype=str)
    assert name in products["product"].tolist()
    assert products["_id"].nunique() == 5


def test_names_in_latin_1_are_read_and_composed_and_decomposed_accents_are_the_same(tmp_path):
    root = tmp_path / "photos"
    source = write_picture(tmp_path / "1.jpg", 12, 12).read_bytes()
    for name in (b"Caf\xe9", "Th\u00e9".encode(), "Tarte au the\u0301".encode()):
        folder = root / "Shop" / os.fsdecode(name)
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(source)
    done = run("--train", root, "--test-fraction", "0.4", "--output-folder", tmp_path / "catalog")
    assert done.returncode == 0, done.stderr
    products = pd.read_csv(tmp_path / "catalog/products.csv")
    assert set(products["product"]) == {"Caf\u00e9", "Th\u00e9", "Tarte au th\u00e9"}


def test_everything_that_is_not_taken_is_counted_by_reason_and_listed(tmp_path):
    root = photographs(tmp_path / "photos", *(f"{c}/{n}/1.jpg" for c in ("Shoes", "Hats") for n in "abc"))
    (root / "Shoes/a/._1.jpg").write_bytes(b"\0\5\26\7")
    (root / "Shoes/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "Shoes/Thumbs.db").write_bytes(b"\xd0\xcf")
    photographs(root, ".trash/x/1.jpg", "Hats/@eaDir/a/thumb.jpg")
    (root / "Hats/notes.txt").write_text("BMW is no bitmap")
    (root / "Hats/list").write_text("BM")
    (root / "Hats/a/raw.NEF").write_bytes(b"II*\0")
    (root / "Hats/a/2.jpg").symlink_to("nowhere.jpg")
    (root / "Hats/b/around").symlink_to("..")
    os.mkfifo(root / "Hats/pipe.jpg")
    done = run("--train", root, "--test-fraction", "0.2", "--output-folder", tmp_path / "catalog")
    [line] = [line.strip() for line in shown_of(done).splitlines() if "not taken" in line]
    head, *parts = line.split("; ")
    assert head == "11 not taken"
    assert set(parts) == {
        "hidden or the system's own: 5 (.DS_Store, Thumbs.db, ._1.jpg, thumb.jpg, 1.jpg)",
        "no picture of a kind that is taken: 2 (.txt 1, no suffix 1)",
        "raw file of a camera, to be converted to JPEG first: 1 (.nef 1)",
        "link that leads nowhere: 1 (2.jpg)",
        "link to a folder around it: 1 (around)",
        "neither file nor folder: 1 (pipe.jpg)",
    }
    listed = pd.read_csv(tmp_path / "catalog/left_out.csv").set_index("path")["reason"]
    assert len(listed) == 11
    assert listed[str(root / "Hats/a/2.jpg")] == "link that leads nowhere"
    assert len(read(tmp_path / "catalog/train.bson")) + len(read(tmp_path / "catalog/test.bson")) == 6


def test_linked_folders_odd_suffixes_and_no_suffix_are_taken(tmp_path):
    root = photographs(tmp_path / "photos", *(f"{c}/{n}/1.jpg" for c in ("Shoes", "Hats") for n in "ab"))
    photographs(tmp_path / "elsewhere", "d/1.jpg", "e/1.jpg")
    (root / "Gloves").symlink_to(tmp_path / "elsewhere")
    (root / "Hats/e").symlink_to(tmp_path / "elsewhere/e")
    content = (root / "Shoes/a/1.jpg").read_bytes()
    for name in ("1.jfif", "1.jpe", "1.heic", "1", "1.JPG", "1.txt"):
        (root / "Bags" / name.replace(".", "-")).mkdir(parents=True)
        (root / "Bags" / name.replace(".", "-") / name).write_bytes(content)
    done = run("--train", root, "--test", root, "--output-folder", tmp_path / "catalog")
    assert "not taken" not in shown_of(done)
    train = read(tmp_path / "catalog/train.bson")
    assert [product["category_id"] for product in train] == [1] * 6 + [2] * 2 + [3] * 3 + [4] * 2


def test_bad_pictures_are_named_all_at_once_and_left_out_where_that_is_wanted(tree, tmp_path):
    (tree / "FRUIT/PEAR/c/front.jpg").write_bytes(b"")
    (tree / "FRUIT/PEAR/d/front.jpg").write_bytes((tree / "FRUIT/APPLE/GALA/a/front.jpg").read_bytes()[:-500])
    (tree / "FRUIT/PEAR/d/real.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    words = ("--train", tree, "--test", tree / "FRUIT/APPLE/GALA", "--output-folder", tmp_path / "catalog")
    done = run(*words)
    assert "3 pictures cannot be used, named above; mend them, or see --skip-bad" in error_of(done)
    lines = done.stderr.splitlines()
    assert f"{tree}/FRUIT/PEAR/c/front.jpg: the picture is empty" in lines
    assert f"{tree}/FRUIT/PEAR/d/front.jpg: the JPEG is cut off" in lines
    assert f"{tree}/FRUIT/PEAR/d/real.heic: HEIC is not taken; convert it to JPEG" in lines
    assert list((tmp_path / "catalog").iterdir()) == []
    done = run(*words, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert "warning: bad pictures left out: 3 (left_out.csv); products that have no others: 1" in done.stderr
    kept = pd.read_csv(tmp_path / "catalog/products.csv")["product"]
    assert kept.tolist() == ["a", "b", "d", "a", "b"]
    assert len(pd.read_csv(tmp_path / "catalog/left_out.csv")) == 3


def test_a_category_that_loses_all_its_products_is_named(tree, tmp_path):
    for path in (tree / "FRUIT/PEAR").rglob("*.*"):
        path.write_bytes(b"no picture")
    words = ("--test", tree / "FRUIT/APPLE/GALA", "--output-folder", tmp_path / "catalog", "--skip-bad")
    done = run("--train", tree, *words)
    assert done.returncode == 0, done.stderr
    assert "warning: categories without any product now: FRUIT / PEAR" in done.stderr


def test_where_no_picture_is_left_nothing_is_written(tree, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/1.jpg").write_bytes(b"no picture")
    done = run("--train", tree, "--test", tmp_path / "new", "--skip-bad", "--output-folder", tmp_path / "catalog")
    assert "none of test can be read; nothing is written" in error_of(done)
    assert list((tmp_path / "catalog").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_file_that_is_no_picture_is_named_and_leaves_nothing(tree, tmp_path, content):
    (tree / "FRUIT/PEAR/c/front.jpg").write_bytes(content)
    done = run("--train", tree, "--test-fraction", "0.3", "--output-folder", tmp_path / "catalog")
    assert "PEAR/c/front.jpg: the picture " in error_of(done)
    assert list((tmp_path / "catalog").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("path;product;category_level1\na.jpg;1;Tür, Tor\nb.jpg;2;X\n".encode("utf-8-sig"), None),
        ("path\tproduct\tcategory_level1\r\na.jpg\t1\tTür, Tor\r\nb.jpg\t2\tX\r\n".encode("utf-16"), None),
        ('path,product,category_level1,price\na.jpg,1,"Tür, Tor",\nb.jpg,2,X,7\n'.encode(), None),
        ("path;product;category_level1\na.jpg;1;Tür\n".encode("latin-1"), "line 2: not UTF-8 (byte 0xfc)"),
        (b"", "the file is empty"),
        (b"path,product,category_level1\na.jpg,1,X\nb.jpg,2,X, Y\n", "line 3: 4 fields, but the first line names 3"),
        (b'path,product,category_level1\na.jpg,1,"X\nb.jpg,2,Y\n', "line 2: a double quote is opened and not closed"),
        (b'path,product,category_level1\na.jpg,1,"X\nb.jpg,2,Y"\n', "line 2: category_level1 holds a line break"),
    ],
)
def test_a_table_as_excel_writes_it_is_read_or_is_one_line(tmp_path, content, expected):
    photographs(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "list.csv").write_bytes(content)
    words = ("--train", tmp_path / "list.csv", "--test", tmp_path / "list.csv", "--output-folder", tmp_path / "catalog")
    done = run(*words)
    if expected:
        assert f"error: {tmp_path / 'list.csv'}: {expected}" in error_of(done)
        return
    assert done.returncode == 0, done.stderr
    names = pd.read_csv(tmp_path / "catalog/category_names.csv")
    assert names["category_level1"].tolist() == ["Tür, Tor", "X"]
    assert [product["_id"] for product in read(tmp_path / "catalog/train.bson")] == [1, 2]
    assert ("columns that are not read: price" in done.stderr) == (b"price" in content)
