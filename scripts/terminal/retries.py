"""Which failed jobs run again: those whose program did not say that the fault stays.

Snakemake's `retries` counts attempts and does not ask why one failed; a cluster tells the driver that a job failed, not
its program's exit code. What both have is the job's log, whose last line cli.fail wrote. Before Snakemake runs a job
again, on any executor, it asks for the job's `restart_times`: these are none where that line says that the fault stays.
"""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.jobs import GroupJob, Job

from terminal import failures

COUNTED = {kind: kind.restart_times.fget for kind in (Job, GroupJob)}


def heed_faults(is_ours: Callable[[Job], bool]) -> None:
    """Have jobs whose fault stays tried once, as far as they are ours and not of another workflow."""
    for kind, counted in COUNTED.items():
        kind.restart_times = property(functools.partial(_restart_times, counted, is_ours))


def _restart_times(counted: Callable[[Job], int], is_ours: Callable[[Job], bool], job: Job | GroupJob) -> int:
    jobs = list(job.jobs) if job.is_group() else [job]
    return 0 if all(map(is_ours, jobs)) and failures.of(jobs).stays() else counted(job)


def forget(jobs: Iterable[Job]) -> None:
    """Remove what earlier runs wrote into the logs of jobs that are about to run: it says nothing of this run's."""
    for job in jobs:
        for log in job.log:
            Path(log).unlink(missing_ok=True)
