"""A disk that fills up while index, split or pack write: a clear error, and nothing half-written."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tiny_catalogs import error_of, files_below, indexed, jpeg, product, run, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk"),
]
DISK = 256 << 10  # bytes


@pytest.fixture
def disk(tmp_path) -> Path:
    """A disk that holds less than the catalog."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


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
    check(run("index_catalog", catalog, "--on-bad-product", "stop", *words), disk, "a.parquet")


def test_split(catalog, disk):
    words = ["--seed", 1, "--valid-fraction", 0.1, "--output-folder", disk]
    index = catalog.with_suffix(".parquet")
    check(run("split_catalog", "--catalog", catalog, "--index", index, *words), disk, "train.bson")


def test_split_where_only_the_index_of_a_part_finds_no_room(catalog, tmp_path, disk):
    whole = catalog.stat().st_size
    subprocess.run(["mount", "-o", f"remount,size={(whole + 16384) & ~4095}", disk], check=True)
    words = ["--seed", 1, "--valid-fraction", 0.1, "--output-folder", disk]
    index = catalog.with_suffix(".parquet")
    check(run("split_catalog", "--catalog", catalog, "--index", index, *words), disk, "train.bson")


@pytest.mark.parametrize("memory", ["100K", "2G"])
def test_pack(catalog, disk, memory):
    words = ["--classes", catalog.with_name("classes.csv"), "--memory", memory, "--output", disk / "a.rec"]
    index = catalog.with_suffix(".parquet")
    check(run("pack_records", "--split", catalog, "--index", index, *words), disk, "a.rec")


def test_classes(catalog, disk):
    fill(disk, left=0)
    index = catalog.with_suffix(".parquet")
    check(run("label_categories", "--index", index, "--output", disk / "classes.csv"), disk, "classes.csv")


def test_list(catalog, disk):
    fill(disk, left=0)
    index = catalog.with_suffix(".parquet")
    words = ["--known", index, "--picture-md5", "off", "--output", disk / "images.parquet"]
    check(run("list_images", "--index", index, *words), disk, "images.parquet")
