"""workflow.drivers lets one driver work in a folder and settles what a dead one left in the queue."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import cli
from workflow import drivers

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
HOLD = "import pathlib, time; from workflow import drivers; drivers.claim(pathlib.Path.cwd()); print(1); time.sleep(60)"


@pytest.fixture
def other_driver(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-uc", HOLD]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_second_driver_is_refused_and_told_which_the_first_is(other_driver, tmp_path):
    with pytest.raises(cli.UserError, match=f"process {other_driver.pid} on"):
        drivers.claim(tmp_path)


def test_a_killed_driver_leaves_no_lock(other_driver, tmp_path):
    other_driver.kill()
    other_driver.wait()
    drivers.claim(tmp_path)


ORPHAN = """
import os, pathlib, subprocess
from workflow import drivers
lock, _ = drivers.wait_for_orphans(pathlib.Path.cwd())
print(subprocess.Popen(["sleep", "60"], pass_fds=[lock], stdout=subprocess.DEVNULL).pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_jobs_that_outlive_their_driver_are_waited_for(tmp_path, capsys):
    (tmp_path / ".snakemake").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", ORPHAN]
    driver = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=False)
    orphan = int(driver.stdout)
    ending = threading.Timer(1.0, os.kill, (orphan, signal.SIGKILL))
    ending.start()
    assert drivers.wait_for_orphans(tmp_path)[1]
    assert f"waiting for jobs of an earlier driver on this machine: {orphan} " in capsys.readouterr().err


def test_without_such_jobs_nobody_waits(tmp_path):
    (tmp_path / ".snakemake").mkdir()
    lock, has_waited = drivers.wait_for_orphans(tmp_path)
    os.close(lock)
    assert not has_waited


def squeue(monkeypatch, *lines):
    monkeypatch.setattr(drivers, "_slurm", lambda *command: "".join(f"{line}\n" for line in lines))


def test_only_a_drivers_jobs_of_this_folder_count(monkeypatch):
    squeue(
        monkeypatch,
        "1|RUNNING|rule_index_catalog_wildcards_train|/data/a",
        "2|RUNNING|rule_index_catalog_wildcards_train|/data/b",
        "3|RUNNING|(null)|/data/a",
    )
    assert [job.number for job in drivers.queued_jobs(Path("/data/a"))] == ["1"]


def test_running_epochs_and_predictions_are_kept_and_the_rest_cancelled():
    jobs = [
        drivers.Job("1", "RUNNING", "rule_M07-3_train_epochs", "/a"),
        drivers.Job("2", "PENDING", "rule_M08-0_train_epochs", "/a"),
        drivers.Job("3", "COMPLETING", "rule_predict_images_wildcards_test_M01_0003", "/a"),
        drivers.Job("4", "RUNNING", "rule_index_catalog_wildcards_train", "/a"),
    ]
    kept, cancelled = drivers.divide(jobs)
    assert drivers.numbers(kept) == "1 3"
    assert drivers.numbers(cancelled) == "2 4"


def test_a_queue_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    program = tmp_path / "squeue"
    program.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(cli.UserError, match=r"squeue: .*Unable to contact slurm controller"):
        drivers.queued_jobs(Path("/a"))
