"""With `retries`, a job whose fault stays is tried once, and one that was killed again."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tiny_workflow import OVERLAY, snakemake

KILLED_ONCE = f"""#!/bin/bash
[ -e {{tried}} ] || {{{{ touch {{tried}}; kill -KILL $$; }}}}
exec {sys.executable} "$@"
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


def test_a_killed_job_runs_again(records, tmp_path, monkeypatch):
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(KILLED_ONCE.format(tried=tmp_path / "tried"))
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    done = train(records, 0.004)
    assert done.returncode == 0, done.stderr
    assert "Train M10, epoch 0001: attempt 1 of 3 failed, it runs again (SIGKILL ended it" in done.stderr
