"""A run whose driver or jobs are killed again and again ends by the same command, with nothing done twice."""

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tiny_workflow import start_snakemake

pytestmark = pytest.mark.slow

KILLS = 15
SECONDS = (1.0, 9.0)  # of a run before something in it is killed


def epochs(folder: Path) -> dict[Path, int]:
    """When each finished epoch was written, in ns."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("results/models/M*/????-*.params")}


def contents(folder: Path) -> dict[Path, bytes]:
    """What a run leaves, by path below the results.

    Without epochs' metrics, which hold their speed.
    """
    results = folder / "results"
    parts = ("classes-*.csv", "records/**/*", "models/*/*.params", "probabilities/**/*", "submission/*", "evaluation/*")
    files = {path for part in parts for path in results.glob(part) if path.is_file()}
    return {path.relative_to(results): path.read_bytes() for path in files}


def kill_something(chance: random.Random, driver: subprocess.Popen) -> str:
    """Kill the driver alone, the driver with all its jobs, or one process of a job; returns which."""
    children = psutil.Process(driver.pid).children(recursive=True)
    victim = chance.choice(["driver", "group", "job"] if children else ["driver"])
    match victim:
        case "driver":
            driver.kill()
        case "group":
            os.killpg(driver.pid, signal.SIGKILL)
        case "job":
            chance.choice(children).kill()
    return victim


def test_whatever_is_killed_the_same_command_goes_on_and_no_epoch_is_trained_again(finished_workflow, tmp_path):
    chance = random.Random(16)
    finished: dict[Path, int] = {}
    victims = []
    while len(victims) < KILLS:
        with (tmp_path / "log").open("w") as log:
            driver = start_snakemake(tmp_path, stdout=log, stderr=log)
            try:
                assert driver.wait(chance.uniform(*SECONDS)) == 0, (tmp_path / "log").read_text()
                break
            except subprocess.TimeoutExpired:
                victims.append(kill_something(chance, driver))
            status = driver.wait(120)
        assert status != 0 or victims[-1] == "job"
        now = epochs(tmp_path)
        assert now.items() >= finished.items(), f"trained again after {victims}"
        finished = now
    print(f"{len(victims)} kills: {Counter(victims)}")
    with (tmp_path / "log").open("w") as log:
        assert start_snakemake(tmp_path, stdout=log, stderr=log).wait(300) == 0, (tmp_path / "log").read_text()
    assert epochs(tmp_path).items() >= finished.items(), f"trained again after {victims}"
    assert contents(tmp_path) == contents(finished_workflow)
