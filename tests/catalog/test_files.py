"""Several files that are read as if they were one."""

import numpy as np
import pytest

from catalog.files import Files

CONTENTS = [b"abc", b"d", b"efghij"]


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{number}.bson" for number in range(len(CONTENTS))]
    for path, content in zip(paths, CONTENTS, strict=True):
        path.write_bytes(content)
    with Files(paths) as opened:
        yield opened


def test_offsets_count_on_from_file_to_file(files):
    assert files.size == 10
    assert [files.read(offset, 1) for offset in range(10)] == [bytes([octet]) for octet in b"abcdefghij"]
    assert files.numbers(np.array([0, 2, 3, 4, 9])).tolist() == [0, 0, 1, 2, 2]
    assert files.place(5) == (files.paths[2], 1)


def test_a_file_ends_where_it_ends(files):
    assert files.read(1, 5) == b"bc"


@pytest.mark.parametrize(
    ("run", "piece"),
    [((0, 10), (0, 0, 3)), ((2, 3), (0, 2, 1)), ((3, 5), (1, 0, 1)), ((4, 6), (2, 0, 6)), ((5, 9), (2, 1, 9))],
)
def test_a_run_is_cut_where_a_file_ends_but_for_the_last(files, run, piece):
    assert files.piece(*run) == piece
