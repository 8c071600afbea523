"""What jobs ask of a machine or a cluster, rule by rule."""

from collections.abc import Iterable

from plan.boxes import Job

# A column, and the resource of Snakemake that it shows.
COLUMNS = {
    "partition": "slurm_partition",
    "CPUs": "threads",
    "MiB": "mem_mb",
    "minutes": "runtime",
    "GPUs": "gpu",
    "gres": "gres",
}


def table(jobs: Iterable[Job]) -> list[str]:
    """A head, and per rule the number of jobs and what each asks for; a column that nothing asks for is left out."""
    jobs = list(jobs)
    asking = [job for job in jobs if job.requests]
    by_rule: dict[str, list[Job]] = {}
    for job in asking:
        by_rule.setdefault(job.rule, []).append(job)
    columns = {head: name for head, name in COLUMNS.items() if any(job.requests.get(name) for job in asking)}
    rows = [("rule", "jobs", *columns)]
    for rule, members in by_rule.items():
        asked = [span(job.requests.get(name) for job in members) for name in columns.values()]
        rows.append((rule, str(len(members)), *asked))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    rest = len(jobs) - len(asking)
    return [*lines, f"The driver does {rest} short jobs itself."] if rest else lines


def span(values: Iterable[object]) -> str:
    """One value, or the smallest and the largest."""
    values = [value for value in values if value is not None]
    if all(isinstance(value, int) for value in values) and values:
        ends = dict.fromkeys((min(values), max(values)))
        return " to ".join(f"{value:,}" for value in ends)
    return ", ".join(sorted(set(map(str, values))))
