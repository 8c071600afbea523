"""What the benchmarks share: whole programs measured in turn, and the machine's description."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
SCRIPTS = BENCHMARKS.parent / "scripts"

GB = 10**9
MB = 10**6

Measurement = tuple[float, int]  # seconds, bytes of the largest process at its peak


def measure(command: list[str]) -> Measurement:
    """Run a program to its end."""
    os.sync()
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}\n{errors}")
    return seconds, usage.ru_maxrss * 1024


def program(path: Path, *words: object) -> list[str]:
    return [sys.executable, *map(str, (path, *words))]


def script(name: str, *words: object) -> list[str]:
    return program(SCRIPTS / f"{name}.py", *words)


def workload(*words: object) -> list[str]:
    return program(BENCHMARKS / "workloads.py", *words)


def in_turn(repeats: int, **works: Callable[[], Measurement]) -> dict[str, Measurement]:
    """Run the works one after the other, several times; returns the median time and highest peak of each."""
    measured = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            measured[name].append(work())
    return {
        name: (statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs))
        for name, runs in measured.items()
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
