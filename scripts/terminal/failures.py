"""What the terminal says by a job's log: the one line of a program that failed, the warnings of one that succeeded."""

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cli
from workflow import drivers

TAIL = 1 << 16  # bytes of a log that are looked at, from its end
PROGRESS_BAR = re.compile(r"\[\d+:\d\d[<:,]")
EXIT_STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.(SIG\w+)")
# Of the executor's message, and of what SLURM writes into a job's log.
SLURM_STATE = re.compile(r"SLURM status is: '(\w+)'|CANCELLED AT \S+ DUE TO ([A-Z ]+[A-Z])|(oom.kill)", re.IGNORECASE)
HEADER = re.compile(r"(\w+)( in .*)?:$")
SIGNALS = {128 + number: number.name for number in signal.Signals}  # exit statuses of shells
TRACEBACK = re.compile(r'\s*(File ".*", line \d+, in |Traceback)')


@dataclass(frozen=True)
class Failure:
    """A failed job: what it did, in words, with its log; a group has several of both.

    `told` is what Snakemake or SLURM said of it.
    """

    jobs: tuple[tuple[str, Path | None], ...]
    told: str = ""
    slurm_logs: tuple[Path, ...] = ()

    def culprit(self) -> tuple[str, Path | None]:
        """The job whose log was written last: the jobs of a group run one after the other."""
        return max(self.jobs, key=lambda job: job[1].stat().st_mtime if job[1] and job[1].exists() else 0.0)

    def words(self) -> str:
        """What the log says last: the program's own line if it has one."""
        return last_words(tail(self.culprit()[1]))

    def stays(self) -> bool:
        """Whether another attempt would meet the same fault: the program's line says so, or the results are gone."""
        words = self.words()
        says_so = words.startswith(cli.ERROR) and not words.endswith((cli.ANOTHER_ATTEMPT, cli.GOES_ON))
        return says_so or bool(drivers.removed())

    def goes_on(self) -> bool:
        """Whether nothing failed but time: the program says that another attempt goes on where it ended."""
        return self.words().endswith(cli.GOES_ON)

    def line(self) -> str:
        """The program's own line; without one, how the job ended and the last line of its log."""
        words = self.words()
        if words.startswith(cli.ERROR):
            return words
        how = ending(self.told) or ending("\n".join(map(tail, self.slurm_logs))) or "it ended without a reason"
        return f"{cli.ERROR}{how}; " + (f"the last line of its log: {words}" if words else "its log says nothing")

    def text(self) -> str:
        """Two lines: which job failed and where its log is, with SLURM's where its own has no reason; why."""
        job, log = self.culprit()
        logs = [f"log: {log}"] if log else []
        if not self.words().startswith(cli.ERROR):
            logs += [f"SLURM's log: {path}" for path in self.slurm_logs]
        return f"failed: {'; '.join([job, *logs])}\n{self.line()}"


def of(jobs: Iterable, told: str = "", slurm_logs: Iterable[str] = ()) -> Failure:
    """The failure of one of Snakemake's jobs, or of the jobs of a group."""
    logs = tuple((job.message or job.rule.name, log_of(job)) for job in jobs)
    return Failure(logs, told, tuple(map(Path, slurm_logs)))


def log_of(job) -> Path | None:
    return Path(job.log[0]) if job.log else None


def tail(log: Path | None) -> str:
    """The end of a log; empty where there is none."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        return file.read().decode(errors="replace")


def warnings(log: Path | None) -> list[str]:
    """The lines by which a program warned."""
    return [line for line in tail(log).splitlines() if line.startswith(cli.WARNING)]


def last_words(text: str) -> str:
    """The last line of a log that is meant for its reader: an error line, else the last that is no progress bar."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    lines = [line for line in lines if line and not PROGRESS_BAR.search(line)]
    errors = [line for line in lines if line.startswith(cli.ERROR)]
    return (errors or lines or [""])[-1]


def ending(text: str) -> str:
    """How a job ended, where a text of Snakemake or SLURM says so; else an empty string."""
    if state := SLURM_STATE.search(text):
        state = next(filter(None, state.groups())).lower()
        return "SLURM ended it: " + ("out of memory" if "oom" in state else state)
    if status := EXIT_STATUS.search(text):
        number, name = status.groups()
        name = name or SIGNALS.get(int(number))
        if name == "SIGKILL":
            return "SIGKILL ended it (has memory run out?)"
        return f"{name} ended it" if name else f"exit status {number}"
    return ""


def of_snakemake(text: str) -> str:
    """An error of Snakemake itself in its own words, without traceback; what was executed wrongly stays named."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not TRACEBACK.match(line)]
    header = HEADER.match(lines[0])
    if header and len(lines) > 1:
        where = f" ({header[1]}{header[2]})" if header[2] else ""
        lines = [lines[1].strip() + where, *lines[2:]]
    return cli.ERROR + "\n".join(lines)
