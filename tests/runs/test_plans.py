"""Snakemake plans exactly what is missing, from whatever state and place a finished run is in.

What is missing after which change is tested in test_staleness.py, without Snakemake.
"""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from tiny_workflow import OVERLAY, artifacts_in, copy_checkout
from workflow import outputs
from workflow.artifact import Artifact


class Checkout:
    """A copy of a checkout with finished results."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.results = folder / "results"

    def planned(self, changes: dict | None = None) -> set[str]:
        """The jobs of a dry run, as Snakemake decides."""
        command = [sys.executable, ROOT / "tests/runs/list_jobs.py", "--configfile", OVERLAY, self.change(changes)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return {" ".join([rule, *wildcards.values()]) for rule, wildcards, _ in json.loads(done.stdout)}

    def missing(self, changes: dict | None = None) -> set[str]:
        """The jobs that plain Python finds missing."""
        made = artifacts_in(self.folder, OVERLAY, self.change(changes))
        with contextlib.chdir(self.folder):
            found = made.missing(made.target("all"))
        return {_job(artifact) for artifact in found}

    def change(self, changes: dict | None) -> Path:
        path = self.folder / "changes.yaml"
        path.write_text(yaml.safe_dump(changes or {}))
        return path

    def dry_run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", OVERLAY, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def delete(self, pattern: str) -> None:
        for path in list(self.results.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _job(artifact: Artifact) -> str:
    return " ".join([artifact.rule, *outputs.without_digests(artifact.wildcards.items()).values()])


@pytest.fixture
def checkout(finished_workflow, tmp_path):
    folder = copy_checkout(tmp_path / "checkout")
    shutil.copytree(finished_workflow / "results", folder / "results")
    shutil.copytree(finished_workflow / ".snakemake", folder / ".snakemake")
    return Checkout(folder)


RATE = {"optimizer": "nag", "schedule": [{"learning_rate": 0.05, "epochs": 2}, {"learning_rate": 0.02, "epochs": 2}]}
CHANGES = {
    "a rate and an epoch more": {"models": {"M01": {"phases": [RATE]}}},
    "another mean": {"ensembles": {"ensemble-2": {"mean": "arithmetic"}}},
    "another split": {"valid_fraction": 0.3},
    "no known pictures": {"postprocessing": {"picture_md5": "off"}},
    "another start": {"models": {"M11": {"start": {"model": "M01"}}}},
}
DELETED = {
    "nothing": [],
    "data": ["records/*", "split/*", "index/*", "images/*", "classes-*"],
    "early epochs": ["models/*/0001-*", "models/*/*.states"],
    "predictions": ["probabilities/*", "ensemble/*"],
    "the last epoch of a start": ["models/M10/0003-*", "models/M11/*.states"],
    "what people look at": ["by-recipe/*", "submission", "evaluation", "report"],
    "half of a job's files": ["models/M01/*.params", "records/*/*.idx", "by-recipe/evaluation/*/*.parquet"],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deleted", "change"), list(zip(DELETED.values(), itertools.cycle(CHANGES.values()))), ids=DELETED
)
def test_snakemake_plans_what_is_missing_and_nothing_else(checkout, change, deleted):
    for pattern in deleted:
        checkout.delete(pattern)
    assert checkout.planned() == checkout.missing()
    assert checkout.planned(change) == checkout.missing(change)


def test_snakemake_plans_what_a_change_makes_with_records_gone(checkout):
    checkout.delete("records/*")
    change = CHANGES["a rate and an epoch more"]
    planned = checkout.planned(change)
    assert planned == checkout.missing(change)
    assert {job for job in planned if job.startswith(("train", "pack"))} == {
        *("train_epochs M01 0003", "train_epochs M01 0004", "pack_records C train", "pack_records C valid"),
    }


def test_nothing_is_planned_from_a_fresh_clone_after_touch_a_move_or_marks(checkout, tmp_path):
    for path in checkout.results.rglob("*"):
        os.utime(path, (0, hash(path.name) % 10**9))
    marks = checkout.folder / ".snakemake/incomplete"
    marks.mkdir(exist_ok=True)
    for path in checkout.results.glob("models/M01/*.params"):
        (marks / base64.urlsafe_b64encode(str(path.relative_to(checkout.folder)).encode()).decode()).touch()
    assert checkout.planned() == set()
    shutil.rmtree(checkout.folder / ".snakemake")
    moved = Checkout(Path(shutil.move(checkout.folder, tmp_path / "moved")))
    assert moved.planned({"results": str(moved.results)}) == set()


# Enough of conda for Snakemake to plan with.
CONDA = """#!/bin/sh
case "$*" in
  "info --json") echo '{"conda_prefix": "/", "conda_version": "24.9.2", "platform": "linux-64"}' ;;
  *"--version"*) echo "conda 24.9.2" ;;
  *"get channel_priority"*) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""


def test_nothing_is_planned_with_conda_and_other_pins_after_a_run_without(checkout, monkeypatch, tmp_path):
    (tmp_path / "conda").write_text(CONDA)
    (tmp_path / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for path in (checkout.folder / "envs").iterdir():
        with path.open("a") as file:
            file.write("# another pin\n")
    planned = checkout.dry_run("--software-deployment-method", "conda")
    assert "Nothing to be done: all files are there and up to date." in planned


def test_a_file_is_a_target_wherever_the_results_lie(checkout):
    absolute = checkout.change({"results": str(checkout.results)})
    made = artifacts_in(checkout.folder, OVERLAY, absolute)
    target = made.models.epochs["M11"][-1].files["params"]
    checkout.delete("models/M11/*")
    table = checkout.dry_run(str(absolute), "--", target)
    assert ["train_epochs", "2", "not made yet  M11 1-2"] in [line.split(maxsplit=2) for line in table.splitlines()]


def test_what_is_there_cannot_be_forced(checkout):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", OVERLAY, "--forcerun", "train_epochs"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --forcerun, --force and --forceall: a file that is there is")


def test_what_stands_in_the_way_of_a_stable_name_is_named(checkout):
    (checkout.results / "submission/mine.csv.gz").mkdir()
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", OVERLAY]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: results/submission/mine.csv.gz: Is a directory"


@pytest.mark.slow
def test_stable_names_are_of_the_configuration_that_ran_last(checkout):
    def run(changes: dict) -> None:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", OVERLAY, checkout.change(changes)]
        done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def shown() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in checkout.results.glob("[se][uv]*/*")}

    before = shown()
    run({"ensembles": {"ensemble-1": {"models": ["M09"]}, "ensemble-2": None, "mine": {"models": ["M01"]}}})
    now = shown()
    assert set(now) - set(before) == {"mine.csv.gz", "mine.json", "mine.parquet"}
    assert set(before) - set(now) == {"ensemble-2.csv.gz", "ensemble-2.json", "ensemble-2.parquet"}
    assert now["ensemble-1.csv.gz"] != before["ensemble-1.csv.gz"]
    run({})
    assert shown() == before
