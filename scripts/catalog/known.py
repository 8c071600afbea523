"""What is known of products, as far as it says something of the products of an index.

Of 120 million known pictures most are in none of its products; the others alone are held in memory.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from catalog.copies import MD5
from catalog.index import iter_index, numbers, read_columns, starts_document

COLUMNS = ["product_id", "category_id", *MD5]


class Known(NamedTuple):
    """Known products, as far as they can label the products of an index or their pictures.

    Attributes:
        pictures: COLUMNS of the pictures that the index has, too, and of all pictures of its own products.
        products: COLUMNS of all pictures of the products of which the index has every picture.
        categories: of all known products, how many `products` and `pictures` (int64) a category has, by its id.
    """

    pictures: pd.DataFrame
    products: pd.DataFrame
    categories: pd.DataFrame

    def most_frequent_category(self) -> int:
        """The category of most known products, the smallest id of several."""
        return int(self.categories["products"].sort_index().idxmax())


def read_known(paths: list[Path], index: pd.DataFrame) -> Known:
    """What the products say that are in all of some indexes, by their pictures in the first.

    Pictures are compared by the first half of their MD5: a few are held that the index has not.

    Args:
        index: of the products that are to be labelled: product_id and md5_hi.

    Raises:
        cli.UserError: like catalog.index.read_index.
    """
    path, *others = paths
    halves, product_ids = (np.unique(index[name].to_numpy()) for name in ("md5_hi", "product_id"))
    in_others = [product_ids_of(other) for other in others]
    counts = {"products": Counter(), "pictures": Counter()}
    is_copy, is_own, begins, last = [], [], [], None
    for rows in iter_index(path, ["product_id", "category_id", "md5_hi"]):
        of_rows, categories = numbers(rows, "product_id"), numbers(rows, "category_id")
        is_first = starts_document(of_rows, last)
        is_known = np.ones(len(rows), bool)
        for each in in_others:
            is_known &= is_among(of_rows, each)
        is_copy.append(is_known & is_among(numbers(rows, "md5_hi"), halves))
        is_own.append(is_known & is_among(of_rows, product_ids))
        begins.append(is_first)
        last = of_rows[-1]
        counts["products"].update(counted(categories[is_known & is_first]))
        counts["pictures"].update(counted(categories[is_known]))
    is_copy, is_own, begins = map(np.concatenate, (is_copy, is_own, begins))
    pictures, products = (
        pd.DataFrame(read_columns(path, COLUMNS, chosen), copy=False)
        for chosen in (is_copy | is_own, all_of_product(is_copy, begins))
    )
    return Known(pictures, products, pd.DataFrame(counts))


def product_ids_of(index: Path) -> np.ndarray:
    """The products of an index, by their numbers in order."""
    found, last = [], None
    for rows in iter_index(index, ["product_id"]):
        of_rows = numbers(rows, "product_id")
        found.append(of_rows[starts_document(of_rows, last)])
        last = of_rows[-1]
    return np.sort(np.concatenate(found))


def is_among(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Whether (bool) each value is among some, which are in order."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    return wanted[np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)] == values


def counted(values: np.ndarray) -> dict[int, int]:
    """How often each value occurs."""
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def all_of_product(is_marked: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Mark (bool) the rows of the products of which all rows are marked; products begin at some rows (bool)."""
    firsts = np.flatnonzero(begins)
    if not len(firsts):
        return is_marked
    return np.repeat(np.logical_and.reduceat(is_marked, firsts), np.diff(firsts, append=len(begins)))
