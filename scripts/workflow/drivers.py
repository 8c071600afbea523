"""One driver per folder of results, and no job twice.

A driver is the Snakemake process that submits jobs. When it dies, its jobs stay in the queue, and the next driver has
to know of them before it plans. A driver's lock ends with its process, so that nobody has to unlock anything.
"""

import contextlib
import fcntl
import getpass
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cli
from workflow.artifact import Artifact
from workflow.outputs import PASSES

POLL_SECONDS = 10.0
# Jobs of these rules that a dead driver left in the queue are waited for; its other jobs are cancelled and made again.
COSTLY_RULES = ("train_epochs", *PASSES.values())

CLAIMED: set[Path] = set()  # locks of folders of results that this process is the driver of


class Job(NamedTuple):
    number: str
    state: str
    comment: str


def check_targets(settings) -> None:
    """Refuse what contradicts that a file which is there is current.

    Args:
        settings: Snakemake's of a DAG.

    Raises:
        cli.UserError: names the way out.
    """
    if settings.forcerun or settings.forcetargets or settings.forceall:
        raise cli.UserError(
            "--forcerun, --force and --forceall: a file that is there is current; delete what is to be made again"
        )
    if "train_epochs" in settings.until:
        raise cli.UserError("--until train_epochs: name the target instead: -- train")


def check_triggers(settings) -> None:
    """Refuse triggers by which Snakemake would train models anew because a path or a number of GPUs has changed.

    A workflow that uses this one as a module has triggers of its own; here profiles/default sets them.

    Args:
        settings: Snakemake's of a DAG.

    Raises:
        cli.UserError: names the way out.
    """
    triggers = sorted(map(str, settings.rerun_triggers))
    if triggers != ["mtime"]:
        raise cli.UserError(
            f"--rerun-triggers {' '.join(triggers)}: a file of Shelfmark that is there is current; run with"
            " --rerun-triggers mtime, or copy Shelfmark's profiles/default beside your Snakefile"
        )


def become(workflow, results: Path, planned: Collection[Artifact]) -> int:
    """Be the only driver of a folder of results; start this process anew where others made some of what was planned.

    Args:
        workflow: Snakemake's.
        planned: what this run makes.

    Returns:
        the descriptor of a lock that the jobs of this driver have to hold, too.

    Raises:
        cli.UserError: names the process that already is the driver.
    """
    claim(results)
    jobs_lock, has_waited = wait_for_orphans(results)
    if planned and not workflow.local_exec:
        has_waited |= take_over_jobs(results, workflow.scheduler._executor.run_uuid)
    if has_waited or any(all(map(os.path.exists, artifact.files.values())) for artifact in planned):
        os.chdir(workflow.rundir)  # which the arguments are relative to
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    tidy(results)
    return jobs_lock


def _open(path: Path) -> int:
    """Open a lock's file, which all may open who may write into its folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        with contextlib.suppress(PermissionError):  # another user's, who has done it
            os.fchmod(lock, path.parent.stat().st_mode & 0o666)
    except OSError as error:
        raise cli.UserError(f"{path}: cannot be opened: {error.strerror}; set the config key results") from error
    return lock


def claim(results: Path) -> None:
    """Make this process the only driver of a folder of results, until it ends.

    Raises:
        cli.UserError: names the process that already is.
    """
    path = results / ".driver.lock"
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise cli.UserError(
            f"{results}: another driver works here ({path.read_text().strip()}); wait until it has finished, or stop it"
        ) from error
    except OSError as error:
        raise cli.UserError(f"{path}: cannot be locked: {error.strerror}; work on another file system") from error
    os.ftruncate(lock, 0)
    text = f"process {os.getpid()} of {getpass.getuser()} on {socket.gethostname()} since {time.ctime()}\n"
    os.write(lock, text.encode())
    CLAIMED.add(path.absolute())


def removed() -> list[Path]:
    """The folders of results of this driver that somebody has removed since, even if jobs have made them again."""
    return [path.parent for path in CLAIMED if not path.exists()]


def wait_for_orphans(results: Path) -> tuple[int, bool]:
    """Wait for jobs on this machine that outlived an earlier driver, as nobody's GPU and file is for two.

    A driver passes the lock on to its jobs, and the kernel holds it until the last of them has ended.

    Returns:
        the lock's file descriptor, and whether there was any such job: what is on disk is then not what this driver
        planned with.
    """
    lock = _open(results / ".jobs.lock")
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


def tidy(results: Path) -> None:
    """Remove what killed jobs left half-written, and set back times to come; no job may be running.

    Snakemake stops at an output that is older than an input, even where times decide nothing: so files from a machine
    whose clock is fast would end a run.
    """
    now = time.time()
    for folder, _, names in os.walk(results):
        for path in (Path(folder, name) for name in names):
            if cli.TEMPORARY.match(path.name):
                if path.parent != results:  # there, other programs may be writing a page
                    path.unlink(missing_ok=True)
            elif path.stat().st_mtime > now:
                os.utime(path)


def holders(lock: int) -> list[int]:
    """The other processes that have a lock's file open, as far as this user may see."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.path.samestat(link.stat(), os.fstat(lock)):
                found.add(int(link.parts[2]))
    return sorted(found - {os.getpid()})


def take_over_jobs(results: Path, run: str) -> bool:
    """Settle what an earlier driver left in the queue: wait for running epochs and predictions, cancel the rest.

    Args:
        run: the name that SLURM's jobs of this driver will have, noted for the next one.

    Returns:
        whether there was anything: what is on disk is then not what this driver planned with.
    """
    noted = results / ".slurm-run"
    before = noted.read_text().split() if noted.exists() else []
    with cli.written_whole(noted) as (temporary,):
        temporary.write_text("\n".join([*before, run]))
    kept, cancelled = divide(queued_jobs(before))
    if cancelled:
        print(f"cancelling jobs of an earlier driver: {numbers(cancelled)}", file=sys.stderr)
        _slurm("scancel", *(job.number for job in cancelled))
    if kept:
        print(
            f"waiting for jobs of an earlier driver: {numbers(kept)} (scancel them to lose their work and go on)",
            file=sys.stderr,
        )
    while queued_jobs(before):
        time.sleep(POLL_SECONDS)
    with cli.written_whole(noted) as (temporary,):
        temporary.write_text(run)
    return bool(kept or cancelled)


def divide(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    """Divide the jobs of a dead driver into those worth waiting for and those to cancel."""
    kept = [job for job in jobs if job.state != "PENDING" and any(rule in job.comment for rule in COSTLY_RULES)]
    return kept, [job for job in jobs if job not in kept]


def numbers(jobs: list[Job]) -> str:
    return " ".join(job.number for job in jobs)


def queued_jobs(runs: list[str]) -> list[Job]:
    """The unfinished jobs of earlier drivers, by the names that these gave their jobs."""
    if not runs:
        return []
    lines = _slurm("squeue", f"--name={','.join(runs)}", "--noheader", "--format=%i|%T|%k").splitlines()
    return [Job(*line.split("|", 2)) for line in lines]


def _slurm(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise cli.UserError(f"{command[0]}: {error.stderr.strip()}") from error
