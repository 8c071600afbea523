"""Planned jobs in a few lines: counted, and in a dry run grouped by rule with the reasons."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable

from plan.boxes import Job, first_reason

# What a reader wants to know the number of, in the order of the work.
COUNTED = {
    "pack_records": "file{s} of records",
    "train_epochs": "epoch{s}",
    "predict_images": "prediction{s}",
    "extract_features": "feature pass{es}",
    "predict_with_features": "prediction{s} with features",
    "train_head": "head{s}",
    "write_submission": "submission{s}",
    "evaluate_predictions": "evaluation{s}",
    "write_answers": "table{s} of answers",
}
NUMBERED = re.compile(r"(.*?)(\d+)$")


def counts(jobs: Iterable[Job]) -> str:
    """What will be done, in one line."""
    jobs = list(jobs)
    by_rule = Counter(job.rule for job in jobs)
    parts = [
        f"{by_rule[rule]} {words.format(s=plural(by_rule[rule]), es='es' * (by_rule[rule] > 1))}"
        for rule, words in COUNTED.items()
        if by_rule[rule]
    ]
    if models := {job.wildcards["model"] for job in jobs if job.rule == "train_epochs"}:
        parts = [f"{len(models)} model{plural(len(models))} to train", *parts]
    return f"{len(jobs)} job{plural(len(jobs))}" + (f": {', '.join(parts)}" if parts else "")


def plural(count: int) -> str:
    return "" if count == 1 else "s"


def table(jobs: Iterable[Job], width: int) -> str:
    """A row per rule: number of jobs, reasons, and for what; the last column is broken at the width."""
    jobs = list(jobs)
    rows = [("rule", "jobs", "why", "for")]
    for rule in dict.fromkeys(job.rule for job in jobs):
        members = [job for job in jobs if job.rule == rule]
        rows.append((rule, str(len(members)), reasons(members), names(map(_values, members))))
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    indent = first + second + third + 6
    lines = []
    for rule, count, why, which in rows:
        head, *rest = textwrap.wrap(which, max(width - indent, 20), break_on_hyphens=False) or [""]
        lines.append(f"{rule:{first}}  {count:>{second}}  {why:{third}}  {head}".rstrip())
        lines += [" " * indent + line for line in rest]
    return "\n".join(lines)


def reasons(jobs: list[Job]) -> str:
    """The reasons of jobs, most frequent first; with numbers where there are several, of which two are told."""
    found = Counter(first_reason([job]) for job in jobs).most_common()
    told = ", ".join(f"{reason} ({count})" for reason, count in found[:2])
    return found[0][0] if len(found) == 1 else told + ", ..." * (len(found) > 2)


def _values(job: Job) -> tuple[str, ...]:
    """A job's wildcards, with epochs and shards as numbers."""
    return tuple(str(int(value)) if name in ("epoch", "shard") else value for name, value in job.wildcards.items())


def names(rows: Iterable[tuple[str, ...]]) -> str:
    """Tuples of wildcards in short: M01-M03 1-2; M05 1-3."""
    by_rest: dict[str, list[str]] = {}
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in filter(None, rows):
        by_first.setdefault(first, []).append(tuple(rest))
    for first, rest in by_first.items():
        by_rest.setdefault(names(rest), []).append(first)
    return "; ".join(f"{ranges(firsts)} {rest}".rstrip() for rest, firsts in by_rest.items())


def ranges(values: Iterable[str]) -> str:
    """Values in short: consecutive numbers, with or without one letter before them, as the first and the last."""
    runs: list[list[str]] = []
    for value in sorted(set(values), key=_parts):
        prefix, number = _parts(value)
        if runs and len(prefix) <= 1 and _parts(runs[-1][-1]) == (prefix, number - 1):
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join("-".join(dict.fromkeys((run[0], run[-1]))) for run in runs)


def _parts(value: str) -> tuple[str, int]:
    """A value's text and the number at its end (-1: none)."""
    match = NUMBERED.match(value)
    return (match[1], int(match[2])) if match else (value, -1)
