"""Ids of products and categories: a number of 64 bits for joins, and what people have written for tables and lines.

An id is what it is written as: a whole number is itself, every other id is a text. So it is the same id in a dump, in a
table and in a submission.
"""

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from catalog.layout import LARGEST_ID, SMALLEST_ID

if TYPE_CHECKING:
    import pandas as pd

Written = int | str  # an id as people have it

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_SPELT_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,19})(?:\.0*)?\s*")


def from_text(text: str) -> Written:
    """The id that a text is: a number where it is written as one, else the text itself."""
    return _in_range(int(text), text) if _NUMBER.fullmatch(text) else text


def from_cell(text: str, known: set[int]) -> Written:
    """The id that a table's cell means: what it says, if the catalog knows that; else a number in any spelling.

    Args:
        known: numbers of the catalog's ids.
    """
    written, spelt = from_text(text), _SPELT_NUMBER.fullmatch(text)
    return _in_range(int(spelt[1]), text) if spelt and number_of(written) not in known else written


def _in_range(number: int, text: str) -> Written:
    return number if SMALLEST_ID <= number <= LARGEST_ID else text


def number_of(written: Written) -> int:
    """The number of an id: of a text 63 bits of its BLAKE2b, which any catalog and any part of one agree on."""
    if isinstance(written, int):
        return written
    return int.from_bytes(hashlib.blake2b(written.encode(), digest_size=8).digest(), "big") >> 1


def number_in(text: str) -> int:
    """The number of the id that a text is."""
    return number_of(from_text(text))


def numbers_of(written: list[Written]) -> np.ndarray:
    """The numbers (int64) of ids."""
    return np.fromiter(map(number_of, written), np.int64, len(written))


def is_repeated(numbers: np.ndarray) -> np.ndarray:
    """Mark (bool) the numbers (int64) that stand further ahead, too."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    repeated = np.zeros(len(numbers), bool)
    repeated[order[1:][ordered[1:] == ordered[:-1]]] = True
    return repeated


def written(rows: "pd.DataFrame", of: str) -> "pd.Series":
    """The ids of an index's rows as people have them: int64 where all are whole numbers, else int and str.

    Args:
        of: product or category.
    """
    numbers, texts = rows[f"{of}_id"], rows[f"{of}_text"]
    if texts.isna().all():
        return numbers
    return texts.astype(object).where(texts.notna(), numbers.astype(object))


def first_written(rows: "pd.DataFrame", of: str) -> Written:
    """The id of the first row as people have it, for a line."""
    return written(rows[:1], of).item()
