"""join_indexes.py: several dumps give what one file of them gives, in the index and in all that follows from it."""

import csv
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

import cli
import join_indexes
from catalog.index import as_table, encoded_texts, read_index, write_index
from catalog.layout import ROW, TEXTS
from catalog.pictures import iter_pictures
from tiny_catalogs import jpeg, product, products
from tiny_dumps import CUTS, dump, index, join


def rejects_of(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_index_of_dumps_is_that_of_one_file(tmp_path):
    all_products = products(40)
    dumps, whole = dump(tmp_path, *(all_products[first:stop] for first, stop in CUTS))
    joined, _ = join(dumps)
    pd.testing.assert_frame_equal(read_index(joined), read_index(index(whole)[0]))
    rows = read_index(joined).sample(frac=1, random_state=1)
    assert list(iter_pictures(dumps, rows)) == list(iter_pictures([whole], rows))


def test_ids_that_are_texts_are_those_of_one_file_too(tmp_path):
    """Of which each dump knows its own alone."""
    texts = [each | {"_id": f"{each['_id']} W", "category_id": f"of {each['category_id']}"} for each in products(12)]
    dumps, whole = dump(tmp_path, texts[:5], products(30)[12:20], [*texts[5:], texts[2]])
    joined, rejects = join(dumps, "skip")
    alone, alone_rejects = index(whole, "skip")
    pd.testing.assert_frame_equal(read_index(joined), read_index(alone))
    assert rejects_of(rejects) == rejects_of(alone_rejects)
    assert [reject["product_id"] for reject in rejects_of(rejects)] == [texts[2]["_id"]]
    with pytest.raises(cli.UserError, match=f"product {texts[2]['_id']}: an earlier product has this _id"):
        join(dumps)


def test_what_dumps_repeat_and_what_is_faulty_in_them_is_left_out_as_in_one_file(tmp_path):
    """Within a dump and between dumps; the first of a product's repetitions stays, unless it has no category."""
    without_pictures, cut_off = bson.encode({"_id": 6, "category_id": 10}), bson.encode(product(7, [jpeg(7)]))[:-9]
    dumps, whole = dump(
        tmp_path,
        [product(1, [jpeg(1)]), product(2, [jpeg(2)]), product(1, [jpeg(3)]), product(8, [jpeg(8)], None)],
        [without_pictures, product(2, [jpeg(4), jpeg(5)]), product(3, [jpeg(6)])],
        [product(8, [jpeg(9)]), product(3, [jpeg(1)]), product(4, [jpeg(2)]), cut_off],
    )
    joined, rejects = join(dumps, "skip")
    alone, alone_rejects = index(whole, "skip")
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


def test_a_product_that_an_earlier_dump_has_ends_the_job_and_is_named_in_its_file(tmp_path):
    dumps, _ = dump(tmp_path, [product(1, [jpeg(1)])], [product(2, [jpeg(2)]), product(1, [jpeg(3)])])
    offset = len(bson.encode(product(2, [jpeg(2)])))
    with pytest.raises(cli.UserError) as told:
        join(dumps)
    assert str(told.value) == (
        f"{dumps[1]}: byte {offset}: product 1: an earlier product has this _id; mend it, or set on_bad_product: skip"
        " to go on without"
    )
    assert not (tmp_path / "joined.parquet").exists()


def test_a_dump_that_changed_after_it_was_indexed_is_named(tmp_path):
    dumps, _ = dump(tmp_path, *(products(40)[first:stop] for first, stop in CUTS))
    rows = read_index(join(dumps)[0])
    raw = dumps[1].read_bytes()
    dumps[1].write_bytes(bytes(len(raw)))
    with pytest.raises(cli.UserError, match=rf"^{dumps[1]}: byte \d+: product \d+: no picture of \d+ bytes there"):
        list(iter_pictures(dumps, rows))
