"""What the programs of scripts/ share: options, errors made for users, files written whole, progress.

A program ends with::

    if __name__ == "__main__":
        cli.run(main)
"""

import argparse
import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

LOG_FILE_INTERVAL = 30.0  # seconds between progress lines where stderr is a log file
TERMINAL_INTERVAL = 0.2
ERROR = "error: "  # what the lines for users begin with
WARNING = "warning: "
SHOWN_NAMES = 5
TEMPORARY = re.compile(r"\.(?P<process>\d+)-[0-9a-f]{8}\.")  # how the name of a file begins that is being written
# How a program ends that says what was wrong. Every other end, such as a signal, is one that another attempt may mend.
STAYS, MAY_PASS = 2, 1
ANOTHER_ATTEMPT = "; another attempt may succeed"  # the end of the line of a fault that may pass
GOES_ON = "; the next attempt goes on from there"  # the end of the line of a job that ends before its work is done
PASSING_ERRORS = {errno.EIO, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT}  # of a node or a file server


def parser(docstring: str) -> argparse.ArgumentParser:
    """A parser of a program's options, whose help begins with the program's docstring as it stands."""
    return argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)


class UserError(Exception):
    """A fault the user can mend: one line that names the file, the position in it and the way out."""


class PassingError(UserError):
    """A fault of a node, of its memory or of a file server: another attempt, on another node perhaps, may succeed."""


class UnfinishedError(PassingError):
    """No fault: the time of a job is over, and what it has done is kept; says how far it has come."""

    def __str__(self) -> str:
        return super().__str__() + GOES_ON


def run(main: Callable[[], None]) -> NoReturn:
    """Run a program and exit: 0 when done, else with one line on stderr, and STAYS or MAY_PASS.

    SIGTERM, which SLURM sends before a time limit, and Ctrl-C unwind the program, so that temporary
    files go and child processes end; the exit codes are 143 and 130.
    """
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(fail(words(error), may_pass(error)))
    except MemoryError as error:
        sys.exit(fail(f"memory has run out: {error}".removesuffix(": "), passes=True))
    # All is written: while libraries end, a signal no longer makes a failure of it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _end(number: int, _: object) -> NoReturn:
    # What the signal found half made, such as a progress bar, may not be able to end: no news for the user.
    sys.unraisablehook = lambda _: None
    sys.exit(128 + number)


def words(error: UserError | OSError) -> str:
    """What an error says to a user."""
    if isinstance(error, UserError) or not error.strerror:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def may_pass(error: BaseException | None) -> bool:
    """Whether another attempt may not meet an error, by its class or by an error of the system that it comes from."""
    if error is None:
        return False
    passes = isinstance(error, PassingError) or (isinstance(error, OSError) and error.errno in PASSING_ERRORS)
    return passes or may_pass(error.__cause__)


def fail(message: str, passes: bool = False) -> int:
    """Print the one line of a fault; returns the exit code.

    The line tells the workflow whether a job runs again: a cluster does not hand the exit codes of programs on.
    """
    ending = ANOTHER_ATTEMPT if passes and not message.endswith(GOES_ON) else ""
    print(f"{ERROR}{message}{ending}", file=sys.stderr)
    return MAY_PASS if passes else STAYS


def fault_of(program: str, code: int, said: str) -> UserError:
    """The fault of another process of this project, by its exit code and what it said on stderr.

    Where its last line is none for users, stderr has all that it said.
    """
    last = said.strip().rpartition("\n")[2]
    if last.startswith(ERROR):
        line = last.removeprefix(ERROR).removesuffix(ANOTHER_ATTEMPT)
        return (UserError if code == STAYS else PassingError)(line)
    sys.stderr.write(said)
    ending = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return PassingError(f"{program} has ended with {ending}")


@contextlib.contextmanager
def written_whole(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path beside each target; rename all when the block succeeds, else remove all.

    What is renamed is on the disk before, and its name when this returns: a file that is there is taken for current,
    whatever ended the machine. What programs that were killed left of the same targets goes first.

    A temporary path keeps the target's suffixes, so that libraries which choose a format by suffix work.

    Raises:
        UserError: the disk is full or a folder cannot be written; the message names the target.
    """
    temporaries = tuple(target.with_name(f".{os.getpid()}-{_host()}.{target.name}") for target in targets)
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(target)
        yield temporaries
        for temporary in temporaries:
            _sync(temporary)
        for temporary, target in zip(temporaries, targets, strict=True):
            temporary.replace(target)
        for folder in dict.fromkeys(target.parent for target in targets):
            _sync(folder)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in temporaries:
            raise
        names = ", ".join(map(str, targets))
        raise UserError(f"{names}: cannot be written: {error.strerror or error}") from error
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _host() -> str:
    """Eight characters for all that share this process's numbers of processes: a machine, or a container on it."""
    numbers = Path("/proc/self/ns/pid").stat().st_ino
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


def _remove_abandoned(target: Path) -> None:
    """Remove what processes of this machine that are no more have left of a target."""
    for path in target.parent.glob(f".*-{_host()}.{glob.escape(target.name)}"):
        if (match := TEMPORARY.match(path.name)) and not Path("/proc", match["process"]).exists():
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: they are not: a file system may report here what did not fit.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot be asked about a folder
            raise
    finally:
        os.close(descriptor)


def write_at(descriptor: int, content: memoryview, offset: int) -> None:
    """Write all of the content (bytes) at an offset of a file."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def as_json(content: object) -> str:
    """What a JSON file of the project holds.

    Raises:
        ValueError: a number is not finite, for which JSON has no form.
    """
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def progress(total: int, unit: str, description: str, hidden: bool = False, initial: int = 0) -> "tqdm":
    """A progress bar on stderr: live on a terminal, a line every half minute in a log file."""
    from tqdm import tqdm  # noqa: PLC0415 - takes as long as the rest of a start; processes may work meanwhile

    interval = TERMINAL_INTERVAL if sys.stderr.isatty() else LOG_FILE_INTERVAL
    settings = {"initial": initial, "unit_scale": True, "mininterval": interval, "disable": hidden}
    return tqdm(total=total, unit=unit, desc=description, **settings)


def warn(text: str) -> None:
    """Print one line on stderr on what a user may want to mend; the workflow shows it when the job has ended."""
    print(f"{WARNING}{text}", file=sys.stderr)


def some(names: list) -> str:
    """Names for a line: all of a few, else the first ones."""
    shown = ", ".join(map(str, names[:SHOWN_NAMES]))
    return shown if len(names) <= SHOWN_NAMES else f"{shown} ..."


def summary(text: str) -> None:
    """Print a program's closing line (counts, bytes, seconds, rate) on stderr."""
    print(text, file=sys.stderr)
