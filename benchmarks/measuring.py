"""What the benchmarks share: whole programs measured in turn, and the machine's description."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BENCHMARKS = Path(__file__).resolve().parent
SCRIPTS = BENCHMARKS.parent / "scripts"

GB = 10**9
MB = 10**6
TICKS = os.sysconf("SC_CLK_TCK")  # per second


class Measurement(NamedTuple):
    """What a program took.

    Attributes:
        seconds: from its start to its end.
        peak: bytes of its largest process.
        busy: seconds that it kept a core busy, and its child processes, which share their work evenly, one of them.
            On a machine that others use too, this says more than the seconds.
    """

    seconds: float
    peak: int
    busy: float


def measure(command: list[str], processes: int = 1) -> Measurement:
    """Run a program, and the child processes that share its work, to its end."""
    os.sync()
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    errors = process.stderr.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - start
    own, children = _processor_seconds(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}\n{errors}")
    return Measurement(seconds, usage.ru_maxrss * 1024, own + children / processes)


def _processor_seconds(process: int) -> tuple[float, float]:
    """Seconds that a process which has ended kept processors busy, and its children (proc(5), stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system, user_of_children, system_of_children = (int(ticks) / TICKS for ticks in fields[11:15])
    return user + system, user_of_children + system_of_children


def program(path: Path, *words: object) -> list[str]:
    return [sys.executable, *map(str, (path, *words))]


def script(name: str, *words: object) -> list[str]:
    return program(SCRIPTS / f"{name}.py", *words)


def workload(*words: object) -> list[str]:
    return program(BENCHMARKS / "workloads.py", *words)


def in_turn(repeats: int, **works: Callable[[], Measurement]) -> dict[str, Measurement]:
    """Run the works one after the other, several times; returns the medians and the highest peak of each."""
    measured = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            measured[name].append(work())
    return {
        name: Measurement(statistics.median(seconds), max(peaks), statistics.median(busy))
        for name, runs in measured.items()
        for seconds, peaks, busy in [zip(*runs, strict=True)]
    }


def machine(folder: Path) -> str:
    """One line about the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    disk = subprocess.run(
        ["df", "--output=source,fstype", folder], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1]
    return f"Machine: {cpu}, {os.cpu_count()} cores, {memory:.0f} GB, disk {' '.join(disk.split())}."
