"""What equal pictures say: joins over indexes by MD5, vectorised for tens of millions of rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from catalog.copies import MD5, picture_numbers
from catalog.index import starts_document
from catalog.known import Known, all_of_product, is_among
from catalog.layout import NO_CATEGORY

NOT_FOUND = -1


def known_pictures(known: Known) -> pd.DataFrame:
    """What categories the copies of each picture have.

    Returns:
        A row per distinct MD5: md5_hi, md5_lo, and the columns of ranked_categories; copies are counted.
    """
    (numbers,) = picture_numbers(known.pictures)
    pictures = known.pictures[MD5].iloc[any_row_of_each(numbers)].reset_index(drop=True)
    categories = known.pictures.category_id.to_numpy()
    return pictures.join(ranked_categories(numbers, categories, known.categories["pictures"]))


def any_row_of_each(numbers: np.ndarray) -> np.ndarray:
    """A row (int64) that has the number, for each number 0..count-1."""
    rows = np.empty(numbers.max(initial=-1) + 1, np.int64)
    rows[numbers] = np.arange(len(numbers))
    return rows


def ranked_categories(numbers: np.ndarray, category_ids: np.ndarray, totals: pd.Series) -> pd.DataFrame:
    """The two categories of most rows, for each number.

    On equal counts the one with the larger total comes first, then the smaller id (published tie rule,
    data/bson_md5_dict.py of the published solution).

    Args:
        numbers, category_ids: of each row; the numbers are 0..count-1.
        totals: how many rows a category has under all numbers, by its id, also of those that are not given.

    Returns:
        A row per number: category_id, copies (its rows), total; other_id, other_copies, other_total of the second
        category, without copies where there is only one; categories, how many there are.
    """
    categories, ids = pd.factorize(category_ids, sort=True)
    totals = totals.reindex(ids).to_numpy()
    pairs, copies = np.unique(numbers * len(ids) + categories, return_counts=True)
    number, category = np.divmod(pairs, max(len(ids), 1))
    firsts = np.searchsorted(number, np.arange(number.max(initial=-1) + 1))
    distinct = np.diff(firsts, append=len(number))
    order = np.arange(len(number))
    several = np.flatnonzero(np.repeat(distinct > 1, distinct))  # few: to sort all would take longer than all the rest
    of_several = category[several]
    order[several] = several[np.lexsort((of_several, -totals[of_several], -copies[several], number[several]))]
    first, second = order[firsts], order[firsts + (distinct > 1)]
    return pd.DataFrame(
        {
            "category_id": ids[category[first]],
            "copies": copies[first],
            "total": totals[category[first]],
            "other_id": ids[category[second]],
            "other_copies": np.where(distinct > 1, copies[second], 0),
            "other_total": totals[category[second]],
            "categories": distinct,
        },
        copy=False,
    )


def rows_of_pictures(index: pd.DataFrame, pictures: pd.DataFrame) -> np.ndarray:
    """The row (int64) that each picture of an index has in a table with a row per MD5; NOT_FOUND where it has none."""
    wanted, numbers = picture_numbers(index, pictures)
    rows = np.full(max(wanted.max(initial=-1), numbers.max(initial=-1)) + 1, NOT_FOUND)
    rows[numbers] = np.arange(len(numbers))
    return rows[wanted]


class Own(NamedTuple):
    """What known rows are a product's own: their category, how many count for a number, and how many there are."""

    category_id: np.ndarray | int
    copies: np.ndarray | int
    total: np.ndarray | int


NOTHING = Own(NO_CATEGORY, 0, 0)
Rule = Callable[[pd.DataFrame, Own], np.ndarray]


def only_category(ranked: pd.DataFrame, own: Own) -> np.ndarray:
    """The one category (int64) in rows of ranked_categories without a product's own; else NO_CATEGORY."""
    first, other = _copies_of_others(ranked, own)
    categories = ranked.categories - (first == 0) - ((other == 0) & (ranked.other_copies > 0))
    return np.where(categories == 1, np.where(first > 0, ranked.category_id, ranked.other_id), NO_CATEGORY)


def most_common_category(ranked: pd.DataFrame, own: Own) -> np.ndarray:
    """The first category (int64) in rows of ranked_categories without a product's own; NO_CATEGORY for none."""
    first, other = _copies_of_others(ranked, own)
    total = ranked.total - np.where(ranked.category_id == own.category_id, own.total, 0)
    is_tie = (first == other) & (total == ranked.other_total)
    is_first = (first > other) | ((first == other) & (total > ranked.other_total))
    is_first |= is_tie & (ranked.category_id < ranked.other_id)
    labels = np.where(is_first, ranked.category_id, ranked.other_id)
    return np.where(np.maximum(first, other) > 0, labels, NO_CATEGORY)


def _copies_of_others(ranked: pd.DataFrame, own: Own) -> tuple[pd.Series, pd.Series]:
    """Copies of the first and of the second category that are not a product's own."""
    return (
        ranked.copies - np.where(ranked.category_id == own.category_id, own.copies, 0),
        ranked.other_copies - np.where(ranked.other_id == own.category_id, own.copies, 0) * (ranked.other_copies > 0),
    )


