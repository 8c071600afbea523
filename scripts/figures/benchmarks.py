"""The benchmark files that Snakemake writes of finished jobs."""

import ast
import math
from pathlib import Path

import pandas as pd

import cli

REQUESTED = ("runtime", "mem_mb")


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """One row per job.

    Columns are rule, s (wall seconds), max_rss (MiB; NaN where a job was too short to be measured), and of what it
    requested runtime (minutes) and mem_mb (MiB), NaN where it requested nothing or the file does not tell.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        table = pd.read_csv(path, sep="\t", na_values="-")
        rows.append(table[["s", "max_rss"]].assign(rule=rule, **_requests(table)))
    if not rows:
        raise cli.UserError(f"{folder}: no benchmark files; they come with the workflow's jobs")
    return pd.concat(rows, ignore_index=True)


def _requests(table: pd.DataFrame) -> dict[str, float]:
    """What the jobs of a file requested: that of its first line, as Snakemake prints a dictionary."""
    found = ast.literal_eval(table.resources[0]) if "resources" in table else {}
    return {name: found.get(name, math.nan) for name in REQUESTED}
