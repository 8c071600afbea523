"""join_indexes.py: several dumps give what one file of them gives, in the index and in all that follows from it."""

import csv
import sys
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

import cli
import index_catalog
import join_indexes
import pack_records
import split_catalog
from catalog.index import as_table, encoded_texts, read_index, write_index
from catalog.layout import ROW, TEXTS
from catalog.pictures import iter_pictures
from tiny_catalogs import jpeg, product, products, write

CUTS = [(0, 7), (7, 8), (8, 40)]  # products of each dump


@pytest.fixture
def run(monkeypatch):
    """Run a program in this process."""

    def run(program, *words: object) -> None:
        monkeypatch.setattr(sys, "argv", [f"{program.__name__}.py", *map(str, words)])
        program.main()

    return run


def index(run, dump: Path, on_bad_product: str = "stop") -> tuple[Path, Path]:
    """Index a dump beside itself; returns the index and its rejects."""
    outputs = dump.with_suffix(".parquet"), dump.with_suffix(".rejects.csv")
    words = ["--on-bad-product", on_bad_product, "--processes", 1, "--output", outputs[0], "--rejects", outputs[1]]
    run(index_catalog, dump, *words)
    return outputs


def join(run, dumps: list[Path], on_bad_product: str = "stop") -> tuple[Path, Path]:
    """Index dumps and join the indexes; returns the index of all and its rejects."""
    indexes, rejects = zip(*(index(run, dump, on_bad_product) for dump in dumps), strict=True)
    outputs = dumps[0].with_name("joined.parquet"), dumps[0].with_name("joined.rejects.csv")
    words = ["--catalog", *dumps, "--indexes", *indexes, "--dump-rejects", *rejects, "--on-bad-product", on_bad_product]
    run(join_indexes, *words, "--output", outputs[0], "--rejects", outputs[1])
    return outputs


def dump(folder: Path, *documents: list[dict | bytes]) -> tuple[list[Path], Path]:
    """Write documents as dumps, and as one file."""
    paths = [write(folder / f"{number}.bson", each) for number, each in enumerate(documents)]
    return paths, write(folder / "whole.bson", [document for each in documents for document in each])


