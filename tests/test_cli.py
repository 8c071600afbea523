"""cli.py: files that are written whole, and how programs end."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import cli
from checkout import SCRIPTS
from disks import largest_file
from postprocessing.shards import NewShard
from training import params_file, states_file


def test_files_are_on_the_disk_before_the_first_is_renamed_and_their_names_afterwards(tmp_path, monkeypatch):
    targets = [tmp_path / "a.json", tmp_path / "b/b.json"]
    synced = []

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        assert [target.exists() for target in targets] == [path.is_dir()] * 2
        synced.append(path if path.is_dir() else path.read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    with cli.written_whole(*targets) as temporaries:
        for temporary in temporaries:
            temporary.write_text(temporary.name)
    assert synced == [*(target.read_text() for target in targets), tmp_path, tmp_path / "b"]


def test_a_disk_that_tells_of_a_fault_when_it_is_asked_leaves_no_file(tmp_path, monkeypatch):
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    def write_it() -> None:
        with cli.written_whole(tmp_path / "a.json") as (temporary,):
            temporary.write_text("{}")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(cli.UserError, match=r"a\.json: cannot be written: Input/output error"):
        write_it()
    assert not list(tmp_path.iterdir())


def test_what_killed_programs_left_goes_when_the_same_file_is_written(tmp_path):
    code = f"""
import os, sys
sys.path.insert(0, {str(SCRIPTS)!r})
from pathlib import Path
import cli
with cli.written_whole(Path({str(tmp_path)!r}, "a.json"), Path({str(tmp_path)!r}, "b.json")) as paths:
    for path in paths:
        path.write_text("half")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name[-7:] for name in left] == [".a.json", ".b.json"]
    of_another_host = re.sub("-[0-9a-f]{8}", "-00000000", left[0])
    of_a_living_process = re.sub(r"\d+", str(os.getppid()), left[0], count=1)
    assert len({left[0], of_another_host, of_a_living_process}) == 3
    for name in (of_another_host, of_a_living_process):
        (tmp_path / name).touch()
    with cli.written_whole(tmp_path / "a.json") as (temporary,):
        temporary.touch()
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", left[1], of_another_host, of_a_living_process}


ARRAYS = {"arg:a": np.random.default_rng(1).random((30, 40), np.float32), "aux:b": np.ones(7, np.float32)}


def states(path: Path) -> None:
    counts = {0: {0: 3, 1: 3}}
    states_file.write(path, states_file.States("SGD", dict(enumerate(ARRAYS.values())), 3, counts, None))


def shard(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        NewShard(file, (30, 40)).write(0, ARRAYS["arg:a"].astype(np.float16))


@pytest.mark.parametrize(
    "write_it",
    [
        lambda path: params_file.write(path, ARRAYS),
        states,
        shard,
        lambda path: path.write_text(cli.as_json(list(range(3000)))),
        lambda path: pd.DataFrame({"a": range(3000)}).to_csv(path),
        lambda path: pd.DataFrame({"a": range(3000)}).to_parquet(path),
    ],
    ids=["params", "states", "shard", "json", "csv", "parquet"],
)
def test_not_a_byte_can_be_missing_without_a_line(tmp_path, write_it):
    with cli.written_whole(tmp_path / "whole") as (temporary,):
        write_it(temporary)
    size = (tmp_path / "whole").stat().st_size

    def write_too_much() -> None:
        with cli.written_whole(tmp_path / "cut") as (temporary,):
            write_it(temporary)

    for room in (0, size // 3, size - 1):
        with (
            largest_file(room),
            pytest.raises(cli.UserError, match=r"cut: cannot be written: .*File too large"),
        ):
            write_too_much()
        assert {path.name for path in tmp_path.iterdir()} == {"whole"}


def test_what_a_failed_program_wrote_goes_and_the_file_before_stays(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("before")

    def write_half() -> None:
        with cli.written_whole(target) as (temporary,):
            temporary.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "before")]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_never_becomes_json(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        cli.as_json({"valid": {"cross_entropy": number}})


def test_of_many_names_the_first_are_told():
    assert cli.some([1, 2]) == "1, 2"
    assert cli.some(list(range(9))) == "0, 1, 2, 3, 4 ..."


def test_the_help_of_a_program_is_its_docstring_as_it_stands():
    docstring = "Do this.\n\nIn: a file.\nOut: another.\n\nExample:\n    python this.py a b\n"
    assert docstring in cli.parser(docstring).format_help()


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (cli.UserError("a.bson: byte 7: broken"), cli.STAYS, "error: a.bson: byte 7: broken"),
        (cli.PassingError("node1: down"), cli.MAY_PASS, "error: node1: down; another attempt may succeed"),
        (OSError(errno.ENOSPC, "Disk full", "a.rec"), cli.STAYS, "error: a.rec: Disk full"),
        (OSError(errno.EIO, "Broken", "a.rec"), cli.MAY_PASS, "error: a.rec: Broken; another attempt may succeed"),
        (MemoryError(), cli.MAY_PASS, "error: memory has run out; another attempt may succeed"),
    ],
)
def test_how_a_program_ends_tells_whether_another_attempt_may_succeed(capsys, monkeypatch, error, status, line):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=str(status)):
        cli.run(Mock(side_effect=error))
    assert capsys.readouterr().err == f"{line}\n"


def test_a_file_that_a_server_did_not_take_may_be_written_by_another_attempt(tmp_path):
    def write(number: int) -> None:
        with cli.written_whole(tmp_path / "a") as (temporary,):
            raise OSError(number, os.strerror(number), temporary)

    with pytest.raises(cli.UserError) as stale:
        write(errno.ESTALE)
    with pytest.raises(cli.UserError) as full:
        write(errno.ENOSPC)
    assert cli.may_pass(stale.value)
    assert not cli.may_pass(full.value)
