"""The index of a catalog: a row per picture, in the catalog's order.

Programs that need no frame start without pandas, which would take longer than many of them work.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import cli
from catalog.layout import ROW, TEXTS

if TYPE_CHECKING:
    import pandas as pd

ROWS_OF_A_GROUP = 1 << 20  # of a file
REPEATED_NUMBERS = ["category_id", "image", "kind"]
TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [*((name, pa.from_numpy_dtype(ROW[name])) for name in ROW.names), *((name, TEXT_TYPE) for name in TEXTS)]
)


def read_index(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read an index, or some of its columns.

    Raises:
        cli.UserError: the file is missing or is no index.
    """
    with _explained(path):
        return pq.read_table(path, columns=columns).to_pandas()


def iter_index(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Read an index, or some of its columns, about a million rows at a time; never none.

    Raises:
        cli.UserError: like read_index.
    """
    with _explained(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            if file.metadata.row_group(group).num_rows:
                yield file.read_row_group(group, columns, use_threads=False)


def row_count(path: Path) -> int:
    """Rows of an index.

    Raises:
        cli.UserError: like read_index.
    """
    with _explained(path), pq.ParquetFile(path) as file:
        return file.metadata.num_rows


def read_columns(path: Path, columns: list[str], chosen: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Columns of ROW as arrays, of all rows or of those that are chosen (bool).

    Raises:
        cli.UserError: like read_index.
    """
    count = row_count(path) if chosen is None else np.count_nonzero(chosen)
    found = {name: np.empty(count, ROW[name]) for name in columns}
    first = written = 0
    with _explained(path):
        for group in iter_index(path, columns):
            kept = slice(None) if chosen is None else chosen[first : first + len(group)]
            values = {name: numbers(group, name)[kept] for name in columns}
            stop = written + len(values[columns[0]])
            for name in columns:
                found[name][written:stop] = values[name]
            first, written = first + len(group), stop
    return found


def numbers(rows: pa.Table, column: str) -> np.ndarray:
    """A column of ROW as an array.

    Raises:
        pa.ArrowInvalid: there is no such column of numbers.
    """
    if column not in rows.column_names or rows[column].type != SCHEMA.field(column).type or rows[column].null_count:
        raise pa.ArrowInvalid(f"no column {column} of {ROW[column]}")
    parts = [
        np.frombuffer(part.buffers()[1], ROW[column])[part.offset : part.offset + len(part)]
        for part in rows[column].chunks
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, ROW[column]), *parts])


def first_rows(path: Path, columns: list[str]) -> pa.Table:
    """The columns of an index in the first row of each document, doc_offset among them.

    Raises:
        cli.UserError: like read_index.
    """
    found, last = [], None
    with _explained(path):
        for rows in iter_index(path, columns):
            offsets = numbers(rows, "doc_offset")
            found.append(selected(rows, starts_document(offsets, last)))
            last = offsets[-1]
        return pa.concat_tables(found)


def starts_document(offsets: np.ndarray, last: int | None) -> np.ndarray:
    """Mark (bool) the first row of each document, by the documents' offsets; `last` is that of the row before."""
    is_first = np.empty(len(offsets), bool)
    is_first[:1] = offsets[:1] != last
    np.not_equal(offsets[1:], offsets[:-1], out=is_first[1:])
    return is_first


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; make it with index_catalog.py") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise cli.UserError(f"{path}: not an index: {error}; delete it and run again") from error


def selected(rows: pa.Table, chosen: np.ndarray) -> pa.Table:
    """The rows that are chosen (bool)."""
    columns = {}
    for name in rows.column_names:
        if name in TEXTS:
            columns[name] = _selected_texts(rows[name], chosen)
        else:
            columns[name] = _column(name, numbers(rows, name)[chosen])
    return pa.table(columns)


def _selected_texts(column: pa.ChunkedArray, chosen: np.ndarray) -> pa.ChunkedArray | pa.Array:
    if column.null_count == len(column):
        return pa.nulls(np.count_nonzero(chosen), TEXT_TYPE)
    mask = pa.Array.from_buffers(pa.bool_(), len(chosen), [None, pa.py_buffer(np.packbits(chosen, bitorder="little"))])
    # Encoded again, so that no text stays that is in none of the rows.
    return column.filter(mask).cast(pa.string()).dictionary_encode()


def with_numbers(rows: pa.Table, columns: dict[str, np.ndarray]) -> pa.Table:
    """The rows with other numbers in some columns of ROW."""
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, _column(name, values))
    return rows


def _column(name: str, values: np.ndarray) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(values, ROW[name]))
    return pa.Array.from_buffers(SCHEMA.field(name).type, len(values), [None, buffer])


def as_table(rows: np.ndarray, texts: dict[str, list[pa.DictionaryArray]]) -> pa.Table:
    """An index of rows (ROW), and of the columns of TEXTS in parts."""
    columns = {name: _column(name, rows[name]) for name in ROW.names}
    for name in TEXTS:
        columns[name] = pa.chunked_array(texts[name], TEXT_TYPE)
    return pa.table(columns)


def encoded_texts(texts: list[str | None] | None, rows: int) -> pa.DictionaryArray:
    """A part of a column of TEXTS, of so many rows; memory holds each distinct text once."""
    return pa.array(texts, pa.string()).dictionary_encode() if texts else pa.nulls(rows, TEXT_TYPE)


def as_frame(rows: pa.Table) -> "pd.DataFrame":
    """The rows as a frame."""
    return rows.to_pandas(split_blocks=True, self_destruct=True)


def write_index(rows: pa.Table, path: Path) -> None:
    """Write an index (columns of ROW and TEXTS)."""
    with index_writer(path) as writer:
        writer.write_table(rows, ROWS_OF_A_GROUP)


def index_writer(path: Path) -> pq.ParquetWriter:
    """Writes an index table by table."""
    # Dictionaries of what is another number in each row take longer, and more room.
    return pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=[*REPEATED_NUMBERS, *TEXTS])
