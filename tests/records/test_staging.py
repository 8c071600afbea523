"""Records that are copied to the node's own disk, and what is left there."""

import os
import subprocess
import sys

import pytest

import cli
from checkout import ROOT
from disks import small_disk
from records import staging
from records.staging import staged

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "shared/train.rec"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    path.with_suffix(".idx").write_text("0\t0\n")
    return path


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def test_records_are_read_from_their_copy_and_nothing_of_it_stays(records, disk, capsys):
    with staged(records, str(disk)) as copy:
        assert copy != records
        assert copy.stat().st_ino != records.stat().st_ino
        assert copy.stat().st_dev == disk.stat().st_dev
        records.write_bytes(b"")
        assert copy.read_bytes() == CONTENT
        assert copy.with_suffix(".idx").read_text() == "0\t0\n"
    assert list(disk.iterdir()) == []
    assert f"{records}: 0 MB copied to {disk} in " in capsys.readouterr().err


def test_without_a_folder_records_stay_where_they_are(records, capsys):
    with staged(records, None) as copy:
        assert copy == records
    assert capsys.readouterr().err == ""


def test_a_folder_may_be_a_variable_of_the_environment(records, disk, monkeypatch):
    monkeypatch.setenv("NODE_DISK", str(disk))
    with staged(records, "$NODE_DISK") as copy:
        assert copy.is_relative_to(disk)


def test_a_variable_that_is_not_set_is_told_and_records_stay_where_they_are(records, monkeypatch, capsys):
    monkeypatch.delenv("NODE_DISK", raising=False)
    with staged(records, "$NODE_DISK") as copy:
        assert copy == records
    told = capsys.readouterr().err
    assert (
        told == f"warning: {records} is not copied to $NODE_DISK, and is read where it is: No such file or directory\n"
    )


def test_where_there_is_no_room_records_stay_where_they_are(records, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(staging.os, "posix_fallocate", pytest.fail)
    with small_disk(tmp_path / "small", 12 << 10) as disk:
        records.write_bytes(bytes(16 << 10))
        with staged(records, str(disk)) as copy:
            assert copy == records
            assert list(disk.iterdir()) == []
    told = capsys.readouterr().err
    assert told == f"warning: {records} is not copied to {disk}, and is read where it is: No space left on device\n"


def test_room_that_another_takes_meanwhile_is_held_no_longer(records, tmp_path, monkeypatch, capsys):
    real, held = os.posix_fallocate, []

    def taken(descriptor, offset, size):
        held.append(descriptor)
        (disk / "another").write_bytes(bytes(8 << 10))
        real(descriptor, offset, size)

    monkeypatch.setattr(staging.os, "posix_fallocate", taken)
    with small_disk(tmp_path / "small", 12 << 10) as disk:
        records.write_bytes(bytes(8 << 10))
        with staged(records, str(disk)) as copy:
            assert copy == records
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(held[0])
    assert "is read where it is: No space left on device" in capsys.readouterr().err


def test_a_fault_of_the_copy_names_the_records(records, disk):
    with pytest.raises(cli.UserError) as told, staged(records, str(disk)) as copy:
        raise cli.UserError(f"{copy}: byte 12: no whole record")
    assert str(told.value) == f"{records}: byte 12: no whole record"


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
import cli
from records.staging import staged

def main():
    with staged(Path(sys.argv[1]), sys.argv[2]):
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))
        time.sleep(60)

cli.run(main)
"""


def end_while_staged(records, disk, signal: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-c", PROGRAM, records, disk, signal]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_a_job_that_ends_before_its_time_limit_leaves_nothing(records, disk):
    assert end_while_staged(records, disk, "SIGTERM") == 143
    assert list(disk.iterdir()) == []


def test_a_killed_job_leaves_links_to_nothing(records, disk):
    assert end_while_staged(records, disk, "SIGKILL") == -9
    left = [path for path in disk.rglob("*") if not path.is_dir()]
    assert sorted(path.name for path in left) == ["train.idx", "train.rec"]
    assert all(path.is_symlink() for path in left)
    assert not (left[0].with_name("train.rec")).exists()
