"""The index of a catalog: a row per picture, in the catalog's order."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import cli

SCHEMA = pa.schema(
    [
        ("product_id", pa.int64()),
        ("category_id", pa.int64()),  # -1: none
        ("image", pa.int32()),  # 0-based place in the product
        ("doc_offset", pa.int64()),
        ("doc_size", pa.int32()),
        ("image_size", pa.int32()),
        ("md5_hi", pa.uint64()),
        ("md5_lo", pa.uint64()),
    ]
)


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
    """Write an index (columns of SCHEMA)."""
    pq.write_table(pa.Table.from_pandas(frame, SCHEMA, preserve_index=False), path, compression="zstd")
