"""What the workflow makes: all artifacts of a configuration, and what a run can be asked for.

Nothing here knows Snakemake: rules take their paths from outputs.py and look an artifact up by its wildcards.
"""

from collections.abc import Iterable

import cli
from workflow import recipes
from workflow.answers import Answers
from workflow.artifact import Artifact, Shelf
from workflow.daily import Daily
from workflow.data import Batch, Catalog, Data
from workflow.image_sets import TEST, ImageSet
from workflow.models import Models
from workflow.tables import asked_tables, tables

TARGETS_AFTER_TRAINING = ("predict", "evaluate", "submit", "report", "subsets", "audit")


def target_names(config: dict) -> list[str]:
    """What a run can be asked for by name; first of all, everything."""
    batches = [*map(batch_target, config["batches"])]
    if "exported" in config:
        return ["all", *batches]
    return [
        *("all", "records", "train"),
        *(f"train_{name}" for name in recipes.members(config)),
        *TARGETS_AFTER_TRAINING,
        *batches,
    ]


def batch_target(name: str) -> str:
    return f"batch_{name}"


class Artifacts:
    """All that a complete configuration leads to, in the order of the work.

    Args:
        config: the complete configuration.
        catalog: what the catalog holds; None where it is drawn.
        batches: what the batches hold, by name.
    """

    def __init__(self, config: dict, catalog: Catalog | None, batches: dict[str, Batch]):
        self.config = config
        self._shelf = Shelf(config["results"])
        self.data = Data(config, catalog, batches, self._shelf)
        self.models = Models(config, self.data, self._shelf)
        self.answers = Answers(config, self.data, self.models, self._shelf)
        self.daily = Daily(config, self.data, self.answers, self._shelf)
        self.tables = tables(config, self.data, self.models, self.answers, self.daily, self._shelf)
        self.asked_tables = asked_tables(config, self.data, self.models, self.answers, self._shelf)

    def get(self, wildcards: dict[str, str]) -> Artifact | None:
        """The artifact that a job makes; None where it is of another workflow or configuration."""
        return self._shelf.get(wildcards)

    def of(self, wildcards: dict[str, str]) -> Artifact:
        """The artifact that a job makes.

        Raises:
            cli.UserError: no job of this configuration has these wildcards.
        """
        if artifact := self.get(wildcards):
            return artifact
        named = " ".join(f"{name} {value}" for name, value in wildcards.items())
        raise cli.UserError(
            f"no file of this configuration: {named}; name the configuration that it belongs to by --configfile,"
            " or a target by its name: records, train, predict, evaluate, submit, report"
        )

    def everything(self) -> Iterable[Artifact]:
        return self._shelf.everything()

    def missing(self, targets: Iterable[str]) -> list[Artifact]:
        """What has to be made for some files to be there; a file that is there asks for nothing."""
        return self._shelf.missing(targets)

    def taken_along(self, images: ImageSet) -> list[tuple[Artifact, str]]:
        """What a batch is answered from and does not make itself: artifacts, and the names of their files."""

        def is_of_batch(artifact: Artifact) -> bool:
            return not {images.name, images.called}.isdisjoint(artifact.wildcards.values())

        return self._shelf.outside(self.daily.of(images), is_of_batch)

    def target(self, name: str) -> list[str]:
        """The files that a target of target_names stands for."""
        if name == "all":
            parts = [*map(batch_target, self.config["batches"])]
            parts += [] if "exported" in self.config else ["submit", "evaluate", "report"]
            return [path for part in parts for path in self.target(part)]
        answers = self.answers
        parts = [part for parts in self.data.records.values() for part in parts.values()]
        last = {model: epochs[-1] for model, epochs in self.models.epochs.items()} | answers.heads
        last_params = {name: each.files["params"] for name, each in last.items()}
        files = {
            "records": [part.files[name] for part in parts for name in ("records", "offsets")],
            "train": list(last_params.values()),
            **{f"train_{model}": [params] for model, params in last_params.items()},
            "predict": answers.asked(),
            "evaluate": _files([*answers.evaluations.values(), self.tables["tabulate_evaluations"]]),
            "submit": _files([*answers.submissions.values(), *self.daily.of(TEST)]),
            "report": _files(self.tables.values()),
            "subsets": _files([self.asked_tables["rank_subsets"]]),
            "audit": _files([self.asked_tables["audit_labels"]]),
            **{batch_target(name): _files(self.daily.of(ImageSet(batch=name))) for name in self.config["batches"]},
        }
        return files[name]


def _files(made: Iterable[Artifact]) -> list[str]:
    return [path for artifact in made for path in artifact.files.values()]
