"""Draw where the time went, from the benchmark files of finished jobs.

In: the folder with `<rule>/<job>.tsv` or `<rule>.tsv` per job, as Snakemake writes them. Out: an SVG: per rule
the hours of all jobs together and the largest memory of one.

Example:
    python scripts/draw_times.py --benchmarks results/benchmarks --output times.svg
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import cli
from figures import style
from figures.benchmarks import read_benchmarks


def sums_by_rule(jobs: pd.DataFrame) -> pd.DataFrame:
    """Jobs, seconds and largest memory (MB) by rule, most seconds first."""
    groups = jobs.groupby("rule")
    sums = groups.agg(jobs=("s", "size"), seconds=("s", "sum"), memory=("max_rss", "max"))
    return sums.sort_values("seconds", ascending=False)


def draw(sums: pd.DataFrame) -> Figure:
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 1.4 + 0.24 * len(sums)), sharey=True)
    unit, seconds = ("hours", 3600) if sums.seconds.sum() > 7200 else ("minutes", 60)
    rows = style.name_rows(time, (f"{rule} ({count})" for rule, count in zip(sums.index, sums.jobs, strict=True)))
    bars = time.barh(rows, sums.seconds / seconds, **style.bars(0))
    shares = 100 * sums.seconds / sums.seconds.sum()
    time.bar_label(bars, [f"{share:.0f} %" if share >= 1 else "" for share in shares], padding=3)
    time.set(xlabel=f"{unit}, all jobs together", title="Time by rule (jobs)")
    time.margins(x=0.12)
    memory.barh(rows, sums.memory / 1000, **style.bars(1))
    memory.set(xlabel="GB, largest job", title="Memory")
    return figure


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--benchmarks", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    sums = sums_by_rule(read_benchmarks(args.benchmarks))
    style.save(draw(sums), args.output)
    cli.summary(f"{sums.jobs.sum()} jobs, {sums.seconds.sum():.0f} s, drawn to {args.output}")


if __name__ == "__main__":
    cli.run(main)
