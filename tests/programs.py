"""Programs of scripts/: they run in this process, which is much faster than to start one, or in one of their own."""

import contextlib
import importlib
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import cli
from checkout import SCRIPTS


def run(program: str, *words: object) -> subprocess.CompletedProcess:
    """Run the main function of a program, as its command line does, to its exit status."""
    command = [f"{program}.py", *map(str, words)]
    output, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        _signals_restored(),
    ):
        try:
            cli.run(importlib.import_module(program).main)
        except SystemExit as ended:
            return subprocess.CompletedProcess(command, ended.code, output.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    """A program sets what SIGTERM and Ctrl-C do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_apart(program: str, *words: object) -> subprocess.CompletedProcess:
    """Run a program in a process of its own, where it may end all of it."""
    command = [sys.executable, SCRIPTS / f"{program}.py", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def error_of(done: subprocess.CompletedProcess) -> str:
    """The one line with which a program gave up."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line
