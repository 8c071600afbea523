"""catalog/joins.py beside dictionaries of counters, as the published scripts use them."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from catalog.copies import first_copies, picture_numbers
from catalog.joins import known_pictures, known_sets, majority_categories, picture_sets, single_categories
from catalog.layout import NO_CATEGORY


def draw_index(seed: int, products: int = 300, pictures: int = 250, first_id: int = 0) -> pd.DataFrame:
    """An index whose products share pictures; MD5s differ in one half only, often."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, products)
    product = np.repeat(np.arange(products), counts)
    digest = rng.integers(0, pictures, len(product))
    return pd.DataFrame(
        {
            "product_id": first_id + rng.permutation(products)[product],
            "category_id": rng.integers(1, 5, products)[product] * 10,
            "md5_hi": (digest % 20).astype(np.uint64) + np.uint64(2**63),
            "md5_lo": (digest // 20).astype(np.uint64),
        }
    )


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
    known = known_pictures(index)
    found = dict(zip(digests(known), zip(known.category_id, known.categories, strict=True), strict=True))
    assert found == expected
    assert len(known) == len(expected)


def test_a_tie_goes_to_the_category_with_more_pictures():
    index = pd.DataFrame({"category_id": [20, 10, 20], "md5_hi": [1, 1, 2], "md5_lo": [0, 0, 0]}, dtype=np.uint64)
    assert known_pictures(index).category_id.tolist() == [20, 20]


@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_take_the_categories_of_known_copies(seed):
    index, known = draw_index(seed), draw_index(seed + 100, pictures=400)
    large = 2**53  # a number from which float64 leaves out the odd ones
    known.category_id += large
    counters = defaultdict(Counter)
    for digest, category_id in zip(digests(known), known.category_id, strict=True):
        counters[digest][category_id] += 1
    single, majority = single_categories(index, known), majority_categories(index, known)
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


@pytest.mark.parametrize("seed", SEEDS)
def test_known_sets_are_those_of_a_single_category(seed):
    known = draw_index(seed, pictures=12)
    (sets,) = picture_sets(known)
    categories = defaultdict(set)
    for product_id, category_id in zip(known.product_id, known.category_id, strict=True):
        categories[sets[product_id]].add(category_id)
    expected = {number: ids.pop() for number, ids in categories.items() if len(ids) == 1}
    assert known_sets(known, sets).to_dict() == expected
    assert 0 < len(expected) < len(categories)


def test_numbers_of_pictures_hold_across_indexes():
    first, second = draw_index(1), draw_index(2)
    numbers = dict(zip(digests(first), picture_numbers(first, second)[0], strict=True))
    for digest, number in zip(digests(second), picture_numbers(first, second)[1], strict=True):
        assert numbers.setdefault(digest, number) == number
    assert len(set(numbers.values())) == len(numbers)


def test_an_empty_index_joins_with_any_other():
    empty, full = draw_index(1).iloc[:0], draw_index(1)
    assert first_copies(empty).tolist() == []
    assert len(known_pictures(empty)) == 0
    assert [len(sets) for sets in picture_sets(empty, full)] == [0, 300]
