"""catalog/copies.py beside a dictionary."""

import numpy as np
import pytest

from catalog.copies import MD5, all_of_one_category, first_copies, picture_numbers


def halves(rows: int, pictures: int, spread: int) -> dict[str, np.ndarray]:
    """MD5s of rows that share pictures.

    Args:
        spread: by how much the upper halves of different pictures differ; 0 for not at all.
    """
    picture = np.random.default_rng(rows).integers(0, pictures, rows).astype(np.uint64)
    md5_hi = np.uint64(2**63) + picture // np.uint64(3) * np.uint64(spread)
    return dict(zip(MD5, (md5_hi, picture % np.uint64(3)), strict=True))


def digests(index: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    return list(zip(*(index[half].tolist() for half in MD5), strict=True))


SHAPES = [(0, 1), (1, 1), (2, 1), (2, 9), (500, 3), (500, 300), (513, 100_000)]


@pytest.mark.parametrize(("rows", "pictures"), SHAPES)
@pytest.mark.parametrize("spread", [0, 1, 1 << 8, 1 << 40])
def test_first_copies_are_those_not_seen_before(rows, pictures, spread):
    index = halves(rows, pictures, spread)
    found = digests(index)
    assert first_copies(index).tolist() == [digest not in found[:row] for row, digest in enumerate(found)]


@pytest.mark.parametrize("spread", [0, 1, 1 << 8, 1 << 40])
def test_pictures_of_all_indexes_are_numbered_in_the_order_of_their_md5s(spread):
    indexes = [halves(rows, pictures, spread) for rows, pictures in SHAPES]
    expected = {
        digest: number for number, digest in enumerate(sorted({each for index in indexes for each in digests(index)}))
    }
    for index, numbers in zip(indexes, picture_numbers(*indexes), strict=True):
        assert numbers.tolist() == [expected[digest] for digest in digests(index)]


@pytest.mark.parametrize(("rows", "pictures"), SHAPES)
@pytest.mark.parametrize("categories", [1, 2, 90])
def test_pictures_of_one_category_are_those_whose_copies_agree(rows, pictures, categories):
    index = halves(rows, pictures, 1 << 40)
    index["category_id"] = np.random.default_rng(7).integers(0, categories, rows)
    found = list(zip(digests(index), index["category_id"].tolist(), strict=True))
    expected = [len({category for other, category in found if other == digest}) == 1 for digest, _ in found]
    assert all_of_one_category(index).tolist() == expected
