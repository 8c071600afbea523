"""split_catalog.py: the published products for a seed, with the source's bytes in the source's order."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bson
import numpy as np
import pyarrow.parquet as pq
import pytest

import cli
import split_catalog
from catalog import parts
from catalog.index import read_index
from programs import error_of, run
from tiny_catalogs import files_below, indexed, jpeg, product, products, write


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


def split(path: Path, folder: Path, seed: int, fraction: object = 0.2, *more: str):
    words = ["--seed", seed, "--valid-fraction", fraction, "--output-folder", folder, *more]
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
    assert set(parts.valid_products(np.array(ids), seed, 0.5).tolist()) == expected


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
    offsets, sizes = np.array([0, 10, 30, 45, 60]), np.array([10, 15, 15, 15, 1])
    assert split_catalog.runs(offsets, sizes) == [(0, 25), (30, 31)]


@pytest.mark.parametrize("share", [1, 40, 10_000])
@pytest.mark.parametrize("piece", [1, 300, 10_000])
def test_runs_are_copied_one_after_the_other_however_they_are_shared(tmp_path, monkeypatch, share, piece):
    content = np.random.default_rng(1).bytes(5000)
    (tmp_path / "source").write_bytes(content)
    runs = [(0, 10), (700, 1), (701, 2000), (4000, 1000)]
    monkeypatch.setattr(split_catalog, "SHARE", share)
    monkeypatch.setattr(split_catalog, "PIECE", piece)
    with ThreadPoolExecutor(3) as copiers, (tmp_path / "source").open("rb", buffering=0) as catalog:
        assert sum(split_catalog.start_copying(copiers, catalog, tmp_path / "target", runs)) == 3011
    assert (tmp_path / "target").read_bytes() == b"".join(content[start : start + size] for start, size in runs)


def test_a_file_that_ends_before_its_runs_is_named(tmp_path):
    (tmp_path / "source").write_bytes(bytes(100))
    with (
        ThreadPoolExecutor(2) as copiers,
        (tmp_path / "source").open("rb", buffering=0) as catalog,
        pytest.raises(cli.UserError, match="source: byte 100: the file is shorter than its index says"),
    ):
        list(split_catalog.start_copying(copiers, catalog, tmp_path / "target", [(0, 50), (60, 41)]))


def test_a_full_disk_is_told_by_its_cause(tmp_path):
    (tmp_path / "source").write_bytes(bytes(100))
    with (
        ThreadPoolExecutor(2) as copiers,
        (tmp_path / "source").open("rb", buffering=0) as catalog,
        pytest.raises(OSError, match="No space left"),
    ):
        list(split_catalog.start_copying(copiers, catalog, Path("/dev/full"), [(0, 100)]))


def test_a_product_may_lie_in_two_row_groups_of_the_index(tmp_path):
    path = write(tmp_path / "source.bson", products(30))
    indexed(path)
    rows = pq.read_table(path.with_suffix(".parquet"))
    pq.write_table(rows, path.with_suffix(".parquet"), row_group_size=2)
    assert split(path, tmp_path, 7, 0.4).returncode == 0
    for part in ("train", "valid"):
        found = read_index(tmp_path / f"{part}.parquet")
        assert found.equals(indexed(tmp_path / f"{part}.bson"))
        assert len(found)


def test_pictures_shared_by_neighbouring_products_do_not_move_offsets(tmp_path):
    path = write(tmp_path / "source.bson", [product(n, [jpeg(1)] * (1 + n % 3)) for n in range(12)])
    indexed(path)
    assert split(path, tmp_path, 7, 0.5).returncode == 0
    for part in ("train", "valid"):
        assert read_index(tmp_path / f"{part}.parquet").equals(indexed(tmp_path / f"{part}.bson"))


def of_shops(count: int, shops: int) -> list[dict]:
    """Products of three categories, each from one of a few shops."""
    return [{**each, "shop": f"shop-{number % shops}"} for number, each in enumerate(products(count))]


@pytest.mark.parametrize("seed", [1, 2, 12648430])
def test_groups_of_products_are_in_one_part(tmp_path, seed):
    documents = of_shops(120, 13)
    path = write(tmp_path / "source.bson", documents)
    indexed(path)
    done = split(path, tmp_path, seed, 0.25, "--group-field", "shop")
    assert done.returncode == 0, done.stderr
    train, valid = (bson.decode_all((tmp_path / f"{part}.bson").read_bytes()) for part in ("train", "valid"))
    assert not {each["shop"] for each in train} & {each["shop"] for each in valid}
    assert sorted(each["_id"] for each in train + valid) == sorted(each["_id"] for each in documents)
    assert 20 <= len(valid) <= 30
    assert "13 (shop)" in done.stderr


def test_another_seed_draws_other_groups():
    ids = list(range(100))
    drawn = {frozenset(parts.valid_groups(ids, [each % 20 for each in ids], seed, 0.2)) for seed in range(5)}
    assert len(drawn) == 5
    assert {len(each) for each in drawn} == {20}


@pytest.mark.parametrize(
    ("shop", "message"), [(None, "product 7: shop is missing"), (["a"], "product 7: shop is an array; taken are")]
)
def test_a_product_without_a_group_is_named_with_its_place(tmp_path, shop, message):
    documents = of_shops(9, 3)
    place = next(number for number, each in enumerate(documents) if each["_id"] == 7)
    documents[place] = {key: value for key, value in documents[place].items() if key != "shop"}
    documents[place] |= {} if shop is None else {"shop": shop}
    path = write(tmp_path / "source.bson", documents)
    indexed(path)
    offset = sum(len(bson.encode(each)) for each in documents[:place])
    line = error_of(split(path, tmp_path / "split", 1, 0.4, "--group-field", "shop"))
    assert f"{path}: byte {offset}: {message}" in line
    assert "group_field" in line
    assert files_below(tmp_path) == {"source.bson", "source.parquet"}


def test_groups_that_are_too_large_are_told_and_nothing_is_written(tmp_path):
    path = write(tmp_path / "source.bson", of_shops(20, 2))
    indexed(path)
    line = error_of(split(path, tmp_path / "split", 1, 0.3, "--group-field", "shop"))
    assert "picks 0 in whole groups of 2 (shop); change the config key valid_fraction" in line
    assert files_below(tmp_path) == {"source.bson", "source.parquet"}


def test_categories_that_no_model_can_learn_are_told(tmp_path):
    valid = parts.valid_products(np.arange(20), 1, 0.2).tolist()
    path = write(tmp_path / "source.bson", [product(n, [jpeg(n)], 20 if n in valid else 10) for n in range(20)])
    indexed(path)
    done = split(path, tmp_path, 1)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert line.startswith(f"warning: {path}: split 1 has all products of 1 of 2 categories in its valid part")
    assert line.endswith(": 20")
    path = write(tmp_path / "other.bson", products(60))
    indexed(path)
    assert "warning" not in split(path, tmp_path, 1).stderr


# Folds


@pytest.mark.parametrize("fraction", [0.2, 0.25, 0.3])
def test_each_product_is_in_one_fold_and_folds_differ_by_one_product_at_most(fraction):
    ids = np.arange(1003) * 7
    folds = [parts.fold_of_products(ids, 5, fraction, fold) for fold in range(1, round(1 / fraction) + 1)]
    assert sorted(np.concatenate(folds).tolist()) == ids.tolist()
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert not np.array_equal(folds[0], parts.fold_of_products(ids, 6, fraction, 1))


def test_folds_of_groups_are_of_whole_groups_and_about_as_large():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 60, 1000).tolist()
    folds = [parts.fold_of_groups(list(range(1000)), groups, 5, 0.2, fold) for fold in range(1, 6)]
    assert sorted(product for fold in folds for product in fold) == list(range(1000))
    groups_of_folds = [{groups[product] for product in fold} for fold in folds]
    assert sum(map(len, groups_of_folds)) == len(set(groups))
    assert all(150 < len(fold) < 250 for fold in folds)


def test_a_fold_is_what_the_program_keeps_for_validation(tmp_path, monkeypatch):
    catalog = write(tmp_path / "train.bson", [product(number, [jpeg(number)]) for number in range(20)])
    indexed(catalog).to_parquet(tmp_path / "train.parquet", index=False)
    kept = []
    for fold in range(1, 5):
        words = ["--catalog", catalog, "--index", tmp_path / "train.parquet", "--seed", 3, "--valid-fraction", 0.25]
        words += ["--fold", fold, "--output-folder", tmp_path / f"{fold}"]
        monkeypatch.setattr(sys, "argv", list(map(str, ["split_catalog", *words])))
        split_catalog.main()
        kept += read_index(tmp_path / f"{fold}/valid.parquet").product_id.tolist()
    assert sorted(kept) == list(range(20))
