"""What a run has on the disk when each stage ends, and what may be deleted by then."""

from collections.abc import Iterable
from dataclasses import dataclass

from costs.estimator import Estimator
from plan.boxes import COLUMN_TITLES, Box, box_key
from plan.drawing import size_text
from workflow.artifact import Artifact
from workflow.outputs import INTERMEDIATE, PASSES, without_digests

HEAD = ("stage", "written", "on the disk at its end", "prune may delete")
PRUNE = "make prune INTERMEDIATE=1 DELETE=1"


@dataclass(frozen=True)
class Stage:
    """A column of the plan: bytes that its jobs write, that lie there at its end, and that no later stage needs."""

    title: str
    written: float
    held: float
    spent: float


def stages(artifacts: Iterable[Artifact], left: set[str], boxes: dict[str, Box], estimator: Estimator) -> list[Stage]:
    """The stages of a run, in order, if nothing is deleted.

    Args:
        artifacts: of the configuration.
        left: those of their files that are there after the run.
    """
    column = {artifact: _column(artifact, boxes) for artifact in artifacts}
    last_use: dict[str, int] = {}
    for artifact, number in column.items():
        for path in (path for paths in artifact.sources.values() for path in paths):
            last_use[path] = max(last_use.get(path, 0), number)
    count = len(COLUMN_TITLES)
    written, spent = [0.0] * count, [0.0] * count
    for artifact, number in column.items():
        for name, size in file_sizes(artifact, estimator).items():
            path = artifact.files[name]
            if path in left:
                written[number] += size
                if name in INTERMEDIATE.get(artifact.rule, ()):
                    spent[last_use.get(path, number)] += size
    return [
        Stage(title, written[number], sum(written[: number + 1]), sum(spent[: number + 1]))
        for number, title in enumerate(COLUMN_TITLES)
    ]


def _column(artifact: Artifact, boxes: dict[str, Box]) -> int:
    return boxes[box_key(artifact.rule, without_digests(artifact.wildcards.items()))].column


def file_sizes(artifact: Artifact, estimator: Estimator) -> dict[str, float]:
    """Bytes of an artifact's large files, by name."""
    written = estimator.work(artifact.rule, artifact.wildcards).written
    if artifact.rule == "split_catalog":
        valid = estimator.config["valid_fraction"]
        return {"train": (1 - valid) * written, "valid": valid * written}
    if artifact.rule in PASSES.values():
        return estimator.kept_bytes(artifact.wildcards)
    return {next(iter(artifact.files)): written}


def peak(stages: list[Stage]) -> float:
    """The most bytes on the disk where at each stage's end all that it spent is deleted."""
    before = [0.0, *(stage.held - stage.spent for stage in stages)]
    return max(left + stage.written for left, stage in zip(before, stages, strict=False))


def table(stages: list[Stage]) -> list[str]:
    """A head, a line per stage, and the peaks."""
    rows = [HEAD, *((each.title, *map(size_text, (each.written, each.held, each.spent))) for each in stages)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(HEAD))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [
        *lines,
        f"Peak of the disk: {size_text(stages[-1].held)}; {size_text(peak(stages))} with {PRUNE} after each stage.",
    ]
