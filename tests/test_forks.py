"""forks.py: answers come in turn, faults as they were raised, and no process stays."""

import errno
import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest

import cli
import forks


def count(first: int, stop: int, step: int, end: Exception | None = None) -> Iterator[bytes]:
    """Numbers as bytes; then an end of another kind, if one is given."""
    for number in range(first, stop, step):
        yield b"%d" % number
    if end:
        raise end


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("numbers", [0, 1, 2, 3, 10])
def test_answers_come_in_turn(processes, numbers):
    works = [partial(count, first, numbers, processes) for first in range(processes)]
    assert list(forks.answers_in_turn(works)) == [b"%d" % number for number in range(numbers)]
    assert multiprocessing.active_children() == []


def test_an_answer_may_be_empty_and_large():
    works = [lambda: iter([b"", bytes(1 << 22)])]
    assert list(map(len, forks.answers_in_turn(works))) == [0, 1 << 22]


@pytest.mark.parametrize(
    "fault",
    [
        cli.UserError("a.bson: byte 3: bad"),
        cli.PassingError("no memory"),
        MemoryError("12 GiB"),
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a.bson"),
    ],
)
def test_a_fault_is_raised_in_its_turn(fault):
    found = []
    with pytest.raises(type(fault)) as raised:
        found.extend(forks.answers_in_turn([partial(count, 0, 4, 2), partial(count, 1, 2, 2, fault)]))
    assert str(raised.value) == str(fault)
    assert raised.value.args[:2] == fault.args[:2]
    assert multiprocessing.active_children() == []


def test_what_ends_a_process_is_told():
    def die() -> Iterator[bytes]:
        yield b"first"
        os.kill(os.getpid(), signal.SIGKILL)

    answers = forks.answers_in_turn([die])
    assert next(answers) == b"first"
    with pytest.raises(forks.DeathError) as raised:
        next(answers)
    assert raised.value.signal == signal.SIGKILL


def test_who_asks_no_further_leaves_no_process():
    answers = forks.answers_in_turn([partial(count, 0, 10**9, 1)] * 2)
    assert next(answers) == b"0"
    answers.close()
    assert multiprocessing.active_children() == []
