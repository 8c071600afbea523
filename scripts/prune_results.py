"""List what lies in a folder of results and belongs to none of some configurations; delete it with --delete.

With --intermediate, it also lists the splits, records and probabilities that nothing needs which these configurations
have yet to make. Finished models, submissions, evaluations and the report stay, and stay current.

In: configurations that have the same results, each a file on top of config.yaml and of the profile's; without a file,
the profile's own. Out: a line per folder with files and bytes, and the total. What these configurations lead to stays,
with its recipes, logs and benchmarks, and so does every file that no rule writes under a digest: submission/,
evaluation/ and report/, the report, plans, and whatever else somebody put there.

Example:
    python scripts/prune_results.py a.yaml b.yaml --profile profiles/demo
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import cli
from plan.drawing import size_text
from workflow import drivers, given
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.given import Given
from workflow.outputs import DIGEST, INTERMEDIATE, OUTPUTS, PARTS

NOTES = {"logs": ".log", "benchmarks": ".tsv"}  # folders with a file per job, by rule
IN_NAME = re.compile(rf"(?<![^-]){DIGEST}(?![^-])")
IN_FOLDER = re.compile(rf"-?{DIGEST}$")


def patterns() -> list[re.Pattern]:
    """What the paths below the results look like that rules write; the groups are digests."""
    found = [_pattern(PARTS)]
    for rule, files in OUTPUTS.items():
        recipe = Artifact(rule, {"digest": "{digest}"}, {}, files).recipe_file
        found += [_pattern(template) for template in (*files.values(), str(recipe))]
    return found


def _pattern(template: str) -> re.Pattern:
    return re.compile(
        re.sub(
            r"\\{(\w+)\\}",
            lambda wildcard: f"({DIGEST})" if wildcard[1].endswith("digest") else "[^/]+",
            re.escape(template),
        )
    )


class Known:
    """What some configurations lead to."""

    def __init__(self, configurations: list[Given]):
        artifacts = [artifact for each in configurations for artifact in each.artifacts.everything()]
        self.patterns = patterns()
        self.digests = {digest for artifact in artifacts for digest in artifact.digests}
        self.of_rules: dict[str, set[frozenset[str]]] = {}
        for artifact in artifacts:
            self.of_rules.setdefault(artifact.rule, set()).add(frozenset(artifact.digests))
        # A catalog may be one that was drawn here before.
        self.catalogs = {Path(path).parent.resolve() for each in configurations for path in _catalog(each)}

    def lacks(self, results: Path, path: Path) -> bool:
        """Whether a file below the results has a digest in its path that none of the configurations has."""
        relative = path.relative_to(results)
        if relative.parts[0] in NOTES:
            return self._lacks_note(relative)
        if path.parent.resolve() in self.catalogs:
            return False
        matches = (pattern.fullmatch(str(relative)) for pattern in self.patterns)
        return any(not self.digests.issuperset(match.groups()) for match in matches if match)

    def _lacks_note(self, path: Path) -> bool:
        """The same of a log or a benchmark, whose names hold digests among other parts."""
        if len(path.parts) != 3 or path.parts[1] not in OUTPUTS or path.suffix != NOTES[path.parts[0]]:
            return False
        held = set(IN_NAME.findall(path.stem))
        return bool(held) and not any(digests <= held for digests in self.of_rules.get(path.parts[1], ()))


def _catalog(configuration: Given) -> Iterator[str]:
    """The files of a catalog that no rule makes."""
    if "generate_catalog" not in configuration.artifacts.config:
        for files in configuration.artifacts.data.catalog.values():
            yield from [files] if isinstance(files, str) else files


def left_over(results: Path, known: Known) -> Iterator[Path]:
    """The files below the results that belong to none of the configurations."""
    for folder, _, names in os.walk(results):
        paths = (Path(folder, name) for name in names)
        yield from (path for path in paths if known.lacks(results, path))


def intermediate(configurations: list[Given]) -> Iterator[Path]:
    """The intermediate files of some configurations that nothing needs which one of them has yet to make."""
    made = [each.artifacts for each in configurations]
    needed = {path for each in made for artifact in each.missing(_finished(each)) for path in _sources(artifact)}
    artifacts = (artifact for each in made for artifact in each.everything())
    files = {artifact.files[name] for artifact in artifacts for name in INTERMEDIATE.get(artifact.rule, ())}
    yield from (path for path in map(Path, sorted(files - needed)) if path.exists())


def _finished(artifacts: Artifacts) -> list[str]:
    """What a finished run leaves for people: models and what they answer."""
    return [path for name in ("all", "train") for path in artifacts.target(name)]


def _sources(artifact: Artifact) -> Iterator[str]:
    return (path for paths in artifact.sources.values() for path in paths)


def groups(results: Path, paths: list[Path]) -> dict[str, list[int]]:
    """The sizes of files by what they are: folders without digests, at most two; the largest sum first."""
    found: dict[str, list[int]] = {}
    for path in paths:
        found.setdefault(_group(path.relative_to(results)), []).append(path.lstat().st_size)
    return dict(sorted(found.items(), key=lambda group: -sum(group[1])))


def _group(path: Path) -> str:
    folders = path.parts[:-1] or (path.name.partition(".")[0],)
    folders = folders[:1] if folders[0] in NOTES else folders[:2]
    return "/".join(filter(None, (IN_FOLDER.sub("", folder) for folder in folders)))


def delete(results: Path, paths: list[Path]) -> None:
    """Delete files, and folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
    for path in paths:
        folder = path.parent
        with contextlib.suppress(OSError):  # not empty, or gone
            while folder != results:
                folder.rmdir()
                folder = folder.parent


def main() -> None:
    args = parse_args()
    configurations = [given.read(file, args.profile, args.config) for file in args.configs or [None]]
    results = common_results(configurations)
    if args.delete:
        drivers.claim(results)
    paths = list(left_over(results, Known(configurations)))
    spent = list(intermediate(configurations)) if args.intermediate else []
    names = ", ".join(each.name for each in configurations)
    lines = listing(results, paths, f"belong to none of: {names}")
    lines += listing(results, spent, f"are not needed any more by: {names}") if args.intermediate else []
    total = total_text([path.lstat().st_size for path in [*paths, *spent]])
    if args.delete:
        delete(results, [*paths, *spent])
    sys.stdout.write("\n".join([*lines, ""]))
    if args.delete:
        cli.summary(f"{total} deleted")
    elif paths or spent:
        cli.summary("nothing is deleted; --delete (make prune ... DELETE=1) deletes these files")


def listing(results: Path, paths: list[Path], what: str) -> list[str]:
    """A line per group of files, and one with the total and what it is."""
    sizes = groups(results, paths)
    total = total_text([size for each in sizes.values() for size in each])
    return [*(f"{group}: {total_text(each)}" for group, each in sizes.items()), f"{total} in {results} {what}"]


def total_text(sizes: list[int]) -> str:
    return f"{len(sizes):,} file{'s' * (len(sizes) != 1)}, {size_text(sum(sizes))}"


def common_results(configurations: list[Given]) -> Path:
    """The folder of results of all.

    Raises:
        cli.UserError: one has another than the first.
    """
    first, *others = configurations
    for other in others:
        if other.results.resolve() != first.results.resolve():
            raise cli.UserError(
                f"{other.name}: its results are {other.results}, those of {first.name} are {first.results};"
                " name configurations with the same results"
            )
    return first.results


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    given.add_arguments(parser)
    parser.add_argument("--intermediate", action="store_true", help="also what the configurations do not need any more")
    parser.add_argument("--delete", action="store_true", help="delete what is listed; no driver may be running")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
