"""catalog/published_random.py beside Python's random."""

import random

import numpy as np
import pytest

from catalog.published_random import STEPS_AT_A_TIME, PublishedRandom, exchange

SEEDS = [1, 12648430, 2**40]
SIZES = [*range(10), 63, 64, 65, 1000, STEPS_AT_A_TIME, 150_001]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_shuffle_and_the_samples_after_it_are_those_of_python(seed, size):
    python, here = random.Random(seed), PublishedRandom(seed)
    expected = list(range(2**40, 2**40 + size))
    found = here.shuffled(np.array(expected, np.int64))
    python.shuffle(expected)
    assert found.tolist() == expected
    for count in (0, size // 20, size // 2, size):
        assert here.sample(found, count).tolist() == python.sample(expected, count)


@pytest.mark.parametrize("size", [84, 85, 86])
def test_a_sample_is_drawn_otherwise_from_more_values(size):
    assert PublishedRandom(3).sample(np.arange(size), 20).tolist() == random.Random(3).sample(range(size), 20)


def test_what_is_shuffled_stays_as_it_was():
    values = np.arange(100)
    assert PublishedRandom(1).shuffled(values).tolist() != values.tolist() == list(range(100))


@pytest.mark.parametrize("size", [1, 2, 5, 30, 300])
@pytest.mark.parametrize("steps", [1, 2, 30, 300])
def test_exchanges_are_made_one_after_the_other(size, steps):
    rng = np.random.default_rng(size + 1000 * steps)
    steps = min(steps, size)
    for _ in range(20):
        targets = rng.integers(0, np.arange(size, size - steps, -1))
        values = rng.permutation(size)
        expected = values.tolist()
        for position, target in zip(range(size - 1, -1, -1), targets.tolist(), strict=False):
            expected[position], expected[target] = expected[target], expected[position]
        exchange(values, size - 1, targets)
        assert values.tolist() == expected