def rejects_of(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_index_of_dumps_is_that_of_one_file(run, tmp_path):
    all_products = products(40)
    dumps, whole = dump(tmp_path, *(all_products[first:stop] for first, stop in CUTS))
    joined, _ = join(run, dumps)
    pd.testing.assert_frame_equal(read_index(joined), read_index(index(run, whole)[0]))
    rows = read_index(joined).sample(frac=1, random_state=1)
    assert list(iter_pictures(dumps, rows)) == list(iter_pictures([whole], rows))


def test_ids_that_are_texts_are_those_of_one_file_too(run, tmp_path):
    """Of which each dump knows its own alone."""
    texts = [each | {"_id": f"{each['_id']} W", "category_id": f"of {each['category_id']}"} for each in products(12)]
    dumps, whole = dump(tmp_path, texts[:5], products(30)[12:20], [*texts[5:], texts[2]])
    joined, rejects = join(run, dumps, "skip")
    alone, alone_rejects = index(run, whole, "skip")
    pd.testing.assert_frame_equal(read_index(joined), read_index(alone))
    assert rejects_of(rejects) == rejects_of(alone_rejects)
    assert [reject["product_id"] for reject in rejects_of(rejects)] == [texts[2]["_id"]]
    with pytest.raises(cli.UserError, match=f"product {texts[2]['_id']}: an earlier product has this _id"):
        join(run, dumps)


@pytest.mark.parametrize("more", [[], ["--group-field", "shop"]], ids=["products", "groups"])
def test_splits_and_records_of_dumps_are_those_of_one_file_to_the_last_byte(run, tmp_path, more):
    all_products = [each | {"shop": each["_id"] % 7} for each in products(40)]
    dumps, whole = dump(tmp_path, *(all_products[first:stop] for first, stop in CUTS))
    (tmp_path / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n0,10,,,\n1,20,,,\n2,30,,,\n")
    made = {}
    for name, catalog, rows in (("dumps", dumps, join(run, dumps)[0]), ("whole", [whole], index(run, whole)[0])):
        folder = tmp_path / name
        words = ["--catalog", *catalog, "--index", rows, "--seed", 1, "--valid-fraction", 0.3, *more]
        run(split_catalog, *words, "--output-folder", folder)
        for part in ("train", "valid"):
            words = ["--split", folder / f"{part}.bson", "--index", folder / f"{part}.parquet"]
            run(pack_records, *words, "--classes", tmp_path / "classes.csv", "--output", folder / f"{part}.rec")
        made[name] = {path.name: content(path) for path in sorted(folder.iterdir())}
    assert set(made["whole"]) >= {"train.bson", "valid.bson", "train.parquet", "train.rec", "train.idx", "train.json"}
    assert made["dumps"] == made["whole"]


def content(path: Path) -> bytes | list:
    """The bytes of a file; of an index, its rows, which lie in other groups where dumps were joined."""
    return read_index(path).to_numpy().tolist() if path.suffix == ".parquet" else path.read_bytes()


def test_what_dumps_repeat_and_what_is_faulty_in_them_is_left_out_as_in_one_file(run, tmp_path):
    """Within a dump and between dumps; the first of a product's repetitions stays, unless it has no category."""
    without_pictures, cut_off = bson.encode({"_id": 6, "category_id": 10}), bson.encode(product(7, [jpeg(7)]))[:-9]
    dumps, whole = dump(
        tmp_path,
        [product(1, [jpeg(1)]), product(2, [jpeg(2)]), product(1, [jpeg(3)]), product(8, [jpeg(8)], None)],
        [without_pictures, product(2, [jpeg(4), jpeg(5)]), product(3, [jpeg(6)])],
        [product(8, [jpeg(9)]), product(3, [jpeg(1)]), product(4, [jpeg(2)]), cut_off],
    )
    joined, rejects = join(run, dumps, "skip")
    alone, alone_rejects = index(run, whole, "skip")
    pd.testing.assert_frame_equal(read_index(joined), read_index(alone))
    assert rejects_of(rejects) == rejects_of(alone_rejects)
    assert read_index(joined).drop_duplicates("doc_offset").product_id.tolist() == [1, 2, 3, 8, 4]
    assert sum(reject["reason"] == "an earlier product has this _id" for reject in rejects_of(rejects)) == 3


def test_of_a_repeated_product_the_first_in_the_order_of_dumps_stays(tmp_path):
    """As many products as sorting takes apart."""
    rows = np.zeros(3000, ROW)
    rows["doc_offset"] = 10 * np.arange(3000)
    ids = np.random.default_rng(1).permutation(3000)
    for name, numbers in (("a", np.arange(3000)), ("b", ids)):
        rows["product_id"] = numbers
        texts = {text: [encoded_texts(None, len(rows))] for text in TEXTS}
        write_index(as_table(rows, texts), tmp_path / name)
    repeated = join_indexes.repeated_products([tmp_path / "a", tmp_path / "b"], np.array([0, 50_000]))
    assert repeated.product_id.tolist() == ids.tolist()
    assert repeated.doc_offset.tolist() == (50_000 + 10 * np.arange(3000)).tolist()


def test_a_product_that_an_earlier_dump_has_ends_the_job_and_is_named_in_its_file(run, tmp_path):
    dumps, _ = dump(tmp_path, [product(1, [jpeg(1)])], [product(2, [jpeg(2)]), product(1, [jpeg(3)])])
    offset = len(bson.encode(product(2, [jpeg(2)])))
    with pytest.raises(cli.UserError) as told:
        join(run, dumps)
    assert str(told.value) == (
        f"{dumps[1]}: byte {offset}: product 1: an earlier product has this _id; mend it, or set on_bad_product: skip"
        " to go on without"
    )
    assert not (tmp_path / "joined.parquet").exists()


def test_a_dump_that_changed_after_it_was_indexed_is_named(run, tmp_path):
    dumps, _ = dump(tmp_path, *(products(40)[first:stop] for first, stop in CUTS))
    rows = read_index(join(run, dumps)[0])
    raw = dumps[1].read_bytes()
    dumps[1].write_bytes(bytes(len(raw)))
    with pytest.raises(cli.UserError, match=rf"^{dumps[1]}: byte \d+: product \d+: no picture of \d+ bytes there"):
        list(iter_pictures(dumps, rows))
