"""The configuration as one checked dictionary."""

from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

import cli


def without_nulls(value):
    """Drop the keys set to null, at every depth: overlays are merged, so null is how they unset a key."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def check(config: dict, schema_path: Path) -> None:
    """Check a configuration against the schema.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    schema = yaml.safe_load(schema_path.read_text())
    fault = best_match(Draft202012Validator(schema).iter_errors(config))
    if fault is not None:
        key = ".".join(map(str, fault.absolute_path)) or "the top level"
        raise cli.UserError(f"config: {key}: {fault.message}; see {schema_path.name}")


def check_names(config: dict) -> None:
    """Check the names by which parts of a complete configuration refer to one another.

    Raises:
        cli.UserError: the first name that leads nowhere, with the path of its key.
    """
    for name, model in config["models"].items():
        _check_reference(model["network"], config["networks"], f"models.{name}.network", "networks")
        _check_reference(model["dataset"], config["datasets"], f"models.{name}.dataset", "datasets")
        if source := model["start"].get("model"):
            _check_reference(source, config["models"], f"models.{name}.start.model", "models")
    for name in config["models"]:
        _check_transfers_end(config["models"], name)
    for name, ensemble in config["ensembles"].items():
        for model in ensemble["models"]:
            _check_reference(model, config["models"], f"ensembles.{name}.models", "models")
        weights = ensemble.get("weights", ensemble["models"])
        if len(weights) != len(ensemble["models"]):
            raise cli.UserError(f"config: ensembles.{name}.weights: give one weight per model")
        if name in config["models"]:
            raise cli.UserError(f"config: ensembles.{name}: a model has this name; choose another")


def _check_reference(name: str, known: dict, key: str, section: str) -> None:
    if name not in known:
        raise cli.UserError(f"config: {key}: {name} is not in {section}: {', '.join(known)}")


def _check_transfers_end(models: dict, name: str) -> None:
    visited = [name]
    while source := models[visited[-1]]["start"].get("model"):
        visited.append(source)
        if visited.count(source) > 1:
            circle = " -> ".join(visited)
            raise cli.UserError(f"config: models.{name}.start.model: {circle} is a circle of transfers")
