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
    """Read an index, or some of its columns, about a million rows at a time.

    Raises:
        cli.UserError: like read_index.
    """
    with _explained(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns, use_threads=False)


def read_columns(path: Path, columns: list[str]) -> dict[str, np.ndarray]:
    """Columns of ROW as arrays.

    Raises:
        cli.UserError: like read_index.
    """
    found = {}
    with _explained(path):
        for name in columns:
            groups = [numbers(rows, name) for rows in iter_index(path, [name])]
            found[name] = np.concatenate([np.empty(0, ROW[name]), *groups])
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


def read_first_rows(path: Path, columns: list[str]) -> "pd.DataFrame":
    """The columns of an index in the first row of each document, doc_offset among them.

    Raises:
        cli.UserError: like read_index.
    """
    found, last = [], None
    for rows in iter_index(path, columns):
        offsets = rows["doc_offset"].to_numpy()
        found.append(rows.filter(starts_document(offsets, last)))
        last = offsets[-1]
    return pa.concat_tables(found).to_pandas(split_blocks=True, self_destruct=True)


def read_copies(path: Path, columns: list[str], pictures: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of an index that may be copies of some pictures, by the first half of the MD5: all that are, few others.

    Args:
        columns: md5_hi among them.
        pictures: with md5_hi.

    Raises:
        cli.UserError: like read_index.
    """
    wanted = np.unique(pictures.md5_hi.to_numpy())
    found = []
    for rows in iter_index(path, columns):
        halves = rows["md5_hi"].to_numpy()
        nearest = np.minimum(np.searchsorted(wanted, halves), len(wanted) - 1)
        found.append(rows.filter(wanted[nearest] == halves))
    return pa.concat_tables(found).to_pandas(split_blocks=True, self_destruct=True)


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


def write_index(frame: "pd.DataFrame", path: Path) -> None:
    """Write an index (columns of ROW and TEXTS)."""
    pq.write_table(as_table(frame), path, compression="zstd")


def index_writer(path: Path) -> pq.ParquetWriter:
    """Writes an index table by table, as of as_table."""
    return pq.ParquetWriter(path, SCHEMA, compression="zstd")


def as_table(frame: "pd.DataFrame") -> pa.Table:
    """A frame (columns of ROW and TEXTS) as an index is written."""
    frame = frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in TEXTS})
    return pa.Table.from_pandas(frame, SCHEMA, preserve_index=False)


def encoded_texts(texts: list[str | None] | None, rows: int) -> pa.DictionaryArray:
    """A part of a column of TEXTS, of so many rows; memory holds each distinct text once."""
    return pa.array(texts, pa.string()).dictionary_encode() if texts else pa.nulls(rows, TEXT_TYPE)


def as_frame(rows: bytes | bytearray, texts: dict[str, list[pa.DictionaryArray]]) -> "pd.DataFrame":
    """An index as a frame, of ROW and of the columns of TEXTS in parts."""
    import pandas as pd  # noqa: PLC0415

    columns = np.frombuffer(rows, ROW)
    frame = pd.DataFrame({name: columns[name].copy() for name in ROW.names})
    for name in TEXTS:
        frame[name] = pa.chunked_array(texts[name], TEXT_TYPE).unify_dictionaries().to_pandas()
    return frame
