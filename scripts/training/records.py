"""The records that a model learns from or is validated on."""

import math
from pathlib import Path

import cli


def record_count(records: Path) -> int:
    """Records of a .rec, by its .idx.

    Raises:
        cli.UserError: a file is missing, or there is no record.
    """
    offsets = records.with_suffix(".idx")
    for path in (records, offsets):
        if not path.is_file():
            raise cli.UserError(f"{path}: no such file; pack the records again with pack_records.py")
    with offsets.open("rb") as file:
        count = sum(1 for _ in file)
    if not count:
        raise cli.UserError(f"{records}: no records; choose a larger valid_fraction, or a dataset with fewer filters")
    return count


def batch_count(records: Path, batch_size: int) -> int:
    """Batches of an epoch; the last one is filled up.

    Raises:
        cli.UserError: a file is missing, or there are fewer records than a batch holds.
    """
    count = record_count(records)
    if count < batch_size:
        raise cli.UserError(
            f"{records}: {count} records do not fill one batch of {batch_size}; lower the model's batch_size"
        )
    return math.ceil(count / batch_size)
