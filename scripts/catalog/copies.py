"""Which pictures of indexes are copies of one another, by their MD5, for hundreds of millions of rows.

An index is anything that gives arrays by the names of its columns.
"""

from collections.abc import Mapping

import numpy as np

MD5 = ["md5_hi", "md5_lo"]

Index = Mapping[str, np.ndarray]


def rows_by_picture(md5_hi: np.ndarray, md5_lo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows (int64) in the order of their MD5s, of copies the first one first; and where (bool) other MD5s begin.

    Args:
        md5_hi, md5_lo: uint64, the halves of each row's MD5.
    """
    # A sort of numbers alone is the fastest: the upper bits of the MD5, then the row. Different MD5s rarely share them.
    bits = np.uint64(max(len(md5_hi) - 1, 1).bit_length())
    keys = md5_hi >> bits << bits
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    rows = (keys & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)
    keys >>= bits
    begins = np.ones(len(rows), bool)
    begins[1:] = keys[1:] != keys[:-1]
    del keys
    is_new = _differ(md5_hi, md5_lo, rows)
    if (is_mixed := is_new & ~begins).any():
        group = np.cumsum(begins)
        mixed = np.flatnonzero(np.isin(group, group[is_mixed]))
        found = rows[mixed]
        rows[mixed] = found[np.lexsort((md5_lo[found], md5_hi[found]))]
        is_new = _differ(md5_hi, md5_lo, rows)
    return rows, is_new


def _differ(md5_hi: np.ndarray, md5_lo: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether (bool) each of the rows has another MD5 than the one before."""
    is_same = np.ones(max(len(rows) - 1, 0), bool)
    for half in (md5_hi, md5_lo):
        ordered = half[rows]
        is_same &= ordered[1:] == ordered[:-1]
    return np.append(True, ~is_same)[: len(rows)]


def picture_numbers(*indexes: Index) -> list[np.ndarray]:
    """Number the distinct MD5s of all indexes together; returns each index's numbers (int64, one per row)."""
    halves = [_joined([np.asarray(index[half], np.uint64) for index in indexes]) for half in MD5]
    rows, is_new = rows_by_picture(*halves)
    numbers = np.empty(len(rows), np.int64)
    numbers[rows] = np.cumsum(is_new) - 1
    return np.split(numbers, np.cumsum([len(index[MD5[0]]) for index in indexes])[:-1])


def _joined(columns: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if len(columns) > 1 else columns[0]


def first_copies(index: Index) -> np.ndarray:
    """Mark (bool) the first row of each MD5, in the index's order."""
    rows, is_new = rows_by_picture(*(np.asarray(index[half], np.uint64) for half in MD5))
    firsts = np.zeros(len(rows), bool)
    firsts[rows[is_new]] = True
    return firsts


def all_of_one_category(index: Index) -> np.ndarray:
    """Mark (bool) the rows whose picture has the same category in all its copies."""
    (numbers,) = picture_numbers(index)
    categories = np.asarray(index["category_id"])
    any_category = np.empty(numbers.max(initial=-1) + 1, categories.dtype)
    any_category[numbers] = categories
    has_several = np.zeros(len(any_category), bool)
    has_several[numbers[categories != any_category[numbers]]] = True
    return ~has_several[numbers]
