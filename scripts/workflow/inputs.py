"""Which files the jobs of a run take, and which artifacts a run makes."""

import os
from collections.abc import Iterable
from pathlib import Path

from workflow import artifacts
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts


def source(artifact: Artifact, name: str, missing: set[Artifact]) -> list[str]:
    """The files of one of an artifact's sources; what is not made asks for nothing that is gone."""
    found = artifact.sources[name]
    return found if artifact in missing else list(filter(os.path.exists, found))


def missing(made: Artifacts, targets: Iterable[str]) -> set[Artifact]:
    """What a run has to make for its targets, names or files; without any, for everything."""
    targets, names = set(targets) or {"all"}, artifacts.target_names(made.config)
    files = [path for name in names if name in targets for path in made.target(name)]
    files += [path if Path(path).is_absolute() else os.path.relpath(path) for path in targets.difference(names)]
    return set(made.missing(files))


def of_jobs(made: Artifacts, wildcards: Iterable[dict[str, str]]) -> set[Artifact]:
    """What jobs make, by their wildcards; those of a workflow that uses this one make none of it."""
    return {artifact for each in wildcards if (artifact := made.get(each))}
