"""A disk that fills up while a program writes: a clear error, and nothing half-written.

What trains and predicts is in tests/test_train_epochs.py and tests/test_predict_images.py.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from disks import small_disk
from programs import error_of, run_apart
from tiny_catalogs import files_below, indexed, jpeg, product, write

pytestmark = pytest.mark.slow
DISK = 256 << 10  # bytes


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk that holds less than the catalog."""
    with small_disk(tmp_path / "disk", DISK) as folder:
        yield folder


@pytest.fixture
def catalog(tmp_path) -> Path:
    """A catalog of 600 KB whose index alone is larger than the space left on a disk filled up."""
    noise = np.random.default_rng(1)
    path = write(
        tmp_path / "train.bson",
        [product(n, [jpeg(1)[:-2] + b"\xff\xfe\x01\x90" + noise.bytes(398) + jpeg(1)[-2:]]) for n in range(500)],
    )
    indexed(path)
    (tmp_path / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n0,10,,,\n")
    return path


def fill(disk: Path, left: int) -> None:
    (disk / "other").write_bytes(bytes(DISK - left))


def check(done: subprocess.CompletedProcess, disk: Path, target: str) -> None:
    line = error_of(done)
    assert f"{disk / target}" in line
    assert "No space left on device" in line
    assert files_below(disk) <= {"other"}


def test_index(catalog, disk):
    fill(disk, left=8192)
    words = ["--processes", 1, "--output", disk / "a.parquet", "--rejects", disk / "a.csv"]
    check(run_apart("index_catalog", catalog, "--on-bad-product", "stop", *words), disk, "a.parquet")


def test_split(catalog, disk):
    words = ["--seed", 1, "--valid-fraction", 0.1, "--output-folder", disk]
    index = catalog.with_suffix(".parquet")
    check(run_apart("split_catalog", "--catalog", catalog, "--index", index, *words), disk, "train.bson")


def test_split_where_only_the_index_of_a_part_finds_no_room(catalog, tmp_path, disk):
    whole = catalog.stat().st_size
    subprocess.run(["mount", "-o", f"remount,size={(whole + 16384) & ~4095}", disk], check=True)
    words = ["--seed", 1, "--valid-fraction", 0.1, "--output-folder", disk]
    index = catalog.with_suffix(".parquet")
    check(run_apart("split_catalog", "--catalog", catalog, "--index", index, *words), disk, "train.bson")


@pytest.mark.parametrize("memory", ["100K", "2G"])
def test_pack(catalog, disk, memory):
    words = ["--classes", catalog.with_name("classes.csv"), "--memory", memory, "--output", disk / "a.rec"]
    index = catalog.with_suffix(".parquet")
    check(run_apart("pack_records", "--split", catalog, "--index", index, *words), disk, "a.rec")


def test_classes(catalog, disk):
    fill(disk, left=0)
    index = catalog.with_suffix(".parquet")
    check(run_apart("label_categories", "--index", index, "--output", disk / "classes.csv"), disk, "classes.csv")


def test_list(catalog, disk):
    fill(disk, left=0)
    index = catalog.with_suffix(".parquet")
    words = ["--known", index, "--picture-md5", "off", "--output", disk / "images.parquet"]
    check(run_apart("list_images", "--index", index, *words), disk, "images.parquet")


def test_probabilities(tmp_path, disk):
    np.save(tmp_path / "M01.npy", np.full((3000, 50), 0.02, np.float16))
    words = ["--mean", "geometric", "--output", disk / "out.npy", tmp_path / "M01.npy", tmp_path / "M01.npy"]
    check(run_apart("average_models", *words), disk, "out.npy")


@pytest.fixture
def answers(catalog, tmp_path) -> list[object]:
    """What is asked of the products of the catalog as if they were unknown ones, and their probabilities."""
    index, classes = catalog.with_suffix(".parquet"), tmp_path / "classes.csv"
    np.save(tmp_path / "all.npy", np.ones((500, 1), np.float16))
    indexed(write(tmp_path / "known.bson", [product(1000, [jpeg(2)])]))
    return [index, tmp_path / "known.parquet", "--classes", classes, "--picture-md5", "off", "--product-md5", "off"]


def test_submission(answers, tmp_path, disk):
    fill(disk, left=0)
    index, known, *words = answers
    (tmp_path / "rejects.csv").write_text("offset,product_id,image,reason\n")
    words += ["--index", index, "--images", index, "--rejects", tmp_path / "rejects.csv", "--known", known]
    words += ["--probabilities", tmp_path / "all.npy", "--output", disk / "best.csv.gz"]
    check(run_apart("write_submission", *words), disk, "best.csv.gz")


def test_evaluation(answers, tmp_path, disk):
    fill(disk, left=4096)
    index, known, *words = answers
    words += ["--split", "1", index, known, index, "--member", "1", tmp_path / "all.npy", "--mean", "arithmetic"]
    words += ["--output", disk / "M01.json", "--products", disk / "M01.parquet"]
    check(run_apart("evaluate_predictions", *words), disk, "M01.parquet")


def test_drawn_catalog(disk):
    words = ["--train-products", 900, "--test-products", 9, "--seed", 1, "--output-folder", disk]
    check(run_apart("generate_catalog", *words), disk, "train.bson")


def test_catalog_of_a_folder(tmp_path, disk):
    for number in range(9):
        picture = tmp_path / f"pictures/FRUIT/APPLE/{number}/front.jpg"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(jpeg(number))
    fill(disk, left=4096)
    words = ["--train", tmp_path / "pictures", "--test-fraction", 0.5, "--output-folder", disk]
    check(run_apart("make_catalog", *words), disk, "train.bson")
