"""catalog/index.py: columns as arrays, beside pandas; and files that are no index."""

import numpy as np
import pandas as pd
import pytest

import cli
from catalog.index import as_table, index_writer, read_columns, read_first_rows, read_index, write_index
from catalog.layout import ROW, TEXTS


def draw_index(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    numbers = {name: rng.integers(0, 120, rows).astype(ROW[name]) for name in ROW.names}
    texts = {
        name: pd.Categorical([f"{number} W" if number % 3 else None for number in numbers["image"]]) for name in TEXTS
    }
    return pd.DataFrame(numbers | texts)


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("rows_of_a_group", [300, 1 << 20])
def test_columns_are_those_that_pandas_reads(tmp_path, rows, rows_of_a_group):
    index = draw_index(rows)
    write_index(index, tmp_path / "a.parquet")
    read_index(tmp_path / "a.parquet").to_parquet(tmp_path / "b.parquet", row_group_size=rows_of_a_group)
    for name in ("a", "b"):
        columns = read_columns(tmp_path / f"{name}.parquet", [*ROW.names])
        assert {column: (found.dtype, found.tolist()) for column, found in columns.items()} == {
            column: (ROW[column], index[column].tolist()) for column in ROW.names
        }


def test_texts_come_together_from_parts_that_have_others_each(tmp_path):
    index = draw_index(1000).assign(doc_offset=np.arange(1000) // 2)
    with index_writer(tmp_path / "a.parquet") as writer:
        for first in range(0, 1000, 77):
            writer.write_table(as_table(index[first : first + 77]))
    for found, expected in (
        (read_index(tmp_path / "a.parquet"), index),
        (read_first_rows(tmp_path / "a.parquet", ["doc_offset", *TEXTS]), index[::2]),
    ):
        for name in TEXTS:
            assert found[name].astype(object).fillna("").tolist() == expected[name].astype(object).fillna("").tolist()


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
