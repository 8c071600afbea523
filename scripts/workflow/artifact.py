"""What one job leaves: its files, under the names that tell what is in them.

A recipe holds all that determines the content of a job's files and nothing else: not paths, threads, GPUs,
environments, nor how many pictures are predicted at once. The recipe's digest stands in the paths, so a file that is
there is current and one that is not is to be made, whoever made it, wherever, by whatever command. Recipes of data hold
the recipes of what they are made from; those of epochs, predictions and what follows hold digests.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cli
from workflow.outputs import OUTPUTS


@dataclass(frozen=True, eq=False)
class Artifact:
    """What one job leaves.

    `wildcards` are the rule's, with the digests; `files` are the outputs by name, `sources` the inputs by name.
    """

    rule: str
    wildcards: dict[str, str]
    recipe: dict
    files: dict[str, str]
    sources: dict[str, list[str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.wildcards["digest"]

    @property
    def digests(self) -> list[str]:
        """The digests that its paths hold, its own among them."""
        return [value for name, value in self.wildcards.items() if name.endswith("digest")]

    @property
    def recipe_file(self) -> Path:
        """Where the recipe lies: beside the first file; once for all parts and shards of a folder."""
        first = Path(next(iter(self.files.values())))
        is_alone = self.digest in first.name or "by-recipe" in first.parts
        return first.with_name(f"{first.name.partition('.')[0]}.recipe.json" if is_alone else "recipe.json")


def digest_of(rule: str, recipe: dict) -> str:
    return hashlib.sha256(json.dumps({"rule": rule, **recipe}, sort_keys=True).encode()).hexdigest()[:10]


def write_recipe(artifact: Artifact) -> None:
    """Lay an artifact's recipe beside its files."""
    if not artifact.recipe_file.exists():
        with cli.written_whole(artifact.recipe_file) as (temporary,):
            temporary.write_text(cli.as_json(artifact.recipe))


class Shelf:
    """Artifacts below a folder of results, found by their wildcards and by their files."""

    def __init__(self, results: str):
        self.results = results
        self._by_wildcards: dict[frozenset, Artifact] = {}
        self._by_file: dict[str, Artifact] = {}

    def add(self, rule: str, recipe: dict, sources: dict, wildcards: dict | None = None, **digests: str) -> Artifact:
        """Note an artifact; `digests` are those that its path holds: its own, if it is known, and others beside it."""
        named = {**(wildcards or {}), **digests}
        if "digest" not in named:
            named["digest"] = digest_of(rule, recipe)
        files = {name: f"{self.results}/{path.format(**named)}" for name, path in OUTPUTS[rule].items()}
        artifact = Artifact(rule, named, recipe, files, {name: _listed(paths) for name, paths in sources.items()})
        self._by_wildcards[frozenset(named.items())] = artifact
        self._by_file |= dict.fromkeys(files.values(), artifact)
        return artifact

    def get(self, wildcards: dict[str, str]) -> Artifact | None:
        return self._by_wildcards.get(frozenset(wildcards.items()))

    def everything(self) -> Iterable[Artifact]:
        return self._by_wildcards.values()

    def outside(
        self, artifacts: Iterable[Artifact], is_inside: Callable[[Artifact], bool]
    ) -> list[tuple[Artifact, str]]:
        """What some artifacts are made from, directly or by others inside: artifacts outside, with names of files."""
        waiting, seen = list(artifacts), set()
        found: dict[tuple[Artifact, str], None] = {}
        while waiting:
            artifact = waiting.pop()
            if artifact in seen:
                continue
            seen.add(artifact)
            for path in (path for paths in artifact.sources.values() for path in paths):
                if (source := self._by_file.get(path)) is None:
                    continue
                if is_inside(source):
                    waiting.append(source)
                else:
                    [name] = [name for name, file in source.files.items() if file == path]
                    found[source, name] = None
        return list(found)

    def missing(self, targets: Iterable[str]) -> list[Artifact]:
        """What has to be made for some files to be there; a file that is there asks for nothing."""
        waiting: list[str] = list(targets)
        found: dict[Artifact, None] = {}
        while waiting:
            path = waiting.pop()
            artifact = self._by_file.get(path)
            if artifact and artifact not in found and not Path(path).exists():
                found[artifact] = None
                waiting += [path for paths in artifact.sources.values() for path in paths]
        return list(found)


def _listed(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths
