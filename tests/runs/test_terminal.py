"""What a user sees on the terminal, in real runs."""

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
from tiny_workflow import OVERLAY, artifacts_in, snakemake

PROFILES = sorted(folder.name for folder in (ROOT / "profiles").iterdir() if folder.name != "default")


# Real runs of a workflow of a few shell commands

SNAKEFILE = f"""
import collections, sys
sys.path.insert(0, {str(ROOT / "scripts")!r})
from terminal import handler, retries
why = lambda: collections.defaultdict(str)
handler.take_over(workflow)
retries.heed_faults(lambda job: True)
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
rule slow:
    output: "slow"
    message: "Wait"
    shell: "touch started; sleep 2; touch {{output}}"
rule after:
    input: "slow"
    output: "after"
    shell: "touch {{output}}"
onerror:
    handler.record(workflow)
rule passing:
    output: "passing"
    log: "passing.log"
    message: "Pass"
    shell: "echo try >> tries; echo 'error: node1: down; another attempt may succeed' > {{log}}; exit 1"
rule silent:
    output: "silent"
    log: "silent.log"
    shell: "echo try >> tries; echo Boom: no memory > {{log}}; exit 3"
rule killed:
    output: "killed"
    shell: "kill -9 $$"
"""


def heed_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(command: list, folder: Path) -> subprocess.Popen:
    """Start a driver as a shell does in the foreground: in a group of processes of its own."""
    return subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - the test has no threads
    )


def wait_for(folder: Path, pattern: str) -> None:
    """Wait until a job is at work; before, a starting Python may lose a signal."""
    end = time.monotonic() + 60
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.01)


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


@pytest.mark.parametrize(
    ("rule", "name", "words"),
    [
        ("passing", "Pass", "node1: down"),
        ("silent", "silent", "exit status 3; the last line of its log: Boom: no memory"),
    ],
)
def test_a_job_that_runs_again_has_failed_only_with_its_last_attempt(tmp_path, rule, name, words):
    lines = small_workflow(tmp_path, "--retries", "2", rule)
    tried = [line for line in lines if "it runs again" in line]
    assert tried == [f"{name}: attempt {n} of 3 failed, it runs again ({words})" for n in (1, 2)]
    assert (tmp_path / "tries").read_text() == "try\n" * 3
    assert lines[-2].startswith(f"failed: {name}; log: {rule}.log")
    assert lines[-1].removesuffix("; another attempt may succeed") == f"error: {words}"


def test_a_fault_that_its_program_says_to_stay_is_met_once(tmp_path):
    lines = small_workflow(tmp_path, "--retries", "2", "spoken")
    assert (tmp_path / "tries").read_text() == "try\n"
    assert not [line for line in lines if "attempt" in line]
    assert lines[-2:] == ["failed: Speak; log: spoken.log", "error: a.bson: byte 3: broken"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_asked_alone_to_end_takes_note_of_what_its_jobs_finish(tmp_path, number):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "after"]
    driver = start(command, tmp_path)
    wait_for(tmp_path, "started")
    driver.send_signal(number)
    lines = driver.communicate(timeout=60)[1].splitlines()
    assert driver.returncode == 1
    assert lines.count("interrupted; the same command goes on (1 of 2 jobs are done)") == 1
    assert lines[-1] == "interrupted; the same command goes on (1 of 2 jobs are done)"
    assert (tmp_path / "slow").exists()
    assert not (tmp_path / "after").exists()


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


@pytest.mark.parametrize("profile", ["gpu", "small"])  # which say nothing of rules, and all
def test_a_truncated_catalog_ends_with_its_line(profile, truncated_catalog, tmp_path):
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


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(tmp_path):
    program = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    catalog = artifacts_in(tmp_path).data.catalog["train"]
    command = [*program, "--configfile", OVERLAY, "--cores", "1", "--", catalog]
    driver = start(command, ROOT)
    wait_for(tmp_path, "results/catalog-*/.*.train.bson")
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
