"""Two configurations of the smallest workflow, for tests of the programs that look at what their runs have left."""

import re
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT
from workflow import given
from workflow.artifact import Artifact
from workflow.given import Given

OVERLAY = (ROOT / "tests/runs/overlay.yaml").read_text().replace("shards: 1", "shards: 2")
OTHER_RATE = ("{learning_rate: 0.01, epochs: 1}]\n  M11", "{learning_rate: 0.02, epochs: 1}]\n  M11")


def write(path: Path, *changes: tuple[str, str]) -> Given:
    """The overlay with two shards and other text in a few places, and its results beside it in `results`."""
    text = OVERLAY
    for old, new in [("results: results", f"results: {path.parent / 'results'}"), *changes]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    (path.parent / "results").mkdir(exist_ok=True)
    return given.read(path, None, [])


def notes(side: Given, artifact: Artifact) -> Iterator[Path]:
    """The log and the benchmark of a job, where the rules have them."""
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    [text] = re.findall(
        rf"^(?:use )?rule (?:\w+ as )?{artifact.rule}(?: with)?:\n(.*?)(?=^\S|\Z)", rules, re.MULTILINE | re.DOTALL
    )
    for folder, suffix in (("logs", "log"), ("benchmarks", "tsv")):
        [template] = re.findall(rf'{folder}\("(.+)"\)', text)
        yield side.results / folder / f"{template.format(**artifact.wildcards)}.{suffix}"
