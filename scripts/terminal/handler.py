"""Shelfmark's words on the terminal, in place of Snakemake's; Snakemake's own log file keeps everything.

A logging handler takes the place of Snakemake's, in the driver alone and only while it executes (or plans to, in a
dry run): so every profile has it and nothing has to be installed. With --verbose, --debug-dag, --quiet all or another
logger plugin, the user has asked for something else and gets it.
"""

import contextlib
import logging
import os
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.io import is_flagged
from snakemake.jobs import Job as SnakemakeJob
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import GlobalReportSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_report_plugins.registry import ReportPluginRegistry

import cli
from costs.finished import wall_seconds
from plan.boxes import Job
from plan.drawing import hours_text
from terminal import failures, listing
from terminal.progress import Progress
from workflow import drivers
from workflow.outputs import without_digests

DELAY = 10.0  # seconds after which a file that another machine wrote is there, or is not
SHOWN = {"shown": True}  # marks our own messages
PREPARING = ("Creating conda environment", "Environment for ", "Downloading and installing")
BEFORE_A_RUN = ("is extended by additional config", "Assuming unrestricted shared filesystem usage")
JOBS_FAILED = ("At least one job did not complete successfully", "Exiting because a job execution failed")
CTRL_C, SIGTERM = "Terminating processes on user request", "Will exit after finishing currently running jobs"
INTERRUPTED = "interrupted; the same command goes on"


parsed = []  # the workflows that this process has read: a plan asks the last one what Snakemake knows


def take_over(workflow) -> None:
    """Put the handler in place of Snakemake's, where that is the one that writes to the terminal."""
    parsed.append(workflow)
    settings = workflow.output_settings
    talkative = settings.verbose or settings.debug_dag or Quietness.ALL in (settings.quiet or ())
    if not workflow.is_main_process or not workflow.modifier.is_main_snakefile() or talkative:
        return
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(Terminal(workflow, handler))
            sys.excepthook = _interrupted_while_planning


def _interrupted_while_planning(kind, error, trace) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


