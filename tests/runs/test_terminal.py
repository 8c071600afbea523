"""What a user sees on the terminal: what is planned, how far it is, what failed, what was reached."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import tiny_catalogs
from checkout import ROOT
from plan.boxes import Job
from tiny_workflow import OVERLAY, artifacts_in, snakemake
from workflow import failures, listing, reasons
from workflow.progress import Progress

PROFILES = sorted(folder.name for folder in (ROOT / "profiles").iterdir() if folder.name != "default")
LOCAL_PROFILES = [name for name in PROFILES if name != "slurm"]


# A failed job's line


def test_a_programs_error_line_is_its_last_word_whatever_follows_it():
    text = "read\nerror: train.bson: byte 7: broken\nmake: *** [x] Error 2\n"
    assert failures.last_words(text) == "error: train.bson: byte 7: broken"


def test_without_an_error_line_the_last_line_counts_that_is_no_progress_bar():
    text = (
        "Traceback\nValueError: no\n\rM01: 10%|# | 1/10 [00:01<00:09, 1.0batch/s]\rM01: 20%|## | 2/10 [00:02<00:08]\n"
    )
    assert failures.last_words(text) == "ValueError: no"
    assert failures.last_words("") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Command 'x' returned non-zero exit status 1.", "exit status 1"),
        ("Command 'x' returned non-zero exit status 255.", "exit status 255"),
        ("Command 'x' returned non-zero exit status 137.", "SIGKILL ended it (has memory run out?)"),
        ("Command 'x' died with <Signals.SIGSEGV: 11>.", "SIGSEGV ended it"),
        ("SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Reason", "SLURM ended it: timeout"),
        ("*** JOB 7 ON node1 CANCELLED AT 2026-11-25 DUE TO TIME LIMIT ***", "SLURM ended it: time limit"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "SLURM ended it: out of memory"),
        ("nothing of the kind", ""),
    ],
)  # fmt: skip
def test_how_a_job_ended_is_found_in_what_snakemake_and_slurm_say(text, words):
    assert failures.ending(text) == words


def test_a_group_failed_in_the_job_whose_log_was_written_last(tmp_path):
    logs = [tmp_path / f"{number}.log" for number in (1, 2, 3)]
    logs[0].write_text("epoch 1: done\n")
    logs[1].write_text("error: 0002.params: broken\n")
    os.utime(logs[0], (1, 1))
    jobs = tuple((f"epoch {number}", log) for number, log in enumerate(logs, 1))
    failure = failures.Failure(jobs, "", (tmp_path / "9.log",))
    assert failure.text() == f"failed: epoch 2; log: {logs[1]}\nerror: 0002.params: broken"


def test_where_a_log_has_no_reason_slurms_log_is_asked_and_named(tmp_path):
    log, of_slurm = tmp_path / "job.log", tmp_path / "9.log"
    log.write_text("read 7 products\n")
    of_slurm.write_text("*** STEP 9.0 ON node1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***\n")
    assert failures.Failure((("Index", log),), "", (of_slurm,)).text() == (
        f"failed: Index; log: {log}; SLURM's log: {of_slurm}\n"
        "error: SLURM ended it: time limit; the last line of its log: read 7 products"
    )


def test_an_error_of_snakemake_keeps_its_words_and_loses_its_traceback():
    header = 'MissingInputException in rule a in file "Snakefile", line 3'
    text = f'{header}:\nMissing input files:\n    b\n  File "x.py", line 1, in f'
    assert failures.of_snakemake(text) == (f"error: Missing input files: ({header})\n    b")
    assert failures.of_snakemake("WorkflowError:\nNo such target.") == "error: No such target."


# The list of a dry run


def test_names_are_shortened_to_ranges():
    assert listing.ranges(["M03", "M01", "M02", "M05"]) == "M01-M03, M05"
    assert listing.ranges(["ensemble-14", "ensemble-2", "ensemble-1"]) == "ensemble-1, ensemble-2, ensemble-14"
    assert listing.ranges(["007", "M2", "M1", "lite0", "lite1", "lite0-b"]) == "007, M1-M2, lite0, lite1, lite0-b"
    epochs = [("M01", "1"), ("M01", "2"), ("M02", "1"), ("M02", "2"), ("M04", "3")]
    assert listing.names(epochs) == "M01-M02 1-2; M04 3"
    assert listing.names([()]) == ""


def test_jobs_are_listed_by_rule_with_numbers_and_reasons():
    jobs = [
        Job("train_epochs", {"model": "M01", "epoch": "0002"}, "seed: 1 -> 2"),
        Job("train_epochs", {"model": "M01", "epoch": "0001"}, reasons.NEW),
        Job("train_epochs", {"model": "M01", "epoch": "0003"}, reasons.NEW),
        Job("draw_plan", {}, reasons.FOLLOWS),
    ]
    assert listing.table(jobs, 100).splitlines()[1:] == [
        "train_epochs     3  not made yet (2), seed: 1 -> 2 (1)  M01 1-3",
        "draw_plan        1  what it is made from changes",
    ]
    assert listing.counts(jobs) == "4 jobs: 1 model to train, 3 epochs"


# Progress

MODELS = {
    "M01": {"phases": [{"schedule": [{"epochs": 4}]}], "start": {}},
    "M02": {"phases": [{"schedule": [{"epochs": 2}]}], "start": {"model": "M01"}},
}


def epoch(model: str, number: int) -> Job:
    return Job("train_epochs", {"model": model, "epoch": f"{number:04d}"}, "")


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"valid": {"top1": 0.412}}')
    return path


def test_an_epochs_line_has_its_accuracy_and_what_the_rest_takes_as_measured(metrics):
    progress = Progress([epoch("M01", number) for number in (1, 2, 3, 4)], MODELS)
    progress.start(epoch("M01", 1), now=0)
    line = progress.finish(epoch("M01", 1), 600.0, "", metrics, now=840)  # it waited for four minutes
    assert line == "M01 epoch 1 of 4: valid top-1 41.2 %; training 25 % done, 42 min left"


def test_epochs_that_wait_for_one_another_take_their_sum_however_many_run_side_by_side(metrics):
    progress = Progress([epoch("M01", 1), epoch("M01", 2), epoch("M02", 1), epoch("M02", 2)], MODELS)
    progress.start(epoch("M01", 1), now=0)
    line = progress.finish(epoch("M01", 1), 600.0, "", metrics, now=60)  # a pace of ten jobs at a time
    assert line.endswith("30 min left")


def test_nothing_is_estimated_before_a_job_of_the_kind_was_measured(metrics):
    predict = Job("predict_images", {"images": "test", "model": "M01", "shard": "0000"}, "")
    progress = Progress([epoch("M01", 1), epoch("M01", 2), predict], MODELS)
    progress.start(epoch("M01", 1), now=0)
    assert progress.finish(epoch("M01", 1), None, "", metrics, now=9) == "M01 epoch 1 of 4: valid top-1 41.2 %"
    assert progress.done_text() == "1 of 2 epochs and 0 of 1 predictions are done"


def test_an_evaluations_line_has_its_accuracy_and_the_number_of_products(tmp_path):
    job = Job("evaluate_predictions", {"evaluated": "lite-1"}, "")
    evaluation = tmp_path / "lite-1.json"
    evaluation.write_text('{"products": 1359, "accuracy": 0.9694}')
    line = Progress([job, job], MODELS).finish(job, 1.0, "", evaluation, now=1)
    assert line == "lite-1: 96.9 % of 1,359 valid products right"
    evaluation.write_text('{"products": 0, "accuracy": null}')
    assert not Progress([job], MODELS).finish(job, 1.0, "", evaluation, now=1)


def test_shards_share_a_line_and_weights_have_none():
    shards = [Job("predict_images", {"images": "test", "model": "M01", "shard": f"{n:04d}"}, "") for n in range(2)]
    weights = Job("convert_weights", {"weights": "efficientnet-lite0"}, "")
    progress = Progress([*shards, weights], MODELS)
    progress.start(shards[0], now=0)
    assert not progress.finish(weights, None, "Convert the weights", None, now=1)
    assert not progress.finish(shards[0], 5.0, "", None, now=5)
    assert progress.finish(shards[1], 5.0, "", None, now=9) == "M01 predicted test; all prediction done"


def test_a_rule_without_a_line_has_its_message_where_it_took_long():
    jobs = [Job("some_rule", {}, ""), Job("some_rule", {"part": "b"}, "")]
    progress = Progress(jobs, MODELS)
    assert not progress.finish(jobs[0], 0.3, "Do it", None, now=1)
    assert progress.finish(jobs[1], 75.0, "Do it", None, now=76) == "Do it (75 s)"


# Real runs of a workflow of a few shell commands

SNAKEFILE = f"""
import collections, sys
sys.path.insert(0, {str(ROOT / "scripts")!r})
from workflow import terminal
why = lambda: collections.defaultdict(str)
terminal.take_over(workflow)
config = dict(catalog="catalog", results="results", models={{}})
rule all:
    input: "spoken", "silent", "killed", "good"
rule good:
    output: "good"
    shell: "touch {{output}}"
rule spoken:
    output: "spoken"
    log: "spoken.log"
    message: "Speak"
    shell: "echo try >> tries; echo 'error: a.bson: byte 3: broken' > {{log}}; exit 2"
rule silent:
    output: "silent"
    log: "silent.log"
    shell: "echo Boom: no memory > {{log}}; exit 3"
rule killed:
    output: "killed"
    shell: "kill -9 $$"
"""


def small_workflow(folder: Path, *arguments: str) -> list[str]:
    """Run the rules above; returns the lines on stderr."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert not {"Traceback", "CalledProcessError", "Look above"} & set(done.stderr.replace(":", " ").split())
    return done.stderr.splitlines()


def test_of_several_failed_jobs_each_has_its_log_and_its_reason_once_at_the_end(tmp_path):
    lines = small_workflow(tmp_path, "--keep-going")
    start = next(number for number, line in enumerate(lines) if line.startswith("3 jobs failed, 1 of 4 jobs are done"))
    log = lines[start].rpartition(" ")[2]
    assert "exit 3" in (tmp_path / log).read_text()  # the command can be copied from there
    told = lines[start + 1 :]
    assert sorted(zip(told[::2], told[1::2], strict=True)) == [
        ("failed: Speak; log: spoken.log", "error: a.bson: byte 3: broken"),
        ("failed: killed", "error: SIGKILL ended it (has memory run out?); its log says nothing"),
        ("failed: silent; log: silent.log", "error: exit status 3; the last line of its log: Boom: no memory"),
    ]


