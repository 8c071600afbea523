"""A damaged catalog ends in success or in a clear error, however it is damaged."""

import pytest
from fuzz_catalogs import fuzz_in_processes


def test_300_damaged_catalogs_end_well():
    ends, wrong = fuzz_in_processes(300, seed=5, processes=2)
    assert wrong == []
    assert sum(ends.values()) == 300
    assert {"nothing left", "indexed after skipping", "indexed", "packed", "packed after skipping"} <= set(ends)


@pytest.mark.slow
def test_5000_damaged_catalogs_end_well():
    ends, wrong = fuzz_in_processes(5_000, seed=8, processes=2)
    assert wrong == []
    assert sum(ends.values()) == 5_000