def single_categories(index: pd.DataFrame, known: Known) -> np.ndarray:
    """The one category (int64) that all copies of a picture have among the known pictures, for each row of an index.

    A product is not among its own known ones: of the pictures of a product that is in both, the copies in its own rows
    do not count. NO_CATEGORY where a picture is not known, or is known under several categories.
    """
    return _labels(index, known, only_category)


def majority_categories(index: pd.DataFrame, known: Known) -> np.ndarray:
    """The category (int64) of most copies of a picture among the known ones, for each row of an index.

    Copies in a product's own rows do not count. NO_CATEGORY where a picture is not known.
    """
    return _labels(index, known, most_common_category)


def _labels(index: pd.DataFrame, known: Known, rule: Rule) -> np.ndarray:
    pictures = known_pictures(known)
    rows = np.full(len(index), NOT_FOUND)
    may_be_known = np.flatnonzero(is_among(index.md5_hi.to_numpy(), np.unique(pictures.md5_hi)))
    rows[may_be_known] = rows_of_pictures(index[MD5].iloc[may_be_known], pictures)
    labels = np.full(len(index), NO_CATEGORY)
    is_found = rows != NOT_FOUND
    labels[is_found] = rule(pictures, NOTHING)[rows[is_found]]
    shared = np.flatnonzero(is_found & index.product_id.isin(known.pictures.product_id))
    if len(shared):
        own = _own_rows(index.iloc[shared], known.pictures)
        labels[shared] = rule(pictures.iloc[rows[shared]].reset_index(drop=True), own)
    return labels


def _own_rows(index: pd.DataFrame, known: pd.DataFrame) -> Own:
    """What each row of an index finds in the known rows of its own product."""
    own = known[known.product_id.isin(index.product_id)]
    products = own.groupby("product_id").category_id.agg(["first", "size"]).reindex(index.product_id)
    copies = own.groupby(["product_id", *MD5]).size().rename("copies").reset_index()
    found = index[["product_id", *MD5]].merge(copies, how="left", on=["product_id", *MD5]).copies
    return Own(products["first"].to_numpy(), found.fillna(0).to_numpy(np.int64), products["size"].to_numpy())


def picture_sets(*indexes: pd.DataFrame) -> list[pd.Series]:
    """Number the distinct sets of picture MD5s that products have, over all indexes together.

    Returns:
        For each index a series: product_id -> number of its set (int64). Order and copies of a product's
        pictures do not count.
    """
    products, numbers, bounds = [], [], [0]
    all_pictures = picture_numbers(*indexes)
    count = 1 + max(pictures.max(initial=0) for pictures in all_pictures)
    for frame, pictures in zip(indexes, all_pictures, strict=True):
        product, product_ids = pd.factorize(frame.product_id.to_numpy(), sort=True)
        products.append(product_ids)
        numbers.append(distinct_values((bounds[-1] + product) * count + pictures))
        bounds.append(bounds[-1] + len(product_ids))
    sets = _number_groups(*np.divmod(np.concatenate(numbers), count), bounds[-1])
    return [
        pd.Series(sets[start:stop], index=ids)
        for ids, start, stop in zip(products, bounds[:-1], bounds[1:], strict=True)
    ]


def distinct_values(values: np.ndarray) -> np.ndarray:
    """The distinct values in order. NumPy's unique looks them up in a table, which takes ten times as long for many."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def _number_groups(groups: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """Number the distinct groups of members; equal groups have the same number.

    Args:
        groups, members: int64, pairs in their order, none of them twice.
        count: groups are 0..count-1.

    Returns:
        The number of each group (int64); -1 for one without members.
    """
    sizes = np.bincount(groups, minlength=count)
    starts = np.cumsum(sizes) - sizes
    sets, used = np.full(count, -1, np.int64), 0
    limit = members.max(initial=0) + 1
    for size in np.unique(sizes[sizes > 0]).tolist():
        of_size = np.flatnonzero(sizes == size)
        number = np.zeros(len(of_size), np.int64)
        for position in range(size):
            number, _ = pd.factorize(number * limit + members[starts[of_size] + position])
        sets[of_size] = used + number
        used += number.max() + 1
    return sets


def known_product_categories(index: pd.DataFrame, known: Known) -> pd.Series:
    """The category of products whose set of pictures equals that of known products with exactly one category.

    A product is not among its own known ones.

    Returns:
        product_id -> category_id, for those products alone.
    """
    may_be_known = is_among(index.md5_hi.to_numpy(), np.unique(known.products.md5_hi))
    of_products = all_of_product(may_be_known, starts_document(index.product_id.to_numpy(), None))
    known_sets, sets = picture_sets(known.products, index[of_products])
    categories = known.products.drop_duplicates("product_id").set_index("product_id").category_id
    numbers, rows = np.unique(known_sets.reindex(categories.index), return_inverse=True)
    ranked = ranked_categories(rows, categories.to_numpy(), known.categories["products"])
    sets = sets[sets.isin(numbers)]
    is_own = known_sets.reindex(sets.index).to_numpy() == sets.to_numpy()
    own_categories = categories.reindex(sets.index, fill_value=NO_CATEGORY).to_numpy()
    found = ranked.iloc[np.searchsorted(numbers, sets)].reset_index(drop=True)
    labels = pd.Series(only_category(found, Own(own_categories, is_own.astype(np.int64), 0)), index=sets.index)
    return labels[labels != NO_CATEGORY]