class Terminal(logging.Handler):
    """Passes records on to Snakemake's handler until jobs are planned or run, then speaks itself."""

    def __init__(self, workflow, before: logging.StreamHandler):
        super().__init__()
        self.workflow = workflow
        self.before = before
        self.runs = False
        self.jobs: dict[int, object] = {}  # Snakemake's, by number
        self.progress: Progress | None = None
        self.failed: list[failures.Failure] = []
        self.errors: list[tuple[str, str]] = []  # of Snakemake itself: the exception's class, the text
        self.told: dict[int, str] = {}  # by thread: an exit status, said before which job it was of
        self.warned: set[str] = set()
        self.stopped_by: str | None = None
        self.recorded = False  # jobs that ended after Ctrl-C
        self.texts = {
            LogEvent.RUN_INFO: self._planned,
            LogEvent.JOB_INFO: self._started,
            LogEvent.JOB_FINISHED: self._finished,
            LogEvent.JOB_ERROR: self._job_failed,
            LogEvent.GROUP_ERROR: self._group_failed,
            LogEvent.ERROR: self._error,
            None: self._message,
        }

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        self.runs = self.runs or event == LogEvent.WORKFLOW_STARTED
        try:
            if self.runs and event in self.texts:
                self._say(self.texts[event](record))
            elif not self.runs and not any(words in record.getMessage() for words in BEFORE_A_RUN):
                self.before.handle(record)
        except Exception:  # a fault of this handler must not end a run of days
            self.handleError(record)

    def close(self) -> None:
        """Snakemake calls this last, whatever happened: what failed is the last thing on the terminal."""
        try:
            self._say(self._ending(), sys.stderr)
        except Exception:  # Snakemake would drop it
            traceback.print_exc()
        self.failed, self.errors, self.told, self.stopped_by, self.recorded = [], [], {}, None, False
        super().close()

    def _say(self, text: str | None, stream: TextIO | None = None) -> None:
        if text:
            print(text, file=stream or self.before.stream, flush=True)

    def _planned(self, record: logging.LogRecord) -> str | None:
        """What will be done; Snakemake's statistics name the rules in the order of the work."""
        if self.jobs:  # a dry run tells it twice
            return None
        dag = self.workflow.dag
        self.jobs = {dag.jobid(job): job for job in dag.needrun_jobs()}
        rules = list(record.stats)
        why = self.workflow.globals["why"]()
        planned = [_job(job, why[frozenset(job.wildcards_dict.items())]) for job in self.jobs.values() if job.output]
        planned.sort(key=lambda job: (rules.index(job.rule), tuple(job.wildcards.values())))
        if self.workflow.dryrun:
            _log_one_job_per_rule()
            table = listing.table(planned, shutil.get_terminal_size((110, 0)).columns)
            return f"{table}\n\nDry run, nothing was started. {listing.counts(planned)}."
        config = self.workflow.globals["config"]
        self.progress = Progress(planned, config["models"])
        return f"{listing.counts(planned)}.\nCatalog: {config['catalog']}; results: {config['results']}"

    def _started(self, record: logging.LogRecord) -> str | None:
        if self.progress:
            self.progress.start(_job(self.jobs[record.jobid]), time.time())
        wanted = self.workflow.output_settings.printshellcmds and record.shellcmd
        return f"# {record.rule_msg}\n{record.shellcmd}" if wanted else None

    def _finished(self, record: logging.LogRecord) -> str | None:
        self.recorded = self.stopped_by == CTRL_C
        job = self.jobs[record.job_id]
        if not job.output:  # the target that stands for all
            return None
        text = self.progress.finish(_job(job), _seconds(job), _words(job), _metrics(job), time.time())
        return "\n".join(filter(None, [*failures.warnings(failures.log_of(job)), text]))

    def _job_failed(self, record: logging.LogRecord) -> str | None:
        if record.indent:  # its group has been told of
            return None
        job = self.jobs[record.jobid]
        told = self.told.pop(record.thread, "") + (record.rule_msg or "")
        return self._failed([job], told, [path for path in record.log if path not in job.log])

    def _group_failed(self, record: logging.LogRecord) -> str | None:
        return self._failed([self.jobs[info["jobid"]] for info in record.job_error_info], "", record.aux_logs)

    def _failed(self, jobs: list, told: str, slurm_logs: list[str]) -> str | None:
        if self.stopped_by == CTRL_C:
            return None
        failure = failures.of(jobs, told, slurm_logs)
        words, _ = failure.culprit()
        why = failure.line().removeprefix(cli.ERROR).removesuffix(cli.ANOTHER_ATTEMPT).removesuffix(cli.GOES_ON)
        if failure.goes_on():
            return f"{words}: its time is over, it goes on in another job ({why})"
        attempt, attempts = jobs[0].attempt, 1 if failure.stays() else max(job.restart_times for job in jobs) + 1
        if attempt < attempts:
            return f"{words}: attempt {attempt} of {attempts} failed, it runs again ({why})"
        self.failed.append(failure)
        return f"{words}: failed; other jobs go on" if len(self.workflow.scheduler.running) > 1 else None

    def _error(self, record: logging.LogRecord) -> None:
        text = str(record.msg)
        if failures.EXIT_STATUS.search(text):
            self.told[record.thread] = text
        elif not any(words in text for words in JOBS_FAILED):
            self.errors.append((record.exception, failures.of_snakemake(text)))

    def _message(self, record: logging.LogRecord) -> str | None:
        text = str(record.msg)
        if text == NOTHING_TO_BE_DONE_MSG:
            self._say("Nothing to be done: all files are there and up to date.")
            if not self.workflow.dryrun:
                show_results(self.workflow)
        elif text.startswith(CTRL_C):
            self.stopped_by = CTRL_C
            return f"{INTERRUPTED} ({self._done()}; waiting for running jobs to end)"
        elif text.startswith(SIGTERM):
            first, self.stopped_by = not self.stopped_by, SIGTERM
            return "asked to end: waiting for running jobs" if first else None
        elif hasattr(record, "shown") or text.startswith(PREPARING):
            return text
        elif record.levelno >= logging.WARNING and not text.startswith(JOBS_FAILED) and text not in self.warned:
            self.warned.add(text)  # an executor may say the same of each job
            return f"{record.levelname.lower()}: {text.strip()}"
        return None

    def _ending(self) -> str:
        """All failures, each once; a job whose files came too late may have succeeded when it ran again."""
        scheduler = self.workflow.scheduler
        is_final = not scheduler or scheduler.failed
        lines = [text for kind, text in self.errors if is_final or kind != "MissingOutputException"]
        if self.stopped_by != CTRL_C:
            lines += map(failures.of_snakemake, self.told.values())
        if self.failed:
            for failure in self.failed:
                _wait_for_line(failure)
            logs = ", ".join(map(os.path.relpath, self.workflow.logger_manager.get_logfile()))
            count = f"{len(self.failed)} job{listing.plural(len(self.failed))} failed"
            lines = [f"{count}, {self._done()}; all messages and commands: {logs}", *lines]
            lines += dict.fromkeys(failure.text() for failure in self.failed)
        if lines and (removed := drivers.removed()):
            folders = ", ".join(map(os.path.relpath, removed))
            return f"{cli.ERROR}{folders}: removed during the run; the same command makes all again"
        if self.stopped_by == SIGTERM or self.recorded:
            lines.append(f"{INTERRUPTED} ({self._done()})")
        return "\n".join(lines)

    def _done(self) -> str:
        return self.progress.done_text() if self.progress else "nothing was started"


