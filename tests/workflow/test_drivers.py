"""workflow.drivers lets one driver work on a folder of results and settles what a dead one left in the queue."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from snakemake.settings.enums import RerunTrigger
from snakemake.settings.types import DAGSettings

import cli
from checkout import SCRIPTS
from disks import small_disk
from workflow import drivers

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
    with pytest.raises(cli.UserError, match=f"process {other_driver.pid} of "):
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
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", ORPHAN]
    driver = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=False)
    orphan = int(driver.stdout)
    ending = threading.Timer(1.0, os.kill, (orphan, signal.SIGKILL))
    ending.start()
    assert drivers.wait_for_orphans(tmp_path)[1]
    assert f"waiting for jobs of an earlier driver on this machine: {orphan} " in capsys.readouterr().err


def test_without_such_jobs_nobody_waits(tmp_path):
    lock, has_waited = drivers.wait_for_orphans(tmp_path)
    os.close(lock)
    assert not has_waited


def test_the_jobs_of_an_earlier_driver_are_asked_for_by_its_name_for_them(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(drivers, "_slurm", lambda *command: asked.append(command) or "")
    assert not drivers.take_over_jobs(tmp_path, "first")
    assert not asked
    assert not drivers.take_over_jobs(tmp_path, "second")
    assert {command[1] for command in asked} == {"--name=first"}


def test_what_an_earlier_driver_left_in_the_queue_is_settled_before_a_plan_counts(tmp_path, monkeypatch, capsys):
    answers = ["7|RUNNING|rule_index_catalog_wildcards_train\n", "", ""]
    monkeypatch.setattr(drivers, "_slurm", lambda *command: answers.pop(0))
    drivers.take_over_jobs(tmp_path, "first")
    assert drivers.take_over_jobs(tmp_path, "second")
    assert capsys.readouterr().err == "cancelling jobs of an earlier driver: 7\n"


def test_what_killed_jobs_left_half_written_is_removed(tmp_path):
    folder = tmp_path / "models/M01"
    folder.mkdir(parents=True)
    for path in (folder / ".123-0a1b2c3d.0001.params", folder / "0001.params", tmp_path / ".77-0a1b2c3d.curves.html"):
        path.touch()
    drivers.tidy(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"0001.params", ".77-0a1b2c3d.curves.html"}


def test_a_time_to_come_is_set_back(tmp_path):
    early, late = tmp_path / "early.npy", tmp_path / "late.npy"
    for path, seconds in ((early, 10**9), (late, 4 * 10**9)):
        path.touch()
        os.utime(path, (seconds, seconds))
    drivers.tidy(tmp_path)
    assert early.stat().st_mtime == 10**9
    assert late.stat().st_mtime <= time.time()


def test_a_lock_can_be_opened_by_all_who_may_write_into_its_folder(tmp_path):
    tmp_path.chmod(0o770)
    drivers.claim(tmp_path / ".")
    assert (tmp_path / ".driver.lock").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("option", "words"),
    [("forcerun", "a file that is there is current"), ("until", "name the target instead: -- train")],
)
def test_what_contradicts_paths_that_say_what_is_in_them_is_refused(option, words):
    with pytest.raises(cli.UserError, match=words):
        drivers.check_targets(DAGSettings(**{option: {"train_epochs"}}))


def test_a_workflow_that_uses_this_one_has_to_leave_times_as_the_only_trigger():
    drivers.check_triggers(DAGSettings(rerun_triggers={RerunTrigger.MTIME}))
    with pytest.raises(cli.UserError, match="--rerun-triggers code input mtime params software-env: a file"):
        drivers.check_triggers(DAGSettings())


def test_running_epochs_and_predictions_are_kept_and_the_rest_cancelled():
    jobs = [
        drivers.Job("1", "RUNNING", "rule_M07-3_train_epochs"),
        drivers.Job("2", "PENDING", "rule_M08-0_train_epochs"),
        drivers.Job("3", "COMPLETING", "rule_predict_images_wildcards_test_M01_0003"),
        drivers.Job("4", "RUNNING", "rule_index_catalog_wildcards_train"),
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
        drivers.queued_jobs(["a-run"])


def test_results_on_a_read_only_disk_are_named_with_the_way_out(tmp_path):
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        line = r"disk/results/\.driver\.lock: cannot be opened: Read-only file system; set the config key results"
        with pytest.raises(cli.UserError, match=line):
            drivers.claim(disk / "results")


def test_results_that_are_gone_are_noticed_even_if_they_are_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(drivers, "CLAIMED", set())
    results = tmp_path / "results"
    drivers.claim(results)
    assert drivers.removed() == []
    shutil.rmtree(results)
    (results / "logs").mkdir(parents=True)
    assert drivers.removed() == [results]
