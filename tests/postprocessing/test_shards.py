"""postprocessing/shards.py: rows in any order are those of the arrays, read from files that may shrink."""

import os

import numpy as np
import pytest

import cli
from postprocessing.shards import Shards

PROBABILITIES = np.random.default_rng(1).random((50, 7)).astype(np.float16)


@pytest.fixture
def paths(tmp_path) -> list:
    """The probabilities in shards, one of them empty."""
    parts = np.split(PROBABILITIES, [20, 20, 31])
    paths = [tmp_path / f"{number}.npy" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        np.save(path, part)
    return paths


@pytest.mark.parametrize("rows", [[], [0], [49, 0], range(50), range(15, 35), [3, 3, 4, 19, 20, 21, 21, 2], [31, 30]])
def test_rows_in_any_order_are_those_of_the_array(paths, rows):
    rows = np.array(rows, np.int64)
    found = Shards(paths, 50, 7).read(rows)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, PROBABILITIES[rows].astype(np.float32))


def test_a_file_that_shrinks_while_it_is_read_is_named(paths):
    shards = Shards(paths, 50, 7)
    os.truncate(paths[2], paths[2].stat().st_size - 3)
    np.testing.assert_array_equal(shards.read(np.arange(20, 30)), PROBABILITIES[20:30].astype(np.float32))
    with pytest.raises(cli.UserError, match=r"2\.npy: the file shrank while it was read; predict the shard again"):
        shards.read(np.arange(20, 31))


def test_shards_that_do_not_fit_are_named(paths):
    with pytest.raises(cli.UserError, match="the shards hold 50 rows, the list of pictures 51; predict them again"):
        Shards(paths, 51, 7)
    with pytest.raises(cli.UserError, match=r"0\.npy: probabilities of 7 classes, the catalog has 8; predict it again"):
        Shards(paths, 50, 8)
