"""Shelfmark's words on the terminal, in place of Snakemake's; Snakemake's own log file keeps everything.

A logging handler takes the place of Snakemake's, in the driver alone and only while it executes (or plans to, in a
dry run): so every profile has it and nothing has to be installed. With --verbose, --debug-dag, --quiet all or another
logger plugin, the user has asked for something else and gets it.
"""

import csv
import logging
import shutil
import sys
import time
import traceback
from pathlib import Path

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.io import is_flagged
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import GlobalReportSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_report_plugins.registry import ReportPluginRegistry

import cli
from plan.boxes import Job
from workflow import failures, listing
from workflow.progress import Progress

DELAY = 10.0  # seconds after which a file that another machine wrote is there, or is not
SHOWN = {"shown": True}  # marks our own messages
PLANNING = ("Creating conda environment", "Environment for ", "Downloading and installing")
BEFORE_A_RUN = ("is extended by additional config", "Assuming unrestricted shared filesystem usage")
JOBS_FAILED = ("At least one job did not complete successfully", "Exiting because a job execution failed")
INTERRUPTED, ASKED_TO_END = "Terminating processes on user request", "Will exit after finishing currently running jobs"
GOES_ON = "the same command goes on"


def take_over(workflow) -> None:
    """Put the handler in place of Snakemake's, where that is the one that writes to the terminal."""
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
        print(f"interrupted; {GOES_ON}", file=sys.stderr)
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
        self.done = 0
        self.failed: list[failures.Failure] = []
        self.errors: list[str] = []  # of Snakemake itself
        self.told: dict[int | None, str] = {}  # by thread: how a local job ended, said before which job it was
        self.stopped = ""

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        self.runs = self.runs or event == LogEvent.WORKFLOW_STARTED
        try:
            if self.runs:
                self._say(self._text(event, record))
            elif not any(words in record.getMessage() for words in BEFORE_A_RUN):
                self.before.handle(record)
        except Exception:  # a fault of this handler must not end a run of days
            self.handleError(record)

    def close(self) -> None:
        """Snakemake calls this last, whatever happened: what failed is the last thing on the terminal."""
        try:
            self._say(self._ending())
        except Exception:  # Snakemake would drop it
            traceback.print_exc()
        self.failed, self.errors, self.stopped = [], [], ""
        super().close()

    def _say(self, text: str | None) -> None:
        if text:
            self.before.stream.write(text + "\n")
            self.before.stream.flush()

    def _text(self, event: LogEvent | None, record: logging.LogRecord) -> str | None:
        match event:
            case LogEvent.RUN_INFO if not self.jobs:
                return self._plan(list(record.stats))
            case LogEvent.JOB_INFO if not self.workflow.dryrun:
                self.progress.start(_job(self.jobs[record.jobid]), time.time())
                if self.workflow.output_settings.printshellcmds and record.shellcmd:
                    return f"# {record.rule_msg}\n{record.shellcmd}"
            case LogEvent.JOB_FINISHED:
                self.done += 1
                return self._finished(self.jobs[record.job_id])
            case LogEvent.JOB_ERROR if not record.indent:
                jobs, told = [self.jobs[record.jobid]], self.told.pop(record.thread, "") + (record.rule_msg or "")
                return self._job_failed(jobs, told, [path for path in record.log if path not in jobs[0].log])
            case LogEvent.GROUP_ERROR:
                return self._job_failed(
                    [self.jobs[info["jobid"]] for info in record.job_error_info], "", record.aux_logs
                )
            case LogEvent.ERROR:
                return self._error(record)
            case None:
                return self._message(record)
        return None

    def _message(self, record: logging.LogRecord) -> str | None:
        text = str(record.msg)
        if text == NOTHING_TO_BE_DONE_MSG:
            self._say("Nothing to be done: all files are there and up to date.")
            if not self.workflow.dryrun:
                show_results(self.workflow)
        elif text.startswith(INTERRUPTED):
            self._say(f"interrupted; {GOES_ON} ({self._count()}; running ones are being ended)")
            self.stopped = "interrupted"
        elif text.startswith(ASKED_TO_END) and not self.stopped:
            self.stopped = "asked to end"
            return f"asked to end: waits for running jobs ({self._count()})"
        elif hasattr(record, "shown") or text.startswith(PLANNING):
            return text
        elif record.levelno >= logging.WARNING and not text.startswith(JOBS_FAILED):
            return f"{record.levelname.lower()}: {text.strip()}"
        return None

    def _plan(self, rules: list[str]) -> str:
        """What will be done; rules are in the order of the work."""
        dag = self.workflow.dag
        self.jobs = {dag.jobid(job): job for job in dag.needrun_jobs()}
        planned = [_job(job, str(dag.reason(job))) for job in self.jobs.values() if job.output]
        planned.sort(key=lambda job: (rules.index(job.rule), tuple(job.wildcards.values())))
        if self.workflow.dryrun:
            table = listing.table(planned, shutil.get_terminal_size((110, 0)).columns)
            return f"{table}\n\nDry run, nothing was started. {listing.counts(planned)}."
        config = self.workflow.globals["config"]
        self.progress = Progress(map(_job, self.jobs.values()), config["models"])
        return f"{listing.counts(planned)}.\nCatalog: {config['catalog']}; results: {config['results']}"

    def _finished(self, job) -> str | None:
        message = job.message or job.rule.name
        return self.progress.finish(_job(job), _seconds(job), message, _metrics(job), time.time())

    def _job_failed(self, jobs: list, told: str, slurm_logs: list[str]) -> str | None:
        if self.stopped == "interrupted":
            return None
        logs = tuple((job.message or job.rule.name, Path(job.log[0]) if job.log else None) for job in jobs)
        failure = failures.Failure(logs, told, tuple(map(Path, slurm_logs)))
        attempts = max(job.restart_times for job in jobs) + 1
        if jobs[0].attempt < attempts:
            text = f"{failure.culprit()[0]}: attempt {jobs[0].attempt} of {attempts} failed, it runs again"
            return f"{text} ({failure.line().removeprefix(failures.ERROR)})"
        self.failed.append(failure)
        others = len(self.workflow.scheduler.running) > 1
        return f"{failure.culprit()[0]}: failed; other jobs are still running" if others else None

    def _error(self, record: logging.LogRecord) -> None:
        text = str(record.msg)
        if failures.EXIT_STATUS.search(text):
            self.told[record.thread] = text
        elif not any(words in text for words in JOBS_FAILED):
            self.errors.append(failures.of_snakemake(text))

    def _ending(self) -> str:
        if self.stopped == "interrupted":
            return "\n".join(self.errors)
        for failure in self.failed:
            _wait_for_line(failure)
        head = []
        if self.failed:
            logs = ", ".join(self.workflow.logger_manager.get_logfile())
            count = len(self.failed)
            head = [f"{count} job{listing.plural(count)} failed, {self._count()}; all messages and commands: {logs}"]
        tail = [f"interrupted; {GOES_ON} ({self._count()})"] if self.stopped else []
        return "\n".join([*head, *self.errors, *dict.fromkeys(failure.text() for failure in self.failed), *tail])

    def _count(self) -> str:
        return f"{self.done} of {len(self.jobs)} jobs are done"


