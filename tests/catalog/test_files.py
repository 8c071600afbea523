"""Several files that are read as if they were one."""

import os

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


def test_offsets_are_located_in_their_files(files):
    descriptors, offsets = files.located(np.array([9, 0, 3, 4, 2]))
    assert [os.pread(*each) for each in zip(descriptors, [1] * 5, offsets, strict=True)] == [
        b"j",
        b"a",
        b"d",
        b"e",
        b"c",
    ]
