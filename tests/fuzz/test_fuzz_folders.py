"""A damaged picture or table is read or named in one line, in bounded time and memory."""

from fuzz_folders import READERS, fuzz


def test_1000_damaged_pictures_and_tables_end_well():
    ends, wrong = fuzz(1000, seed=7)
    assert wrong == []
    assert sum(ends.values()) == 1000
    assert {f"{kind} {end}" for kind in READERS for end in ("taken", "refused")} == set(ends)
