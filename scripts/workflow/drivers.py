"""One driver per folder, and no SLURM job twice.

A driver is the Snakemake process that submits jobs. Where it dies, its jobs stay in the queue; the next driver
has to know of them before it plans. The kernel releases a dead process's lock, so nobody has to unlock.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import cli

POLL_SECONDS = 10.0
# Their outputs are made from a file that says what they depend on. The outputs of other rules are only known to
# be up to date by what a living driver notes when the job ends, so they are made again.
COSTLY_RULES = ("train_epochs", "predict_images")


class Job(NamedTuple):
    number: str
    state: str
    comment: str
    folder: str


def claim(folder: Path) -> None:
    """Make this process the folder's only driver, until it ends.

    Raises:
        cli.UserError: names the process that already is.
    """
    path = folder / ".snakemake" / "driver.lock"
    path.parent.mkdir(exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise cli.UserError(
            f"{folder}: another driver works here ({path.read_text().strip()}); wait until it has finished, or stop it"
        ) from error
    except OSError as error:
        raise cli.UserError(f"{path}: cannot be locked: {error.strerror}; work on another file system") from error
    os.ftruncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {socket.gethostname()} since {time.ctime()}\n".encode())


def wait_for_orphans(folder: Path) -> tuple[int, bool]:
    """Wait for jobs on this machine that outlived an earlier driver, as nobody's GPU and file is for two.

    A driver passes the lock on to its jobs, and the kernel holds it until the last of them has ended.

    Returns:
        the lock's file descriptor, and whether there was any such job: what is on disk is then not what this driver
        planned with.
    """
    lock = os.open(folder / ".snakemake" / "jobs.lock", os.O_RDWR | os.O_CREAT, 0o644)
    has_waited = False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(
            f"waiting for jobs of an earlier driver on this machine: {' '.join(map(str, holders(lock)))}"
            " (end them to lose their work and go on)",
            file=sys.stderr,
        )
        fcntl.flock(lock, fcntl.LOCK_EX)
        has_waited = True
    return lock, has_waited


def holders(lock: int) -> list[int]:
    """The other processes that have a lock's file open, as far as this user may see."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.path.samestat(link.stat(), os.fstat(lock)):
                found.add(int(link.parts[2]))
    return sorted(found - {os.getpid()})


def take_over_jobs(folder: Path) -> bool:
    """Settle what an earlier driver left in the queue: wait for running epochs and predictions, cancel the rest.

    Returns whether there was anything: what is on disk is then not what this driver planned with.
    """
    kept, cancelled = divide(queued_jobs(folder))
    if cancelled:
        print(f"cancelling jobs of an earlier driver: {numbers(cancelled)}", file=sys.stderr)
        _slurm("scancel", *(job.number for job in cancelled))
    if kept:
        print(
            f"waiting for jobs of an earlier driver: {numbers(kept)} (scancel them to lose their work and go on)",
            file=sys.stderr,
        )
    while queued_jobs(folder):
        time.sleep(POLL_SECONDS)
    return bool(kept or cancelled)


def divide(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    """Divide the jobs of a dead driver into those worth waiting for and those to cancel."""
    kept = [job for job in jobs if job.state != "PENDING" and any(rule in job.comment for rule in COSTLY_RULES)]
    return kept, [job for job in jobs if job not in kept]


def numbers(jobs: list[Job]) -> str:
    return " ".join(job.number for job in jobs)


def queued_jobs(folder: Path) -> list[Job]:
    """The user's unfinished jobs that a driver submitted from a folder."""
    lines = _slurm("squeue", "--me", "--noheader", "--format=%i|%T|%k|%Z").splitlines()
    jobs = [Job(*line.split("|", 3)) for line in lines]
    return [job for job in jobs if job.folder == str(folder) and job.comment.startswith(("rule_", "group_"))]


def _slurm(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise cli.UserError(f"{command[0]}: {error.stderr.strip()}") from error
