"""With `retries`, a job whose fault stays is tried once, and one that was killed again."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tiny_workflow import OVERLAY, snakemake

KILLED_ONCE = f"""#!/bin/bash
[ -e tried ] || {{ touch tried; kill -KILL $$; }}
exec {sys.executable} "$@"
"""
WITHOUT_RESULTS = """#!/bin/bash
rm -r results
exit 1
"""


@pytest.fixture
def records(finished_workflow, tmp_path) -> Path:
    """A working directory with records to train from."""
    return Path(shutil.copytree(finished_workflow, tmp_path / "run", symlinks=True))


def train(folder: Path, rate: float):
    """Train M10 for an epoch at a rate that it was not trained at before."""
    config = yaml.safe_load(OVERLAY.read_text()) | {"only": ["M10"]}
    config["models"]["M10"]["phases"] = [{"optimizer": "adam", "schedule": [{"learning_rate": rate, "epochs": 1}]}]
    overlay = folder / "rate.yaml"
    overlay.write_text(yaml.safe_dump(config))
    return snakemake(folder, "--retries", "2", "--", "train_M10", overlay=overlay)


def test_a_loss_that_diverges_does_so_once(records):
    done = train(records, 1e30)
    assert done.returncode == 1
    assert "it runs again" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: epoch 1, batch 2 of ")


@pytest.fixture
def python(tmp_path, monkeypatch) -> Path:
    """The file of what stands for python in jobs."""
    program = tmp_path / "bin/python"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_a_killed_job_runs_again(records, python):
    python.write_text(KILLED_ONCE)
    done = train(records, 0.004)
    assert done.returncode == 0, done.stderr
    assert "Train M10, epoch 0001: attempt 1 of 3 failed, it runs again (SIGKILL ended it" in done.stderr


def test_results_that_are_removed_during_a_run_are_one_line(records, python):
    python.write_text(WITHOUT_RESULTS)
    done = train(records, 0.005)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "error" in line]
    assert line == "error: results: removed during the run; the same command makes all again"
    assert "it runs again" not in done.stderr
