"""The benchmark files that Snakemake writes of finished jobs."""

from pathlib import Path

import pandas as pd

import cli


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """One row per job: rule, s (wall seconds), max_rss (MB; NaN where a job was too short to be measured)."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        table = pd.read_csv(path, sep="\t", na_values="-")
        rows.append(table[["s", "max_rss"]].assign(rule=rule))
    if not rows:
        raise cli.UserError(f"{folder}: no benchmark files; they come with the workflow's jobs")
    return pd.concat(rows, ignore_index=True)
