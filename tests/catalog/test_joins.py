"""catalog/joins.py beside dictionaries of counters, as the published scripts use them."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from catalog.copies import first_copies, picture_numbers
from catalog.joins import (
    known_pictures,
    known_product_categories,
    majority_categories,
    picture_sets,
    single_categories,
)
from catalog.layout import NO_CATEGORY
from known_products import all_known, draw_index


def digests(index: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(index.md5_hi, index.md5_lo, strict=True))


SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_first_copies_are_those_not_seen_before(seed):
    index = draw_index(seed)
    seen, expected = set(), []
    for digest in digests(index):
        expected.append(digest not in seen)
        seen.add(digest)
    assert first_copies(index).tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_known_pictures_have_the_published_majority(seed):
    index = draw_index(seed)
    counters, totals = defaultdict(Counter), Counter(index.category_id)
    for digest, category_id in zip(digests(index), index.category_id, strict=True):
        counters[digest][category_id] += 1
    expected = {
        digest: (max(counts, key=lambda c: (counts[c], totals[c], -c)), len(counts))
        for digest, counts in counters.items()
    }
    known = known_pictures(all_known(index))
    found = dict(zip(digests(known), zip(known.category_id, known.categories, strict=True), strict=True))
    assert found == expected
    assert len(known) == len(expected)


def test_a_tie_goes_to_the_category_with_more_pictures():
    columns = {"product_id": [1, 2, 3], "category_id": [20, 10, 20], "md5_hi": [1, 1, 2], "md5_lo": [0, 0, 0]}
    assert known_pictures(all_known(pd.DataFrame(columns, dtype=np.uint64))).category_id.tolist() == [20, 20]


@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_take_the_categories_of_known_copies(seed):
    index, known = draw_index(seed), draw_index(seed + 100, pictures=400, first_id=1000)
    large = 2**53  # a number from which float64 leaves out the odd ones
    known.category_id += large
    counters = defaultdict(Counter)
    for digest, category_id in zip(digests(known), known.category_id, strict=True):
        counters[digest][category_id] += 1
    single, majority = (rule(index, all_known(known)) for rule in (single_categories, majority_categories))
    assert single.dtype == majority.dtype == np.int64
    found = defaultdict(int)
    for digest, one, most in zip(digests(index), single.tolist(), majority.tolist(), strict=True):
        categories = counters.get(digest, {})
        found[min(len(categories), 2)] += 1
        assert one == (next(iter(categories)) if len(categories) == 1 else NO_CATEGORY)
        assert most == NO_CATEGORY if not categories else categories[most] == max(categories.values())
    assert set(found) == {0, 1, 2}


@pytest.mark.parametrize("seed", SEEDS)
def test_sets_are_equal_where_products_have_the_same_pictures(seed):
    known, test = draw_index(seed, pictures=12), draw_index(seed + 100, pictures=12, first_id=1000)
    numbers = pd.concat(picture_sets(known, test))
    pictures = defaultdict(set)
    for frame in (known, test):
        for product_id, digest in zip(frame.product_id, digests(frame), strict=True):
            pictures[product_id].add(digest)
    assert set(numbers.index) == set(pictures)
    by_number, by_pictures = defaultdict(set), defaultdict(set)
    for product_id, digest_set in pictures.items():
        by_number[numbers[product_id]].add(product_id)
        by_pictures[frozenset(digest_set)].add(product_id)
    assert sorted(map(sorted, by_number.values())) == sorted(map(sorted, by_pictures.values()))


def picture_sets_of(index: pd.DataFrame) -> dict[int, frozenset]:
    found = defaultdict(set)
    for product_id, digest in zip(index.product_id, digests(index), strict=True):
        found[product_id].add(digest)
    return {product_id: frozenset(pictures) for product_id, pictures in found.items()}


def plain_product_categories(index: pd.DataFrame, known: pd.DataFrame) -> dict[int, int]:
    """The one category of other known products with the same pictures, product by product."""
    categories, sets = dict(zip(known.product_id, known.category_id, strict=True)), picture_sets_of(known)
    found = {}
    for product_id, pictures in picture_sets_of(index).items():
        others = {categories[other] for other in sets if other != product_id and sets[other] == pictures}
        found |= {product_id: others.pop()} if len(others) == 1 else {}
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("first_id", [1000, 150, 0])
def test_products_take_the_one_category_of_other_products_with_their_pictures(seed, first_id):
    known, test = draw_index(seed, pictures=12), draw_index(seed + 100, pictures=12, first_id=first_id)
    found = known_product_categories(test, all_known(known))
    assert found.dtype == np.int64
    assert found.to_dict() == plain_product_categories(test, known)
    assert 0 < len(found) < 300


def test_a_product_that_is_sorted_again_is_not_its_own_twin_but_another_one_is():
    known = pd.DataFrame(
        {"product_id": [1, 2, 3], "category_id": [10, 10, 20], "md5_hi": [1, 2, 2], "md5_lo": [0, 0, 0]}
    ).astype({"md5_hi": np.uint64, "md5_lo": np.uint64})
    assert known_product_categories(known, all_known(known)).to_dict() == {2: 20, 3: 10}
    assert single_categories(known, all_known(known)).tolist() == [NO_CATEGORY, 20, 10]
    assert majority_categories(known, all_known(known)).tolist() == [NO_CATEGORY, 20, 10]


@pytest.mark.parametrize(("seed", "pictures"), [(1, 30), (2, 60)])
def test_pictures_of_a_known_product_are_labelled_as_if_it_were_not_known(seed, pictures):
    known = draw_index(seed, products=40, pictures=pictures)
    # Some products are the same, some have other pictures now, some are new.
    index = pd.concat([known.iloc[:50], draw_index(seed + 50, 20, pictures, first_id=30)], ignore_index=True)
    for rule in (single_categories, majority_categories):
        labels = rule(index, all_known(known))
        for product_id in index.product_id.unique():
            rows = (index.product_id == product_id).to_numpy()
            of_others = all_known(known[known.product_id != product_id])
            assert labels[rows].tolist() == rule(index[rows], of_others).tolist()
    of_all = all_known(known)
    assert (single_categories(index, of_all) != single_categories(index.assign(product_id=-1), of_all)).any()


def test_numbers_of_pictures_hold_across_indexes():
    first, second = draw_index(1), draw_index(2)
    numbers = dict(zip(digests(first), picture_numbers(first, second)[0], strict=True))
    for digest, number in zip(digests(second), picture_numbers(first, second)[1], strict=True):
        assert numbers.setdefault(digest, number) == number
    assert len(set(numbers.values())) == len(numbers)


def test_an_empty_index_joins_with_any_other():
    empty, full = draw_index(1).iloc[:0], draw_index(1)
    assert first_copies(empty).tolist() == []
    assert len(known_pictures(all_known(empty))) == 0
    assert [len(sets) for sets in picture_sets(empty, full)] == [0, 300]
