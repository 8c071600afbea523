"""Measure the data path against named baselines, on a catalog made for it; prints tables as Markdown.

Programs and baselines run in turn, several times, with the page cache warm; the ratio of their medians is what
counts. Beside it stands the ratio of the seconds that they kept a core busy, which other programs on the machine change
less. The catalog has the published proportions: 1.75 pictures a product, 37 % of them copies.

Example:
    python benchmarks/bench_data.py --size 1.2 --picture-size 4700
    python benchmarks/bench_data.py --growth docs/data-path-growth.svg
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import pyarrow.parquet as pq
from matplotlib import pyplot as plt
from measuring import BENCHMARKS, GB, MB, Measurement, in_turn, machine, measure, program, script, workload

PROCESSES = 2
SEEDS = {"A": 12648430, "B": 1}
PARTS = ("train", "valid")
ROOM = 9  # times the catalog, for all that is written at a time and the memory of the plain approach
MEMORY = Path("/dev/shm")
LABELLED = 4  # times as many known pictures as labelled ones, as published
GROWTH_SIZES = (0.25, 0.5, 1, 2, 4)  # GB


class Bench:
    """A catalog in a folder of its own, and the commands that are measured on it."""

    def __init__(self, folder: Path, size: int, picture_size: int):
        self.folder = folder
        self.catalog = folder / "train.bson"
        self.index = folder / "train.parquet"
        self.classes = folder / "classes.csv"
        self.copy = folder / "copy"
        subprocess.run(workload("catalog", self.catalog, size, picture_size), check=True)
        subprocess.run(self.index_command(), check=True, capture_output=True)
        classes = script("label_categories", "--index", self.index, "--output", self.classes)
        subprocess.run(classes, check=True, capture_output=True)
        for dataset in SEEDS:
            subprocess.run(self.split_command(dataset), check=True, capture_output=True)

    def part(self, dataset: str, part: str = "train") -> Path:
        return self.folder / {"C": "A"}.get(dataset, dataset) / f"{part}.bson"

    def records(self, dataset: str, part: str = "train") -> Path:
        return self.folder / f"{dataset}-{part}.rec"

    def index_command(self) -> list[str]:
        outputs = ("--output", self.index, "--rejects", self.folder / "rejects.csv")
        return script("index_catalog", self.catalog, "--on-bad-product", "stop", "--processes", PROCESSES, *outputs)

    def split_command(self, dataset: str) -> list[str]:
        words = ("--seed", SEEDS[dataset], "--valid-fraction", 0.05, "--output-folder", self.folder / dataset)
        return script("split_catalog", "--catalog", self.catalog, "--index", self.index, *words)

    def pack_command(self, dataset: str, part: str = "train") -> list[str]:
        bson = self.part(dataset, part)
        words = ("--classes", self.classes, "--output", self.records(dataset, part))
        filters = ("--first-copies-only",) if dataset == "C" else ()
        return script("pack_records", "--split", bson, "--index", bson.with_suffix(".parquet"), *words, *filters)

    def plain_command(self) -> list[str]:
        shutil.rmtree(self.folder / "plain", ignore_errors=True)
        (self.folder / "plain").mkdir()
        words = (self.catalog, self.folder / "plain", "--classes", self.classes)
        return program(BENCHMARKS / "plain_data_path.py", *words)

    def copy_command(self, source: Path) -> list[str]:
        return ["cp", str(source), str(self.copy)]


def afresh(command: list[str], *outputs: Path) -> Measurement:
    """Measure a program that finds its large outputs absent, so that none pays for the pages of a file before."""
    for output in outputs:
        output.unlink(missing_ok=True)
    return measure(command, PROCESSES)


def compare(bench: Bench, repeats: int) -> None:
    """Print each program beside its baseline."""
    size = bench.catalog.stat().st_size
    pictures = pq.read_metadata(bench.index).num_rows
    md5_command = program(BENCHMARKS / "bare_md5.py", bench.catalog, PROCESSES)
    found = in_turn(
        repeats,
        md5=lambda: measure(md5_command, PROCESSES),
        index=lambda: measure(bench.index_command(), PROCESSES),
        copy=lambda: afresh(bench.copy_command(bench.catalog), bench.copy),
        split=lambda: afresh(bench.split_command("A"), bench.part("A"), bench.part("A", "valid")),
        copy_part=lambda: afresh(bench.copy_command(bench.part("A")), bench.copy),
        pack=lambda: afresh(bench.pack_command("A"), bench.records("A")),
        pack_c=lambda: afresh(bench.pack_command("C"), bench.records("C")),
    )
    rows = [
        ("index", "index", "MD5 alone, 2 processes", "md5", 1.45),
        ("split A", "split", "`cp` of the catalog", "copy", 1.2),
        ("pack A", "pack", "`cp` of the part", "copy_part", 1.6),
        ("pack C", "pack_c", "`cp` of the part", "copy_part", 1.7),
    ]
    print(f"Catalog: {size / GB:.2f} GB, {pictures:,} pictures of {size / pictures / 1000:.1f} kB. {repeats} rounds.\n")
    print("| program | seconds | busy | MB/s | peak MB | baseline | seconds | busy | ratio | bound | ratio of busy |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for title, name, baseline_title, baseline, bound in rows:
        one, other = found[name], found[baseline]
        print(
            f"| {title} | {one.seconds:.2f} | {one.busy:.2f} | {size / MB / one.seconds:.0f} | {one.peak / MB:.0f} |"
            f" {baseline_title} | {other.seconds:.2f} | {other.busy:.2f} |"
            f" {one.seconds / other.seconds:.2f} | {bound} | {one.busy / other.busy:.2f} |"
        )


def compare_everything(bench: Bench) -> None:
    """Print everything for datasets A, B and C, two jobs at a time as the workflow has them on two cores, and plain."""
    for path in (bench.copy, bench.records("A"), bench.records("C")):
        path.unlink()
    for dataset in SEEDS:
        shutil.rmtree(bench.part(dataset).parent)
    plain = measure(bench.plain_command())
    shutil.rmtree(bench.folder / "plain")
    packs = [bench.pack_command(dataset, part) for part in PARTS for dataset in "ABC"]
    start = time.monotonic()
    steps = [measure(bench.index_command())]
    with ThreadPoolExecutor(PROCESSES) as jobs:
        steps += jobs.map(measure, map(bench.split_command, SEEDS))
        steps += jobs.map(measure, packs)
    seconds = time.monotonic() - start
    busy, peak = sum(step.busy for step in steps), max(step.peak for step in steps)
    print("\n| everything for A, B, C | seconds | busy | peak MB |\n| --- | ---: | ---: | ---: |")
    print(f"| plain approach | {plain.seconds:.1f} | {plain.busy:.1f} | {plain.peak / MB:.0f} |")
    print(f"| index, 2 splits, 6 packs, on 2 cores | {seconds:.1f} | {busy:.1f} | {peak / MB:.0f} |")
    print(f"\n{plain.seconds / seconds:.1f} times faster (bound: 4).")


def time_joins(folder: Path, rows: int) -> None:
    """Print time and memory of each join over a synthetic index, by which another one is labelled."""
    path, labelled = folder / "synthetic.parquet", folder / "labelled.parquet"
    subprocess.run(workload("index", path, rows), check=True)
    subprocess.run(workload("index", labelled, rows // LABELLED, rows), check=True)
    print(f"\n| join of {rows / 1e6:.1f} million rows, reading included | seconds | busy | peak MB |")
    print("| --- | ---: | ---: | ---: |")
    for name in ("first copies", "known pictures", "product hashes"):
        found = measure(workload("join", path, name, labelled))
        print(f"| {name} | {found.seconds:.1f} | {found.busy:.1f} | {found.peak / MB:.0f} |")


def grow(folder: Path, target: Path, picture_size: int, repeats: int) -> None:
    """Measure index, split and pack on growing catalogs; prints a table and draws it."""
    found = {}
    for size in GROWTH_SIZES:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            bench = Bench(Path(name), int(size * GB), picture_size)
            found[size] = in_turn(
                repeats,
                index=lambda bench=bench: measure(bench.index_command(), PROCESSES),
                split=lambda bench=bench: afresh(bench.split_command("A"), bench.part("A"), bench.part("A", "valid")),
                pack=lambda bench=bench: afresh(bench.pack_command("A"), bench.records("A")),
            )
    names = ("index", "split", "pack")
    print("\n| GB |" + "".join(f" {name}, s busy | {name} peak MB |" for name in names))
    print("| ---: |" + " ---: |" * 6)
    for size, steps in found.items():
        cells = "".join(f" {steps[name].busy:.2f} | {steps[name].peak / MB:.0f} |" for name in names)
        print(f"| {size} |{cells}")
    draw_growth(found, names, target)


def draw_growth(found: dict[float, dict[str, Measurement]], names: tuple[str, ...], target: Path) -> None:
    """Draw seconds busy and peak memory over the catalog's size."""
    mpl.rcParams["svg.hashsalt"] = "shelfmark"
    figure, (times, peaks) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    titles = {"index": "index, 2 processes", "split": "split A", "pack": "pack A"}
    for name in names:
        times.plot(list(found), [steps[name].busy for steps in found.values()], "o-", label=titles[name])
        peaks.plot(list(found), [steps[name].peak / MB for steps in found.values()], "o-", label=titles[name])
    for axes, label in ((times, "seconds busy"), (peaks, "peak memory of a process, MB")):
        axes.set(xlabel="catalog, GB", ylabel=label, xlim=0, ylim=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    times.legend(frameon=False)
    figure.savefig(target, metadata={"Date": None})


def folder_in_memory(size: float) -> Path | None:
    """A folder in memory, if it has room for a catalog of so many GB and all that is made of it."""
    has_room = MEMORY.is_dir() and ROOM * size * GB < min(shutil.disk_usage(MEMORY).free, available_memory())
    return MEMORY if has_room else None


def available_memory() -> int:
    """Bytes that programs may still take."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def main() -> None:
    args = parse_args()
    largest = max(GROWTH_SIZES) if args.growth else args.size
    with tempfile.TemporaryDirectory(dir=args.folder or folder_in_memory(largest), prefix="bench-data-") as name:
        folder = Path(name)
        print(f"{machine(folder)}\n")
        if args.growth:
            grow(folder, args.growth, args.picture_size, args.repeats)
            return
        bench = Bench(folder, int(args.size * GB), args.picture_size)
        compare(bench, args.repeats)
        compare_everything(bench)
        time_joins(folder, args.rows)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=2, help="of the catalog, GB")
    parser.add_argument(
        "--picture-size", type=int, default=9950, help="of a picture on average, bytes; published: 4700"
    )
    parser.add_argument("--rows", type=int, default=12_400_000, help="of the index that is joined")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--growth", type=Path, help="measure catalogs of 0.25 to 4 GB instead and draw this plot")
    parser.add_argument(
        "--folder", type=Path, help="where the catalog is made and removed again; in memory, where that has room"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
