"""What equal pictures say: joins over indexes by MD5, vectorised for tens of millions of rows."""

import numpy as np
import pandas as pd

from catalog.copies import MD5, picture_numbers
from catalog.layout import NO_CATEGORY

NOT_FOUND = -1


def known_pictures(index: pd.DataFrame) -> pd.DataFrame:
    """What categories the copies of each picture have.

    Returns:
        A row per distinct MD5: md5_hi, md5_lo, category_id, categories. categories is the number of distinct
        categories; category_id the one with most copies, on equal counts the one with more pictures in the
        index, then the smaller id (published tie rule, data/bson_md5_dict.py of the published solution).
    """
    (numbers,) = picture_numbers(index)
    category_ids, categories = np.unique(index.category_id.to_numpy(), return_inverse=True)
    totals = np.bincount(categories)
    pairs, copies = np.unique(numbers * len(category_ids) + categories, return_counts=True)
    picture, category = np.divmod(pairs, len(category_ids))
    order = np.lexsort((category, -totals[category], -copies, picture))
    _, firsts, distinct = np.unique(picture[order], return_index=True, return_counts=True)
    rows = np.unique(numbers, return_index=True)[1]
    known = index[MD5].iloc[rows].reset_index(drop=True)
    return known.assign(category_id=category_ids[category[order][firsts]], categories=distinct)


def rows_of_pictures(index: pd.DataFrame, pictures: pd.DataFrame) -> np.ndarray:
    """The row (int64) that each picture of an index has in a table with a row per MD5; NOT_FOUND where it has none."""
    rows = pictures[MD5].assign(row=np.arange(len(pictures)))
    return index[MD5].merge(rows, how="left", on=MD5).row.fillna(NOT_FOUND).to_numpy(np.int64)


def single_categories(index: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """The one category (int64) that all copies of a picture have among the known pictures, for each row of an index.

    NO_CATEGORY where a picture is not known, or is known under several categories.
    """
    pictures = known_pictures(known)
    return _categories(index, pictures[pictures.categories == 1])


def majority_categories(index: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """The category (int64) of most copies of a picture among the known ones, for each row of an index.

    NO_CATEGORY where a picture is not known.
    """
    return _categories(index, known_pictures(known))


def _categories(index: pd.DataFrame, pictures: pd.DataFrame) -> np.ndarray:
    rows = rows_of_pictures(index, pictures)
    categories = np.full(len(index), NO_CATEGORY)
    is_found = rows != NOT_FOUND
    categories[is_found] = pictures.category_id.to_numpy()[rows[is_found]]
    return categories


def picture_sets(*indexes: pd.DataFrame) -> list[pd.Series]:
    """Number the distinct sets of picture MD5s that products have, over all indexes together.

    Returns:
        For each index a series: product_id -> number of its set (int64). Order and copies of a product's
        pictures do not count.
    """
    products, numbers, bounds = [], [], [0]
    for frame, pictures in zip(indexes, picture_numbers(*indexes), strict=True):
        product_ids, product = np.unique(frame.product_id.to_numpy(), return_inverse=True)
        pairs = np.unique(np.stack([product, pictures], 1), axis=0) if len(frame) else np.empty((0, 2), np.int64)
        products.append(product_ids)
        numbers.append(pairs + np.array([bounds[-1], 0]))
        bounds.append(bounds[-1] + len(product_ids))
    sets = _number_groups(np.concatenate(numbers), bounds[-1])
    return [
        pd.Series(sets[start:stop], index=ids)
        for ids, start, stop in zip(products, bounds[:-1], bounds[1:], strict=True)
    ]


def _number_groups(pairs: np.ndarray, count: int) -> np.ndarray:
    """Number the distinct groups of members; equal groups have the same number.

    Args:
        pairs: (group, member), int64, sorted, none of them twice.
        count: groups are 0..count-1.

    Returns:
        The number of each group (int64); -1 for one without members.
    """
    sizes = np.bincount(pairs[:, 0], minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sets, used = np.full(count, -1, np.int64), 0
    for size in np.unique(sizes[sizes > 0]):
        groups = np.flatnonzero(sizes == size)
        members = pairs[starts[groups][:, None] + np.arange(size), 1]
        _, number = np.unique(members, axis=0, return_inverse=True)
        sets[groups] = used + number
        used += number.max() + 1
    return sets


def known_sets(known: pd.DataFrame, sets: pd.Series) -> pd.Series:
    """The category of each set of pictures that known products of exactly one category have.

    Args:
        known: index of the known products.
        sets: their sets, from picture_sets.

    Returns:
        set number -> category_id.
    """
    categories = known.drop_duplicates("product_id").set_index("product_id").category_id
    grouped = categories.groupby(sets.reindex(categories.index).to_numpy())
    return grouped.first()[grouped.nunique() == 1]
