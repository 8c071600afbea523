"""write_submission.py beside the published rules."""

import gzip
import sys
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

import cli
import published_rules
import write_submission
from known_products import all_known
from list_images import COLUMNS, needs_forward_pass
from tiny_catalogs import indexed, jpeg, product, write

CATEGORIES = [40, 10, 30, 20, 50]
UNDECODABLE = 0.15  # of the listed pictures


def draw_products(count: int, first_id: int, pool: int, has_category: bool, seed: int) -> list[dict]:
    """Products whose category mostly follows their first picture, with copies and conflicts."""
    rng = np.random.default_rng(seed)
    drawn = []
    for number in rng.permutation(count).tolist():
        chosen = rng.integers(0, pool, rng.integers(1, 4)).tolist()
        category_id = CATEGORIES[chosen[0] % 3] if rng.random() < 0.8 else CATEGORIES[3]
        drawn.append(product(first_id + number, list(map(jpeg, chosen)), category_id if has_category else None))
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("catalogs")
    indexed(write(folder / "train.bson", draw_products(90, 1000, 45, True, 1)))
    products = draw_products(90, 1, 65, False, 2)
    products[5:5] = [product(7000, [], None)]
    indexed(write(folder / "test.bson", products), "skip")
    offset = len(b"".join(map(bson.encode, products[:5])))
    (folder / "rejects.csv").write_text(
        f"offset,product_id,image,reason\n{offset},7000,-1,no picture\n{offset},,-1,x\n"
    )
    names = [f"{number},{category_id},a,b,c\n" for number, category_id in enumerate(CATEGORIES)]
    (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + "".join(names))
    test, train = pd.read_parquet(folder / "test.parquet"), pd.read_parquet(folder / "train.parquet")
    rng = np.random.default_rng(3)
    for listing in ("unique", "off"):
        rows = test[needs_forward_pass(test, all_known(train), listing)][COLUMNS]
        rows.to_parquet(folder / f"{listing}.parquet", index=False)
        probabilities = rng.dirichlet(np.full(len(CATEGORIES), 0.5), len(rows)).astype(np.float16)
        probabilities[rng.random(len(rows)) < UNDECODABLE] = 0
        for shard, part in enumerate(np.array_split(probabilities, 3)):
            np.save(folder / f"{listing}-{shard}.npy", part)
    return folder


def listing_of(mode: str) -> str:
    return "off" if mode == "off" else "unique"


def plain_submission(folder: Path, mode: str, product_md5: str) -> list[tuple[int, int]]:
    """Product ids and categories by the published rules."""
    rules = published_rules.Rules(bson.decode_all((folder / "train.bson").read_bytes()), CATEGORIES, mode)
    listing = listing_of(mode)
    shards = [np.load(folder / f"{listing}-{shard}.npy") for shard in range(3)]
    predicted = published_rules.by_picture(folder / f"{listing}.parquet", np.concatenate(shards))
    lines = []
    for document in bson.decode_all((folder / "test.bson").read_bytes()):
        category_id = rules.best_category(rules.picture_vectors(document, predicted))
        if product_md5 == "on":
            category_id = rules.overridden(document, category_id)
        lines.append((document["_id"], category_id))
    return lines


def submit(folder: Path, monkeypatch, output: Path, mode: str = "unique", product_md5: str = "on", *more: object):
    listing = listing_of(mode)
    words = ["--index", folder / "test.parquet", "--rejects", folder / "rejects.csv", "--picture-md5", mode,
             "--images", folder / f"{listing}.parquet", "--known", folder / "train.parquet",
             "--classes", folder / "classes.csv", "--product-md5", product_md5, "--output", output, *more,
             "--probabilities", *[folder / f"{listing}-{shard}.npy" for shard in range(3)]]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["write_submission", *map(str, words)])
    write_submission.main()


def test_a_submission_is_the_same_file_under_every_python():
    zipped = write_submission.zipped(b"_id,category_id\n")
    assert zipped[:10] == bytes.fromhex("1f8b0800 00000000 0203")  # deflate, no name, no time, level 9, Unix
    assert gzip.decompress(zipped) == b"_id,category_id\n"


@pytest.mark.parametrize("mode", ["unique", "majority", "off"])
@pytest.mark.parametrize("product_md5", ["on", "off"])
def test_categories_are_those_of_the_published_rules(folder, tmp_path, monkeypatch, mode, product_md5):
    submit(folder, monkeypatch, tmp_path / "s.csv.gz", mode, product_md5)
    header, *lines = gzip.decompress((tmp_path / "s.csv.gz").read_bytes()).decode().splitlines()
    assert header == "_id,category_id"
    assert [tuple(map(int, line.split(","))) for line in lines] == plain_submission(folder, mode, product_md5)