def test_a_job_that_runs_again_has_failed_only_with_its_last_attempt(tmp_path):
    lines = small_workflow(tmp_path, "--retries", "2", "spoken")
    again = "it runs again (a.bson: byte 3: broken)"
    assert [line for line in lines if "attempt" in line] == [f"Speak: attempt {n} of 3 failed, {again}" for n in (1, 2)]
    assert (tmp_path / "tries").read_text() == "try\n" * 3
    assert lines[-2:] == ["failed: Speak; log: spoken.log", "error: a.bson: byte 3: broken"]


def test_an_error_of_snakemake_itself_is_shown(tmp_path):
    [line] = small_workflow(tmp_path, "no-such-target")
    assert line.startswith("error: No rule to produce no-such-target")


# Real runs of Shelfmark


@pytest.fixture(scope="module")
def truncated_catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truncated")
    for name in ("train", "test"):
        tiny_catalogs.write(folder / f"{name}.bson", tiny_catalogs.products(20))
    train = folder / "train.bson"
    train.write_bytes(train.read_bytes()[:-100])
    return folder


def with_profile(profile: str, folder: Path, catalog: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run with a profile as it is shipped, on a catalog that no rule draws."""
    own = folder / "own.yaml"
    own.write_text(yaml.safe_dump({"generate_catalog": None, "catalog": str(catalog), "results": "results"}))
    overlays = [*(ROOT / "profiles" / profile).glob("overlay.yaml"), own]
    command = [sys.executable, "-m", "snakemake", "--profile", ROOT / "profiles" / profile]
    command += ["--directory", folder, "--configfile", *overlays, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("profile", LOCAL_PROFILES)
def test_a_truncated_catalog_ends_with_its_line_under_each_profile(profile, truncated_catalog, tmp_path):
    done = with_profile(profile, tmp_path, truncated_catalog, "--", "records")
    assert done.returncode == 1
    *_, head, line = done.stderr.splitlines()
    log = r"results/logs/index_catalog/train-[0-9a-f]{10}\.log"
    assert re.fullmatch(rf"failed: Index the pictures of {truncated_catalog}/train\.bson; log: {log}", head)
    assert line.startswith(f"error: {truncated_catalog}/train.bson: byte ")
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert "CalledProcessError" not in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_dry_run_lists_jobs_and_reasons_under_each_profile(profile, truncated_catalog, tmp_path):
    without_conda = ["--software-deployment-method", "env-modules"] if profile == "slurm" else []
    command = ("--dry-run", *without_conda, "--", "records")
    done = with_profile(profile, tmp_path, truncated_catalog, *command)
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert ["index_catalog", "1", "not made yet  train"] in rows
    assert ["label_categories", "1", "not made yet"] in rows
    assert done.stdout.splitlines()[-1].startswith("Dry run, nothing was started. ")


def heed_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(tmp_path):
    program = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    catalog = artifacts_in(tmp_path).data.catalog["train"]
    command = [*program, "--configfile", OVERLAY, "--cores", "1", "--", catalog]
    driver = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - the test has no threads
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob("results/catalog-*/.*.train.bson")):  # before, a starting Python may lose the signal
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: to the driver and to its jobs
    *_, line = driver.communicate(timeout=60)[1].splitlines()
    assert driver.returncode != 0
    assert line == "interrupted; the same command goes on (0 of 1 jobs are done; waiting for running jobs to end)"
    assert not [path for path in (tmp_path / "results").rglob("*") if path.suffix in (".bson", ".csv")]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr.endswith("catalog drawn\nDone in under 1 min.\n")


def test_a_finished_run_ends_with_accuracies_and_paths_and_makes_a_missing_report(finished_workflow, tmp_path):
    report = finished_workflow / "results/report.html"
    assert "learning-curves.svg" in report.read_text()
    folder = Path(shutil.copytree(finished_workflow, tmp_path / "copy", symlinks=True))
    (folder / "results/report.html").unlink()
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr
    summary = (folder / "results/evaluation/summary.txt").read_text()
    assert done.stderr.endswith(
        "Nothing to be done: all files are there and up to date.\n"
        f"\n{summary}\nsubmissions: results/submission/\nreport:      results/report.html\n"
    )
    report = folder / "results/report.html"
    assert "learning-curves.svg" in report.read_text()


def test_a_report_that_cannot_be_written_is_a_warning(finished_workflow, tmp_path):
    folder = Path(shutil.copytree(finished_workflow, tmp_path / "copy", symlinks=True))
    report = folder / "results/report.html"
    report.unlink()
    report.mkdir()
    os.utime(report, (1, 1))
    done = snakemake(folder)
    assert done.returncode == 0
    assert "\nwarning: no report: results/report.html: cannot be written: " in done.stderr
    assert done.stderr.endswith("report:      none\n")
