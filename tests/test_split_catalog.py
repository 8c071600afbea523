"""split_catalog.py: the published products for a seed, with the source's bytes in the source's order."""

import random
from pathlib import Path

import bson
import pytest
from tiny_catalogs import error_of, files_below, indexed, jpeg, product, products, run, write

import split_catalog
from catalog.index import read_index


def published_split(path: Path, seed: int, fraction: float) -> tuple[bytes, bytes]:
    """Bytes of the train and the valid part, by the published script's calls to the random module."""
    documents = list(bson.decode_all(path.read_bytes()))
    ids = [document["_id"] for document in documents]
    count = int(len(ids) * fraction)
    random.seed(seed)
    random.shuffle(ids)
    valid = set(random.sample(ids, count))
    parts = [
        b"".join(bson.encode(document) for document in documents if (document["_id"] in valid) == is_valid)
        for is_valid in (False, True)
    ]
    return parts[0], parts[1]


def split(path: Path, folder: Path, seed: int, fraction: object = 0.2):
    words = ["--seed", seed, "--valid-fraction", fraction, "--output-folder", folder]
    return run("split_catalog", "--catalog", path, "--index", path.with_suffix(".parquet"), *words)


@pytest.mark.parametrize("seed", [12648430, 1])
def test_parts_are_those_of_the_published_script(tmp_path, seed):
    path = write(tmp_path / "source.bson", products(101))
    indexed(path)
    done = split(path, tmp_path / "split", seed)
    assert done.returncode == 0, done.stderr
    train, valid = published_split(path, seed, 0.2)
    assert (tmp_path / "split" / "train.bson").read_bytes() == train
    assert (tmp_path / "split" / "valid.bson").read_bytes() == valid


@pytest.mark.parametrize("count", [2, 21, 22, 86, 1000])
@pytest.mark.parametrize("seed", [0, 1, 12648430, 2**40])
def test_any_seed_and_size_picks_the_published_products(seed, count):
    ids = random.Random(5).sample(range(10 * count), count)
    random.seed(seed)
    shuffled = list(ids)
    random.shuffle(shuffled)
    expected = set(random.sample(shuffled, int(count * 0.5)))
    assert split_catalog.valid_products(ids, seed, 0.5) == expected


def test_a_parts_index_is_the_index_of_that_part(tmp_path):
    path = write(tmp_path / "source.bson", products(60))
    indexed(path)
    assert split(path, tmp_path, 3).returncode == 0
    for part in ("train", "valid"):
        written = read_index(tmp_path / f"{part}.parquet")
        assert written.equals(indexed(tmp_path / f"{part}.bson"))


def test_products_left_out_of_the_index_are_in_no_part(tmp_path):
    good = products(20)
    bad = {"_id": 500, "category_id": 10, "imgs": []}
    path = write(tmp_path / "source.bson", [*good[:3], bad, *good[3:]])
    indexed(path, "skip")
    assert split(path, tmp_path, 3).returncode == 0
    documents = [bson.decode_all((tmp_path / f"{part}.bson").read_bytes()) for part in ("train", "valid")]
    assert sorted(d["_id"] for part in documents for d in part) == sorted(d["_id"] for d in good)


@pytest.mark.parametrize("fraction", [0, 0.01, 1])
def test_a_fraction_that_leaves_a_part_empty_is_named_and_nothing_written(tmp_path, fraction):
    path = write(tmp_path / "source.bson", products(9))
    indexed(path)
    line = error_of(split(path, tmp_path / "split", 1, fraction))
    assert "valid_fraction" in line
    assert files_below(tmp_path) == {"source.bson", "source.parquet"}


def test_a_catalog_shorter_than_its_index_is_named_and_nothing_written(tmp_path):
    path = write(tmp_path / "source.bson", products(9))
    indexed(path)
    path.write_bytes(path.read_bytes()[:-50])
    line = error_of(split(path, tmp_path / "split", 1))
    assert f"{path}: byte " in line
    assert files_below(tmp_path) == {"source.bson", "source.parquet"}


@pytest.mark.parametrize("missing", ["source.bson", "source.parquet"])
def test_a_missing_file_is_named(tmp_path, missing):
    path = write(tmp_path / "source.bson", products(9))
    indexed(path)
    (tmp_path / missing).unlink()
    assert str(tmp_path / missing) in error_of(split(path, tmp_path / "split", 1))


def test_neighbours_are_copied_as_one_run():
    index = split_catalog.pd.DataFrame({"offset": [0, 10, 30, 45, 60], "size": [10, 15, 15, 15, 1]})
    assert split_catalog.runs(index.offset.to_numpy(), index["size"].to_numpy()) == [(0, 25), (30, 31)]


def test_pictures_shared_by_neighbouring_products_do_not_move_offsets(tmp_path):
    path = write(tmp_path / "source.bson", [product(n, [jpeg(1)] * (1 + n % 3)) for n in range(12)])
    indexed(path)
    assert split(path, tmp_path, 7, 0.5).returncode == 0
    for part in ("train", "valid"):
        assert read_index(tmp_path / f"{part}.parquet").equals(indexed(tmp_path / f"{part}.bson"))
