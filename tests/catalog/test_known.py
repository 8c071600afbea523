"""catalog/known.py: labels from the few known products that are read are those that all known products give."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.index import SCHEMA
from catalog.joins import known_product_categories, majority_categories, single_categories
from catalog.known import read_known
from known_products import all_known, draw_index

ROWS_OF_A_GROUP = 7  # so that products lie across groups


def written(index: pd.DataFrame, path) -> pd.DataFrame:
    schema = pa.schema([SCHEMA.field(name) for name in index])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(index), ROWS_OF_A_GROUP):
            writer.write_table(pa.Table.from_pandas(index[start : start + ROWS_OF_A_GROUP], schema, False))
            writer.write_table(schema.empty_table())
    return index


def draw_with_offsets(seed: int, pictures: int, first_id: int = 0) -> pd.DataFrame:
    index = draw_index(seed, pictures=pictures, first_id=first_id)
    return index.assign(doc_offset=np.cumsum(index.product_id.ne(index.product_id.shift())))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("first_id", [1000, 250])
@pytest.mark.parametrize("pictures", [12, 400])
def test_labels_are_those_of_all_known_products(tmp_path, seed, first_id, pictures):
    known = written(draw_with_offsets(seed, pictures), tmp_path / "known.parquet")
    index = draw_index(seed + 100, products=40, pictures=pictures, first_id=first_id)
    # Half of the pictures of the known ones are none of the index, whose MD5s share upper halves in `draw_index`.
    index["md5_hi"] += np.where(np.arange(len(index)) % 2, 1000, 0).astype(np.uint64)
    found, expected = read_known([tmp_path / "known.parquet"], index), all_known(known)
    pd.testing.assert_frame_equal(found.categories.sort_index(), expected.categories, check_names=False)
    assert found.most_frequent_category() == known.drop_duplicates("product_id").category_id.mode().iloc[0]
    for rule in (single_categories, majority_categories):
        assert rule(index, found).tolist() == rule(index, expected).tolist()
    labels = known_product_categories(index, expected)
    assert known_product_categories(index, found).to_dict() == labels.to_dict()


def test_only_rows_that_say_something_are_held(tmp_path):
    known = written(draw_with_offsets(1, 300), tmp_path / "known.parquet")
    index = known.iloc[[5, 40, 300]].assign(md5_hi=lambda rows: [rows.md5_hi.iloc[0], 1, 2], product_id=[-1, -2, 7])
    is_copy = known.md5_hi.eq(index.md5_hi.iloc[0])
    found = read_known([tmp_path / "known.parquet"], index)
    held = known[is_copy | known.product_id.eq(7)]
    assert found.pictures.to_numpy().tolist() == held[list(found.pictures)].to_numpy().tolist()
    others = known.product_id[~is_copy]
    held = known[~known.product_id.isin(others)]
    assert found.products.to_numpy().tolist() == held[list(found.products)].to_numpy().tolist()
    assert 0 < len(found.products) < len(found.pictures) < len(known) / 10


def test_products_count_that_are_known_by_all_of_several_indexes(tmp_path):
    everything = draw_with_offsets(1, 30)
    parts = [everything[everything.product_id % 3 != left_out] for left_out in range(3)]
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    for part, path in zip(parts, paths, strict=True):
        written(part, path)
    found = read_known([paths[1], paths[0]], everything)
    expected = all_known(everything[everything.product_id % 3 == 2])
    for rows, of_all in zip(found[:2], expected[:2], strict=True):
        assert rows.to_numpy().tolist() == of_all.to_numpy().tolist()
    pd.testing.assert_frame_equal(found.categories.sort_index(), expected.categories, check_names=False)
    assert read_known(paths, everything).pictures.empty
