"""teachers.py: a picture is found by its bytes, and what the ensemble said of it is what a student is to say."""

import hashlib

import numpy as np
import pandas as pd
import pytest

import cli
from training import teachers

CLASSES = 3
PICTURES = [f"picture {number}".encode() for number in range(40)]


def halves(picture: bytes) -> tuple[int, int]:
    number = int(hashlib.md5(picture).hexdigest(), 16)
    return number >> 64, number % 2**64


@pytest.fixture
def files(tmp_path):
    """A list of all pictures but the last, and what an ensemble says of them, in two shards."""
    listed = PICTURES[:-1]
    high, low = np.array([halves(picture) for picture in listed], np.uint64).T
    pd.DataFrame({"md5_hi": high, "md5_lo": low}).to_parquet(tmp_path / "images.parquet")
    said = np.random.default_rng(0).dirichlet(np.ones(CLASSES), len(listed)).astype(np.float16)
    said[7] = 0  # it did not decode
    for number, rows in enumerate((said[:11], said[11:])):
        np.save(tmp_path / f"{number}.npy", rows)
    return tmp_path / "images.parquet", [tmp_path / "0.npy", tmp_path / "1.npy"], said.astype(np.float32)


def test_rows_are_those_of_the_pictures_bytes(files):
    teacher = teachers.Teacher(*files[:2], CLASSES)
    assert [teacher.row(picture) for picture in PICTURES] == [*range(39), teachers.NONE]


def test_targets_add_up_to_1_and_are_the_label_where_the_ensemble_says_nothing(files):
    teacher = teachers.Teacher(*files[:2], CLASSES)
    rows = np.array([30, teachers.NONE, 7, 0])
    found = teacher.targets(rows, np.array([0, 2, 1, 1]))
    said = files[2]
    np.testing.assert_allclose(found[0], said[30] / said[30].sum(), rtol=1e-6)
    np.testing.assert_allclose(found[3], said[0] / said[0].sum(), rtol=1e-6)
    assert found[1:3].tolist() == [[0, 0, 1], [0, 1, 0]]


def test_two_pictures_with_one_half_alike_are_told_apart(tmp_path):
    high, low = halves(PICTURES[0])
    pd.DataFrame(
        {"md5_hi": np.array([high, high], np.uint64), "md5_lo": np.array([low + 1, low], np.uint64)}
    ).to_parquet(tmp_path / "images.parquet")
    np.save(tmp_path / "0.npy", np.ones((2, CLASSES), np.float16))
    assert teachers.Teacher(tmp_path / "images.parquet", [tmp_path / "0.npy"], CLASSES).row(PICTURES[0]) == 1


def test_probabilities_of_other_pictures_are_one_line(files):
    with pytest.raises(cli.UserError, match="the shards hold 11 rows, the list of pictures 39"):
        teachers.Teacher(files[0], files[1][:1], CLASSES)
