"""Put two settings side by side: what both reach on the same products, and what each costs.

In: two configurations, each a file on top of config.yaml and of the profile's, and what their runs left: evaluations,
tables of products, benchmarks. Out: a table on the terminal with a row per model and ensemble that both have and have
evaluated.

Differences have the 95 % interval for shares of the same products of Agresti and Min, "Simple improved confidence
intervals for comparing matched proportions", Statistics in Medicine 24 (2005), 729-740.

Example:
    python scripts/compare_runs.py a.yaml b.yaml --profile profiles/demo
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import cli
from costs.finished import NAMES, wall_seconds
from figures.evaluations import on_common_products, read_evaluations, read_right
from plan.drawing import hours_text
from postprocessing.proportions import paired_interval
from postprocessing.steps import labels_taken
from workflow import given, image_sets, recipes
from workflow.artifact import Artifact
from workflow.given import Given
from workflow.image_sets import TEST

SAME, UNKNOWN = "same", "-"
MEASURES = ("networks", "labelled")
HEADS = (
    ("", "same", "alone", "alone", "alone", "labelled", "labelled", "labelled", "cost", "cost"),
    ("", "products", "A", "B", "B - A, 95 %", "A", "B", "B - A, 95 %", "A", "B"),
)
NOTES = """
Right, in %, of the products that both measured. Alone: networks alone, no label is taken.
Labelled: {} took the label that they have in the train parts.
B - A: in points, with its 95 % interval for shares of the same products (Agresti and Min, 2005).
Cost: time of all jobs that trained the model, or the models of an ensemble, and predicted their valid pictures, and
their test pictures where both predicted them; - where the benchmark of a job is missing.
"""


@dataclass(frozen=True)
class Row:
    """A model or an ensemble in both configurations.

    Attributes:
        right: whether each product that both measured is right in A and in B: bool columns MEASURES, the same rows.
        seconds: what it took in A and in B; None where that is not known.
    """

    name: str
    is_same: bool
    right: tuple[pd.DataFrame, pd.DataFrame]
    seconds: tuple[float | None, float | None]

    def cells(self) -> list[str]:
        first, second = self.right
        cells = [self.name, f"{len(first):,}"]
        for measure in MEASURES:
            cells += measure_cells(first[measure], second[measure], self.is_same)
        return cells + [UNKNOWN if each is None else hours_text(each / 3600) for each in self.seconds]


def measure_cells(first: pd.Series, second: pd.Series, is_same: bool) -> list[str]:
    """The shares of the same products that are right in A and in B, and the difference."""
    if first.empty:
        return [UNKNOWN] * 3
    shares = [f"{100 * right.mean():.2f}" for right in (first, second)]
    return [*shares, SAME if is_same else difference_text(first, second)]


def difference_text(first: pd.Series, second: pd.Series) -> str:
    """By how many points the second is right more often, and the 95 % interval of that."""
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    low, high = paired_interval(gained, lost, len(first))
    digits = 2 if high - low < 0.1 else 1
    return f"{100 * (gained - lost) / len(first):+.2f} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def compare(both: tuple[Given, Given], name: str) -> Row:
    """What both reach on the same products of a model or an ensemble that both have evaluated."""
    first, second = (side.artifacts.answers.evaluations[name] for side in both)
    right = read_both(name, [Path(each.files["products"]) for each in (first, second)])
    return Row(name, first.digest == second.digest, right, seconds(both, name))


def read_both(name: str, paths: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Whether each product that two tables of products have in common is right, by each.

    Raises:
        cli.UserError: a table cannot be read, or a product has another category in each.
    """
    read = [_read_products(path) for path in paths]
    categories, right = zip(*read, strict=True)
    first, second = on_common_products(dict(enumerate(categories))).values()
    if (differing := first.category_id != second.category_id).any():
        product = differing.idxmax()
        raise cli.UserError(
            f"{name}: product {product} is of category {first.category_id[product]} in A and of"
            f" {second.category_id[product]} in B; compare settings of one catalog"
        )
    return tuple(on_common_products(dict(enumerate(right))).values())