def test_members_of_products_are_averaged_with_the_mean_over_pictures(folder, tmp_path, monkeypatch):
    index = pd.read_parquet(folder / "test.parquet")
    products = index.product_id.unique()
    rows = np.random.default_rng(4).dirichlet(np.full(len(CATEGORIES), 0.3), len(products)).astype(np.float16)
    for shard, part in enumerate(np.array_split(rows, 2)):
        np.save(tmp_path / f"{shard}.npy", part)
    more = ("--of-products", tmp_path / "0.npy", tmp_path / "1.npy", "--weights", 1, 2)
    submit(folder, monkeypatch, tmp_path / "both.csv.gz", "off", "off", *more)
    found = pd.read_csv(tmp_path / "both.csv.gz", index_col="_id").category_id
    shards = np.concatenate([np.load(folder / f"off-{shard}.npy") for shard in range(3)]).astype(np.float64)
    listed = pd.read_parquet(folder / "off.parquet")
    of_picture = dict(zip(zip(listed.md5_hi, listed.md5_lo, strict=True), shards, strict=True))
    checked = 0
    for product_id, row in zip(products, rows.astype(np.float64), strict=True):
        pictures = index[index.product_id == product_id]
        seen = [of_picture[key] for key in zip(pictures.md5_hi, pictures.md5_lo, strict=True)]
        if seen := [each for each in seen if each.any()]:
            mean = np.mean(seen, axis=0) / 3 + row * 2 / 3
            assert found[product_id] == CATEGORIES[mean.argmax()]
            checked += 1
    assert checked > 60


def test_each_rule_changes_some_products(folder):
    found = {
        (mode, md5): plain_submission(folder, mode, md5) for mode in ("unique", "majority") for md5 in ("on", "off")
    }
    assert len(set(map(tuple, found.values()))) == 4


def test_ids_are_checked_against_a_sample(folder, tmp_path, monkeypatch):
    ids = [product_id for product_id, _ in plain_submission(folder, "off", "off")]
    sample, output = tmp_path / "sample.csv", tmp_path / "s.csv.gz"
    for wanted, message in (
        (ids[1:], f"product {ids[0]} is not asked for"),
        ([*ids, 9999], "9999 is not in the catalog"),
    ):
        sample.write_text("\n".join(["_id,category_id", *(f"{product_id},1" for product_id in wanted)]))
        with pytest.raises(cli.UserError, match=message):
            submit(folder, monkeypatch, output, "unique", "on", "--sample-submission", sample)
        assert not output.exists()
    sample.write_text("\n".join(["_id,category_id", *(f"{product_id},1" for product_id in reversed(ids))]))
    submit(folder, monkeypatch, output, "unique", "on", "--sample-submission", sample)
    assert pd.read_csv(output)._id.tolist() == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column _id: No columns"),
        ("product,category_id\n1,2\n", "no column _id: Usecols do not match"),
        ("_id,category_id\nx,1\n", r"product x is not in the catalog \(1 such products\)"),
        ("_id,category_id\n,1\n", "an _id is empty; mend or remove it"),
    ],
)
def test_a_sample_without_ids_is_one_line(folder, tmp_path, monkeypatch, text, message):
    (tmp_path / "sample.csv").write_text(text)
    with pytest.raises(cli.UserError, match=message):
        submit(
            folder, monkeypatch, tmp_path / "s.csv.gz", "unique", "on", "--sample-submission", tmp_path / "sample.csv"
        )


@pytest.mark.parametrize("mode", ["unique", "majority", "off"])
@pytest.mark.parametrize("product_md5", ["on", "off"])
def test_a_product_that_is_sorted_again_is_not_among_its_own_known_ones(
    folder, tmp_path, monkeypatch, mode, product_md5
):
    train = bson.decode_all((folder / "train.bson").read_bytes())
    again = [{key: each[key] for key in ("_id", "imgs")} for each in train[10:60]]
    again[0]["imgs"] = again[1]["imgs"]  # it has other pictures than before
    test = [*again, *bson.decode_all((folder / "test.bson").read_bytes())]
    indexed(write(tmp_path / "test.bson", [each for each in test if each["imgs"]]))
    for name in ("train.bson", "train.parquet", "classes.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "rejects.csv").write_text("offset,product_id,image,reason\n")
    index, known = pd.read_parquet(tmp_path / "test.parquet"), pd.read_parquet(tmp_path / "train.parquet")
    rows = index[needs_forward_pass(index, all_known(known), listing_of(mode))][COLUMNS]
    rows.to_parquet(tmp_path / f"{listing_of(mode)}.parquet", index=False)
    probabilities = np.random.default_rng(5).dirichlet(np.full(len(CATEGORIES), 0.5), len(rows)).astype(np.float16)
    for shard, part in enumerate(np.array_split(probabilities, 3)):
        np.save(tmp_path / f"{listing_of(mode)}-{shard}.npy", part)
    submit(tmp_path, monkeypatch, tmp_path / "s.csv.gz", mode, product_md5)
    found = pd.read_csv(tmp_path / "s.csv.gz").to_numpy().tolist()
    predicted = published_rules.by_picture(tmp_path / f"{listing_of(mode)}.parquet", probabilities)
    for document, (product_id, category_id) in zip(
        bson.decode_all((tmp_path / "test.bson").read_bytes()), found, strict=True
    ):
        others = [each for each in train if each["_id"] != document["_id"]]
        rules = published_rules.Rules(others, CATEGORIES, mode)
        expected = rules.best_category(rules.picture_vectors(document, predicted))
        if product_md5 == "on":
            expected = rules.overridden(document, expected)
        assert (product_id, category_id) == (document["_id"], expected)