def _log_one_job_per_rule() -> None:
    """Spare a dry run a third of its time: the table has all jobs, and of each rule one command is tried."""
    log_info, logged = SnakemakeJob.log_info, set()

    def log_first(job, *arguments, **options) -> None:
        if job.rule.name not in logged:
            logged.add(job.rule.name)
            log_info(job, *arguments, **options)

    SnakemakeJob.log_info = log_first


def _words(job) -> str:
    return job.message or job.rule.name


def _job(job, reason: str = "") -> Job:
    return Job(job.rule.name, without_digests(job.wildcards_dict.items()), reason)


def _seconds(job) -> float | None:
    """What a job took, by its benchmark."""
    if job.benchmark is None or not Path(job.benchmark).exists():
        return None
    return wall_seconds(Path(job.benchmark))


def _metrics(job) -> Path | None:
    """The file of what an epoch or an evaluation measured."""
    named = dict(job.output.items())
    return next((Path(named[name]) for name in ("metrics", "evaluation") if name in named), None)


def _wait_for_line(failure: failures.Failure) -> None:
    """Wait until what a job on another machine wrote last is there to read."""
    end = time.monotonic() + (DELAY if failure.slurm_logs else 0.0)
    while not failure.words().startswith(cli.ERROR) and time.monotonic() < end:
        time.sleep(0.5)


def record(workflow) -> None:
    """After Ctrl-C: take note of jobs that ended well while it was waited for them, which Snakemake does not.

    Where the driver alone was interrupted, all that were running do.
    """
    scheduler = workflow.scheduler
    with scheduler._lock:
        scheduler._tofinish = [job for job in scheduler._tofinish if job in scheduler.running]
        scheduler._finish_jobs()


def finish(workflow) -> None:
    """The end of a run that has done all that it was asked for."""
    hours = (datetime.now() - workflow.start_time) / timedelta(hours=1)
    logger.info(f"Done in {hours_text(hours)}.", extra=SHOWN)
    show_results(workflow)


def show_results(workflow) -> None:
    """After a run of the default target: the table of accuracies, and where submissions and the report are."""
    dag = workflow.dag
    if not any(job.rule.name == workflow.default_target for job in dag.targetjobs):
        return
    config = workflow.globals["config"]
    results = Path(config["results"])
    answers = f"answers:     {results / 'answers'}/" if "answers" in config else ""
    if "exported" in config:
        logger.info(answers, extra=SHOWN)
        return
    summary, report = results / "evaluation/summary.txt", results / "report.html"
    shown = [Path(path) for job in dag.jobs for path in job.output if is_flagged(path, "report")]
    if not report.exists() or any(report.stat().st_mtime < path.stat().st_mtime for path in [summary, *shown]):
        make_report(workflow, report)
    paths = [
        f"submissions: {results / 'submission'}/",
        answers,
        f"report:      {report if report.is_file() else 'none'}",
    ]
    logger.info("\n".join(["", summary.read_text(), *filter(None, paths)]), extra=SHOWN)


def make_report(workflow, path: Path) -> None:
    """Write Snakemake's report; a run that has done its work does not fail for want of it."""
    plugin = ReportPluginRegistry().get_plugin("html")
    try:
        with _silence(), cli.written_whole(path) as (temporary,):
            workflow.create_report(plugin, plugin.settings_cls(path=temporary), GlobalReportSettings())
    except Exception as error:
        logger.warning(f"no report: {error}")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep Snakemake from telling each result that it takes into a report, and Python from remarks on Snakemake."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)
