"""Stable names for people: submission/, evaluation/, audit/, report/, answers/ and review/ below the results.

They are copies of what lies by recipe, and always belong to the configuration that ran last: before a run those of
another one go, and each is put in place as soon as its own is made.
"""

import contextlib
import filecmp
import functools
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

import cli
from workflow.artifact import Artifact, write_recipe
from workflow.artifacts import Artifacts

# What the folders hold; files of other kinds in them are their owner's.
KINDS = {
    "submission": (".csv.gz",),
    "evaluation": (".json", ".parquet", ".csv", ".txt"),
    "audit": (".csv", ".html"),
    "report": (".svg", ".html", ".tsv", ".rst"),
    "answers": (".parquet", ".csv.gz"),
    "review": (".csv", ".html"),
}


def stable_name(path: str) -> Path:
    """RESULTS/by-recipe/FOLDER/DIGEST/NAME is RESULTS/FOLDER/NAME for people."""
    made = Path(path)
    folder = made.parents[1]
    return folder.parents[1] / folder.name / made.name


def of(artifact: Artifact) -> dict[Path, Path]:
    """The files of an artifact that have a stable name, by that name."""
    paths = [path for path in artifact.files.values() if "/by-recipe/" in path]
    return {stable_name(path): Path(path) for path in paths}


def publish(artifacts: Iterable[Artifact]) -> None:
    """Put what is there in place under its stable name."""
    for artifact in artifacts:
        for name, made in of(artifact).items():
            if made.exists() and not is_same(name, made):
                with cli.written_whole(name) as (temporary,):
                    shutil.copyfile(made, temporary)


def withdraw(results: Path, artifacts: Artifacts) -> None:
    """Remove what stands under a stable name and is not of these artifacts, with the report that shows it."""
    wanted = {name: made for artifact in artifacts.everything() for name, made in of(artifact).items()}
    for folder, kinds in KINDS.items():
        for path in (results / folder).glob("*"):
            if path.name.endswith(kinds) and not (path in wanted and is_same(path, wanted[path])):
                path.unlink()
                (results / "report.html").unlink(missing_ok=True)
    for folder in KINDS:
        with contextlib.suppress(OSError):  # not empty, or not there
            (results / folder).rmdir()


def prepare(results: Path, artifacts: Artifacts, planned: Iterable[Artifact]) -> None:
    """Take away what stands under stable names for another configuration, and write recipes of what is to be made."""
    withdraw(results, artifacts)
    publish(artifacts.everything())
    for artifact in planned:
        write_recipe(artifact)


def keep_current(workflow, made: Callable[[], Artifacts], take_over: Callable[[], None]) -> None:
    """Have stable names belong to this run from its first job on, or at once where there is nothing to do.

    Args:
        workflow: Snakemake's; perhaps of another Snakefile, which uses this one as a module.
        made: gives everything that the configuration leads to.
        take_over: what is to be done before the first job, and where there is none.
    """
    if workflow.is_main_process:
        logger.addHandler(Publisher(workflow, made, take_over))


class Publisher(logging.Handler):
    """Takes the results over before the first job, and puts in place what a job has made as soon as it has ended.

    Snakemake has hooks for the start of a run, but none where there is nothing to do, none in a module, and none for
    the end of a job.
    """

    def __init__(self, workflow, made: Callable[[], Artifacts], take_over: Callable[[], None]):
        super().__init__()
        self.workflow = workflow
        self.made = made
        self.take_over = take_over

    def emit(self, record: logging.LogRecord) -> None:
        if self.workflow.dryrun:
            return
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO or record.msg == NOTHING_TO_BE_DONE_MSG:
            self.take_over()
        if event != LogEvent.JOB_FINISHED:
            return
        try:
            if artifact := self.made().get(self._jobs[record.job_id].wildcards_dict):
                publish([artifact])
        except Exception:  # a fault of this handler must not end a run of days
            self.handleError(record)

    @functools.cached_property
    def _jobs(self) -> dict:
        dag = self.workflow.dag
        return {dag.jobid(job): job for job in dag.needrun_jobs(exclude_finished=False)}


def is_same(name: Path, made: Path) -> bool:
    return name.exists() and made.exists() and filecmp.cmp(name, made, shallow=False)