def _job(job, reason: str = "") -> Job:
    return Job(job.rule.name, dict(job.wildcards_dict), reason, tuple(job.output))


def _seconds(job) -> float | None:
    """What a job took, by its benchmark."""
    if job.benchmark is None or not Path(job.benchmark).exists():
        return None
    with Path(job.benchmark).open() as file:
        return sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))


def _metrics(job) -> Path | None:
    return Path(job.output.metrics) if "metrics" in job.output.keys() else None  # noqa: SIM118 - not a dictionary


def _wait_for_line(failure: failures.Failure) -> None:
    """Wait until what a job on another machine wrote last is there to read."""
    end = time.monotonic() + (DELAY if failure.slurm_logs else 0.0)
    while not failure.words().startswith(failures.ERROR) and time.monotonic() < end:
        time.sleep(0.5)


def show_results(workflow) -> None:
    """After a run of the default target: the table of accuracies, and where submissions and the report are."""
    dag = workflow.dag
    if not any(job.rule.name == workflow.default_target for job in dag.targetjobs):
        return
    jobs = {job.rule.name: job for job in dag.jobs}
    summary = Path(jobs["tabulate_evaluations"].output.text)
    submissions = Path(jobs["write_submission"].output.submission).parent
    report = Path(workflow.globals["config"]["results"]) / "report.html"
    shown = [Path(path) for job in dag.jobs for path in job.output if is_flagged(path, "report")]
    if not report.exists() or any(report.stat().st_mtime < path.stat().st_mtime for path in [summary, *shown]):
        make_report(workflow, report)
    logger.info(f"\n{summary.read_text()}\nsubmissions: {submissions}/\nreport:      {report}", extra=SHOWN)


def make_report(workflow, path: Path) -> None:
    """Write Snakemake's report; a run that has done its work does not fail for want of it."""
    plugin = ReportPluginRegistry().get_plugin("html")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells each result that it takes in
    try:
        with cli.written_whole(path) as (temporary,):
            workflow.create_report(plugin, plugin.settings_cls(path=temporary), GlobalReportSettings())
    except Exception as error:
        logger.warning(f"{path}: not made: {error}")
    finally:
        logger.setLevel(level)
