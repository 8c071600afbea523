"""Which failed jobs run again: those whose program did not say that the fault stays.

Snakemake's `retries` counts attempts and does not ask why one failed; a cluster tells the driver that a job failed, not
its program's exit code. What both have is the job's log, whose last line cli.fail wrote. Before Snakemake runs a job
again, on any executor, it asks for the job's `restart_times`: these are none where that line says that the fault stays.
An attempt that ended because its time was over, and whose work another one goes on from, does not count.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.jobs import GroupJob, Job

from terminal import failures

COUNTED = Job.restart_times.fget


def heed_faults(is_ours: Callable[[Job], bool]) -> None:
    """Have jobs whose fault stays tried once, as far as they are ours and not of another workflow."""
    restart_times = property(functools.partial(_restart_times, is_ours, defaultdict(set)))
    Job.restart_times = GroupJob.restart_times = restart_times


def _restart_times(is_ours: Callable[[Job], bool], went_on: dict[Job | GroupJob, set[int]], job: Job | GroupJob) -> int:
    """How often a job may run again.

    Args:
        went_on: by job, the attempts that did not count.
    """
    jobs = list(job.jobs) if job.is_group() else [job]
    counted = max(map(COUNTED, jobs))
    if not all(map(is_ours, jobs)):
        return counted
    failure = failures.of(jobs)
    if failure.goes_on():
        went_on[job].add(job.attempt)
    return 0 if failure.stays() else counted + len(went_on[job])


def forget(jobs: Iterable[Job]) -> None:
    """Remove what earlier runs wrote into the logs of jobs that are about to run: it says nothing of this run's."""
    for job in jobs:
        for log in job.log:
            Path(log).unlink(missing_ok=True)
