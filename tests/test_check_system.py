"""What a system lacks is said in one line, before anything is installed."""

import ast
import os
import subprocess
import sys

import pytest

import check_system
from checkout import ROOT

ALL = set(check_system.LIBRARIES)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_a_supported_python_with_everything_gives_no_complaint(version):
    assert check_system.complaint(version, True, ALL) is None


def test_one_line_names_all_that_is_missing_and_the_packages():
    assert check_system.complaint((3, 13), False, set()) == (
        "error: missing here: Python's venv module, libgomp.so.1, libquadmath.so.0;"
        " on Debian: apt-get install python3-venv libgomp1 libquadmath0"
    )


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_named_with_those_that_are_supported(version):
    line = check_system.complaint(version, True, ALL)
    assert f"Python 3.11, 3.12 or 3.13 (found: 3.{version[1]})" in line


def test_this_system_is_complete():
    program = [sys.executable, ROOT / "scripts/check_system.py"]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_library_that_is_not_there_does_not_load():
    assert not check_system.loads("libnothing.so.1")


def test_an_old_python_can_read_the_program():
    ast.parse((ROOT / "scripts/check_system.py").read_text(), feature_version=(3, 7))


def planned_setup(path: str) -> str:
    """The commands by which make would set up .venv with this PATH."""
    command = ["make", "--dry-run", "--always-make", ".venv/.installed"]
    return subprocess.run(command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, check=True).stdout


def test_make_takes_the_newest_python_that_runs(tmp_path):
    shim, real = tmp_path / "python3.13", tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    real.symlink_to(sys.executable)
    assert "python3.12 -m venv" in planned_setup(f"{tmp_path}:{os.defpath}")
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert "python3.13 -m venv" in planned_setup(f"{tmp_path}:{os.defpath}")
