"""catalog/index.py: columns as arrays, beside pandas; and files that are no index."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import cli
from catalog.index import (
    SCHEMA,
    as_frame,
    as_table,
    encoded_texts,
    first_rows,
    index_writer,
    read_columns,
    read_index,
    selected,
    with_numbers,
    write_index,
)
from catalog.layout import ROW, TEXTS


def draw_index(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    numbers = {name: rng.integers(0, 120, rows).astype(ROW[name]) for name in ROW.names}
    texts = {
        name: pd.Categorical([f"{number} W" if number % 3 else None for number in numbers["image"]]) for name in TEXTS
    }
    return pd.DataFrame(numbers | texts)


def table_of(index: pd.DataFrame, part: int = 77) -> pa.Table:
    """The index as programs make it: rows, and texts in parts."""
    rows = np.rec.fromarrays([index[name].to_numpy() for name in ROW.names], ROW)
    texts = {}
    for name in TEXTS:
        column = [None if pd.isna(text) else text for text in index[name]]
        parts = [column[first : first + part] for first in range(0, max(len(column), 1), part)]
        texts[name] = [encoded_texts(each if any(each) else None, len(each)) for each in parts]
    return as_table(rows, texts)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found.columns) == list(expected.columns)
    for name in found:
        if name in ROW.names:
            assert found[name].dtype == ROW[name]
        assert found[name].astype(object).fillna("").tolist() == expected[name].astype(object).fillna("").tolist()


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("rows_of_a_group", [300, 1 << 20])
def test_what_is_written_is_read_as_columns_and_as_a_frame(tmp_path, rows, rows_of_a_group):
    index = draw_index(rows)
    write_index(table_of(index), tmp_path / "a.parquet")
    read_index(tmp_path / "a.parquet").to_parquet(tmp_path / "b.parquet", row_group_size=rows_of_a_group)
    for name in ("a", "b"):
        assert_same(read_index(tmp_path / f"{name}.parquet"), index)
        columns = read_columns(tmp_path / f"{name}.parquet", [*ROW.names])
        assert {column: (found.dtype, found.tolist()) for column, found in columns.items()} == {
            column: (ROW[column], index[column].tolist()) for column in ROW.names
        }


def test_texts_come_together_from_parts_that_have_others_each(tmp_path):
    index = draw_index(1000).assign(doc_offset=np.arange(1000) // 2)
    with index_writer(tmp_path / "a.parquet") as writer:
        for first in range(0, 1000, 77):
            writer.write_table(table_of(index[first : first + 77]))
    assert_same(read_index(tmp_path / "a.parquet"), index)
    found = as_frame(first_rows(tmp_path / "a.parquet", ["doc_offset", *TEXTS]))
    assert_same(found, index[["doc_offset", *TEXTS]][::2])


@pytest.mark.parametrize("share", [0, 0.1, 1])
@pytest.mark.parametrize("has_texts", [True, False])
def test_rows_are_selected_with_their_texts_and_no_others(share, has_texts):
    index = draw_index(1000)
    if not has_texts:
        index[[*TEXTS]] = None
    chosen = np.random.default_rng(1).random(1000) < share
    found = selected(table_of(index), chosen)
    assert found.schema.equals(SCHEMA)
    assert_same(found.to_pandas(), index[chosen])
    for name in TEXTS:
        texts = set(found.to_pandas()[name].cat.categories)
        assert texts == set(index[name][chosen].dropna())


def test_numbers_of_some_columns_are_replaced():
    index = draw_index(100)
    image, offset = np.arange(100), np.arange(100) << 40
    found = with_numbers(table_of(index), {"image": image, "doc_offset": offset})
    assert found.schema.equals(SCHEMA)
    assert_same(found.to_pandas(), index.assign(image=image.astype(np.int32), doc_offset=offset))


def test_a_file_without_a_column_is_named(tmp_path):
    index = draw_index(3)
    index.drop(columns="kind").to_parquet(tmp_path / "without.parquet")
    index.assign(kind=index.kind.astype(np.int64)).to_parquet(tmp_path / "another.parquet")
    index.assign(kind=pd.array([1, None, 2], "UInt8")).to_parquet(tmp_path / "null.parquet")
    for name in ("without", "another", "null"):
        line = rf"{name}.parquet: not an index: no column kind of uint8; delete it and run again"
        with pytest.raises(cli.UserError, match=line):
            read_columns(tmp_path / f"{name}.parquet", ["image", "kind"])


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_a_file_that_is_no_index_is_named(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(cli.UserError, match=r"a\.parquet: not an index: "):
        read_columns(tmp_path / "a.parquet", ["kind"])
    with pytest.raises(cli.UserError, match=r"b\.parquet: no such file"):
        read_columns(tmp_path / "b.parquet", ["kind"])
