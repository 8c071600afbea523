"""Measure averaging an ensemble beside plainly reading the same bytes; prints a table as Markdown.

Averaging and reading run in turn, several times, with the page cache warm; the ratio of their medians is what counts.
Both are whole programs, and both read in the sizes that suit them.

Example:
    python benchmarks/bench_ensemble.py --size 2
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import GB, MB, Measurement, in_turn, machine, measure, script, workload
from workloads import PUBLISHED_CATEGORIES as CLASSES

MODELS = 14
THREADS = 2  # as in the rule
BOUND = 0.5
# The interpreter starts and NumPy is loaded, as in every program of scripts/.
PLAIN_READING = """
import sys
import numpy
buffer = bytearray(1 << 20)
for path in sys.argv[1:]:
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
"""


def write_members(folder: Path, size: int) -> list[Path]:
    """Write probabilities of each model, together of about so many bytes."""
    rows = size // (MODELS * CLASSES * 2)
    first, *others = paths = [folder / f"{model}.npy" for model in range(MODELS)]
    subprocess.run(workload("probabilities", first, rows), check=True)
    for path in others:
        shutil.copy(first, path)
    return paths


def compare(folder: Path, paths: list[Path], repeats: int) -> None:
    """Print reading and both means."""

    def average(mean: str) -> Measurement:
        output = folder / "mean.npy"
        output.unlink(missing_ok=True)  # as Snakemake does before a job
        return measure(script("average_models", "--mean", mean, "--threads", THREADS, "--output", output, *paths))

    reading = [sys.executable, "-c", PLAIN_READING, *map(str, paths)]
    size = sum(path.stat().st_size for path in paths)
    subprocess.run(reading, check=True)
    found = in_turn(
        repeats,
        reading=lambda: measure(reading),
        arithmetic=lambda: average("arithmetic"),
        geometric=lambda: average("geometric"),
    )
    print(f"{MODELS} models, {size / GB:.2f} GB of float16, {CLASSES} classes. Medians of {repeats} rounds.\n")
    print("| program | seconds | MB/s | of reading | bound | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    titles = {"reading": "plain reading", "arithmetic": "arithmetic mean", "geometric": "geometric mean"}
    for name, (seconds, peak, _) in found.items():
        bound = "" if name == "reading" else BOUND
        share = found["reading"][0] / seconds
        print(
            f"| {titles[name]} | {seconds:.2f} | {size / MB / seconds:.0f} | {share:.2f} | {bound} | {peak / MB:.0f} |"
        )


def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bench-ensemble-") as name:
        folder = Path(name)
        print(f"{machine(folder)}\n")
        compare(folder, write_members(folder, int(args.size * GB)), args.repeats)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=4, help="of all models' probabilities, GB")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where they are made and removed again")
    return parser.parse_args()


if __name__ == "__main__":
    main()