def _read_products(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The category of each product (product_id), and whether it is right."""
    try:
        categories = pd.read_parquet(path, columns=["product_id", "category_id"]).set_index("product_id")
        return categories, read_right([path])[path.stem]
    except (KeyError, ValueError) as error:
        text = " ".join(str(error).split())
        raise cli.UserError(f"{path}: no table of products: {text}; delete it and run again") from error


def seconds(both: tuple[Given, Given], name: str) -> tuple[float | None, float | None]:
    """What a model, or an ensemble's models, took in each; test pictures count where both have predicted them."""
    tests = [benchmarks(side, _predictions(side, name, of_test=True)) for side in both]
    has_tests = all(paths and all(map(Path.exists, paths)) for paths in tests)
    first, second = (
        _sum(benchmarks(side, [*_trainings(side, name), *_predictions(side, name, of_test=False)]) + has_tests * test)
        for side, test in zip(both, tests, strict=True)
    )
    return first, second


def benchmarks(side: Given, jobs: Iterable[Artifact]) -> list[Path]:
    """The benchmark files of jobs of training and prediction."""
    return [side.results / "benchmarks" / job.rule / f"{NAMES[job.rule].format(**job.wildcards)}.tsv" for job in jobs]


def _trainings(side: Given, name: str) -> list[Artifact]:
    """The epochs of models; of heads, their training, their models' epochs and the passes that they learn from."""
    made, found = side.artifacts, []
    for member in _members(side, name):
        found += [epoch for model in _models(side, member) for epoch in made.models.epochs.get(model, [])]
        if member in made.answers.heads:
            found += [made.answers.heads[member], *_features(side, member, image_sets.learned_by(made.config, member))]
    return [*dict.fromkeys(found)]


def _predictions(side: Given, name: str, of_test: bool) -> list[Artifact]:
    """The predictions of the test or the valid pictures; none where a member does not predict them."""
    found = [
        shard
        for member in _members(side, name)
        for images in image_sets.predicted_by(side.artifacts.config, member)
        if (images == TEST if of_test else images.seed is not None)
        for shard in [*side.artifacts.answers.predictions[images, member], *_features(side, member, images)]
    ]
    return [*dict.fromkeys(found)]


def _features(side: Given, member: str, images: image_sets.ImageSet) -> list[Artifact]:
    """The passes of an image set that a head takes features from; none of a model."""
    if member not in side.artifacts.answers.heads:
        return []
    return [shard for model in _models(side, member) for shard in side.artifacts.answers.features[images, model]]


def _members(side: Given, name: str) -> list[str]:
    return recipes.as_ensemble(side.artifacts.config, name)["models"]


def _models(side: Given, member: str) -> list[str]:
    """The models of a head, or a model itself."""
    head = side.artifacts.config["heads"].get(member)
    return head["models"] if head else [member]


def _sum(paths: list[Path]) -> float | None:
    try:
        return sum(map(wall_seconds, paths))
    except (FileNotFoundError, KeyError, ValueError):  # not there, or cut off
        return None


def evaluated(side: Given) -> list[str]:
    """The models and ensembles of a configuration whose evaluation is there.

    Raises:
        cli.UserError: none is.
    """
    found = side.artifacts.answers.evaluations.items()
    names = [name for name, artifact in found if all(Path(path).exists() for path in artifact.files.values())]
    if not names:
        raise cli.UserError(f"{side.name}: nothing is evaluated yet in {side.results}; run it first: {side.command}")
    return names


def table(rows: list[Row]) -> list[str]:
    """A head and a line per row; the columns after the name stand at the right."""
    lines = [*HEADS, *(row.cells() for row in rows)]
    first, *widths = (max(map(len, column)) for column in zip(*lines, strict=True))
    return [
        "  ".join([line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], widths, strict=True))])
        for line in lines
    ]


def left_out(both: tuple[Given, Given], found: tuple[list[str], list[str]]) -> list[str]:
    """Lines that tell which names have no row, and why."""
    known = [side.artifacts.answers.evaluations for side in both]
    lines = []
    for letter, names, other in zip("AB", known, reversed(known), strict=True):
        lines += _line(f"Only in {letter}", [name for name in names if name not in other])
    for letter, names, done in zip("AB", known, found, strict=True):
        shared = [name for name in names if all(name in each for each in known)]
        lines += _line(f"Not evaluated yet in {letter}", [name for name in shared if name not in done])
    return lines


def _line(text: str, names: list[str]) -> list[str]:
    return [f"{text}: {', '.join(names)}"] if names else []


def labelled_text(both: tuple[Given, Given], name: str) -> str:
    """Which labels the products of each took, in words."""
    paths = [[Path(side.artifacts.answers.evaluations[name].files["evaluation"])] for side in both]
    first, second = (labels_taken(read_evaluations(path)[name]) for path in paths)
    return first if first == second else f"in A {first}, in B {second}"


def main() -> None:
    args = parse_args()
    if len(args.configs) != 2:
        raise cli.UserError(f"two configurations are compared, not {len(args.configs)}: name two files")
    both = tuple(given.read(file, args.profile, args.config) for file in args.configs)
    found = tuple(map(evaluated, both))
    names = [name for name in found[0] if name in found[1]]
    if not names:
        raise cli.UserError(f"{both[0].name}, {both[1].name}: no model or ensemble is evaluated in both")
    rows = [compare(both, name) for name in names]
    heads = [f"{letter}: {side.name}" for letter, side in zip("AB", both, strict=True)]
    notes = NOTES.format(labelled_text(both, names[0]))
    sys.stdout.write("\n".join([*heads, "", *table(rows), notes.rstrip(), *left_out(both, found), ""]))
    cli.summary(f"{len(rows)} models and ensembles compared, {sum(row.is_same for row in rows)} of them the same")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    given.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
