"""The index of a catalog: a row per picture, in the catalog's order."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import cli
from catalog.layout import ROW

SCHEMA = pa.schema([(name, pa.from_numpy_dtype(ROW[name])) for name in ROW.names])


def read_index(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read an index, or some of its columns.

    Raises:
        cli.UserError: the file is missing or is no index.
    """
    try:
        return pq.read_table(path, columns=columns).to_pandas()
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; make it with index_catalog.py") from None
    except pa.ArrowInvalid as error:
        raise cli.UserError(f"{path}: not an index: {error}; delete it and run again") from error


def write_index(frame: pd.DataFrame, path: Path) -> None:
    """Write an index (columns of ROW)."""
    pq.write_table(as_table(frame), path, compression="zstd")


def as_table(frame: pd.DataFrame) -> pa.Table:
    """A frame (columns of ROW) as an index is written."""
    return pa.Table.from_pandas(frame, SCHEMA, preserve_index=False)
