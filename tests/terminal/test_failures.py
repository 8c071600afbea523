"""terminal/failures.py: which line of a failed job a user sees."""

import os
from collections import defaultdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import cli
from terminal import failures, retries


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


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("error: a.bson: byte 7: broken", True),
        ("error: node1: down; another attempt may succeed", False),
        ("error: 200 batches of the epoch are done; the next attempt goes on from there", False),
        ("ValueError: no", False),
        ("", False),
    ],
)
def test_whether_a_fault_stays_is_said_by_the_programs_own_line(tmp_path, line, stays):
    log = tmp_path / "a.log"
    log.write_text(f"read\n{line}\n")
    assert failures.Failure((("Index", log),)).stays() == stays


class TriedJob:
    """As much of a job of Snakemake as is asked after an attempt."""

    message = "Train"

    def __init__(self, log: Path, retries: int):
        self.log, self.attempt = [str(log)], 1
        self.rule = SimpleNamespace(restart_times=retries)

    def is_group(self) -> bool:
        return False

    def runs_again(self, restart_times) -> bool:
        """Whether Snakemake would run it again."""
        again = restart_times(self) > self.attempt - 1
        self.attempt += again
        return again


def test_an_attempt_that_another_one_goes_on_from_does_not_count(tmp_path):
    job = TriedJob(tmp_path / "a.log", retries=1)
    restart_times = partial(retries._restart_times, lambda job: True, defaultdict(set))
    went_on = f"{cli.ERROR}{cli.UnfinishedError('200 batches of the epoch are done')}\n"
    for words, again in [(went_on, True)] * 4 + [("Killed\n", True), (went_on, True), ("Killed\n", False)]:
        Path(job.log[0]).write_text(words)
        assert [job.runs_again(restart_times)] == [again]


def test_what_an_earlier_run_said_of_a_job_is_forgotten(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("error: a.bson: byte 7: broken\n")
    job = SimpleNamespace(log=[str(log)], message="Index")
    assert failures.of([job]).stays()
    retries.forget([job])
    assert not failures.of([job]).stays()
