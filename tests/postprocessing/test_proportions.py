"""Intervals of proportions."""

import numpy as np
import pytest

from postprocessing.proportions import paired_interval, wilson_interval


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (7, 10), (755, 1000), (1000, 1000)])
def test_the_interval_holds_the_proportions_that_the_count_does_not_refute(correct, count):
    for bound in wilson_interval(correct, count):
        deviation = abs(correct / count - bound)
        assert deviation == pytest.approx(1.959964 * np.sqrt(bound * (1 - bound) / count), abs=1e-9)


@pytest.mark.parametrize(("only_first", "only_second"), [(0.05, 0.05), (0.02, 0.1)])
def test_the_paired_interval_holds_the_difference_95_times_of_100(only_first, only_second):
    rng = np.random.default_rng(0)
    both = 1 - only_first - only_second
    counts = rng.multinomial(200, [only_first, only_second, both], 4000)
    intervals = [paired_interval(gained, lost, 200) for lost, gained, _ in counts]
    held = np.mean([low <= only_second - only_first <= high for low, high in intervals])
    assert held == pytest.approx(0.95, abs=0.015)


def test_things_that_agree_have_an_interval_around_none():
    low, high = paired_interval(0, 0, 50)
    assert low == -high < 0
