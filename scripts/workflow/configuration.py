"""The configuration as one checked dictionary."""

import difflib
import os
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

import cli
import networks
from networks.shapes import TooSmallError
from postprocessing.learned import LEARNED
from workflow import data, image_sets, recipes, values
from workflow.image_sets import TEST
from workflow.models import PACKAGED_WEIGHTS
from workflow.outputs import DIGEST, JOINED, OUTPUTS

NOTHING = "(?!)"  # the pattern that fits no text

KINDS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list, as in [a, b]",
    "object": "a section of keys",
    "string": "text; put it in quotes",
}


def complete(config: dict, schema_path: Path) -> dict:
    """A configuration as the rules see it: typed, checked, with defaults, and with the models of `only`.

    The catalog's folder of one that is drawn follows from what it is drawn from.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    schema = yaml.safe_load(schema_path.read_text())
    config = values.without_nulls(values.typed(config, schema, schema))
    check(config, schema)
    config = values.with_defaults(config, schema, schema)
    for section in (*config["models"].values(), config["prediction"]):
        section.setdefault("engine", config["engine"])
    check_networks(config["networks"])
    check_names(config)
    check_training(config)
    if set("{}") & set(config["results"]):
        raise cli.UserError("config: results: { and } are Snakemake's, for wildcards; take another name for the folder")
    config["results"] = os.path.normpath(config["results"])
    if "generate_catalog" in config:
        config["catalog"] = data.drawn_folder(config)
    config = selected(config)
    check_sizes(config)
    check_batches(config)
    return config


def check(config: dict, schema: dict) -> None:
    """Check a configuration against the schema.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    fault = best_match(Draft202012Validator(schema).iter_errors(config))
    if fault is not None:
        key, text = _told(fault, schema)
        raise cli.UserError(f"config: {key}: {text}; see docs/configuration.md")


def _told(fault: ValidationError, schema: dict) -> tuple[str, str]:
    """The path of the key that a fault is about, and what is wrong with it."""
    path, value = list(fault.absolute_path), fault.instance
    match fault.validator:
        case "additionalProperties":
            known = fault.schema["properties"]
            unknown = next(key for key in value if key not in known)
            near = difflib.get_close_matches(unknown, known, n=1)
            path.append(unknown)
            text = f"no such key; {f'do you mean {near[0]}?' if near else 'known here: ' + ', '.join(known)}"
        case "required":
            missing = next(key for key in fault.validator_value if key not in value)
            path.append(missing)
            text = f"missing ({fault.schema['properties'][missing]['description'].rstrip('.')})"
        case "pattern":
            path.append(value)
            text = "a name has letters, digits, _ and -, and begins with a letter or a digit"
        case "type":
            text = f"{reprlib.repr(value)} is not {KINDS[fault.validator_value]}"
        case _:
            text = fault.message
    return ".".join(map(str, path)) or "the top level", text


def check_networks(networks: dict) -> None:
    """Check what the numbers of a network have to do with one another.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    for name, network in networks.items():
        stages = len(network.get("units", ()))
        for key, value in network.items():
            if isinstance(value, list) and len(value) != stages:
                raise cli.UserError(
                    f"config: networks.{name}.{key}: {len(value)} numbers for {stages} stages; give as many as in units"
                )
        for width in _inner_widths(network):
            if width < 1 or width % network["groups"]:
                raise cli.UserError(
                    f"config: networks.{name}.groups: {network['groups']} groups do not divide the {width} channels of "
                    "a 3x3 convolution, which follow from filters and width or k_r"
                )


def _inner_widths(network: dict) -> list[int]:
    """The channels of the grouped convolutions, per stage."""
    match network["family"]:
        case "resnext":
            return [int(channels * network["width"]) for channels in network["filters"]]
        case "dpn":
            return [network["k_r"] * channels // network["filters"][0] for channels in network["filters"]]
        case _:
            return []


def check_training(config: dict) -> None:
    """Check what GPUs and batches, a phase's keys and its engine, and a picture's sizes have to do with one another.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    for name in recipes.trained(config):
        model = config["models"][name]
        if "batch_size" not in model:
            raise cli.UserError(f"config: models.{name}.batch_size: missing (pictures per batch over all GPUs)")
        if model["gpus"] and model["batch_size"] % model["gpus"]:
            raise cli.UserError(
                f"config: models.{name}.batch_size: {model['gpus']} GPUs cannot share a batch of {model['batch_size']};"
                " choose a multiple of gpus"
            )
        for number, phase in enumerate(model["phases"]):
            if "weight_decay" in phase and phase["optimizer"] in ("adam", "nadam"):
                raise cli.UserError(
                    f"config: models.{name}.phases.{number}.weight_decay: {phase['optimizer']} takes none; adamw does"
                )
            for key in recipes.OF_TORCH_ALONE:
                if key in phase and model["engine"] != "torch":
                    raise cli.UserError(
                        f"config: models.{name}.phases.{number}.{key}: {model['engine']} has none; leave it out, or set"
                        f" models.{name}.engine: torch"
                    )
        if recipes.is_timms(config, name) and model["engine"] != "torch":
            raise cli.UserError(
                f"config: models.{name}.network: {model['engine']} has no networks of timm, such as {model['network']};"
                f" set models.{name}.engine: torch"
            )
    for name, model in config["models"].items():
        image = recipes.image(config, name)
        if recipes.resize(image) < image["size"]:
            raise cli.UserError(
                f"config: networks.{model['network']}.image.resize: {image['resize']} pixels are fewer than the"
                f" {image['size']} of image.size, which is cut out of them"
            )


def check_sizes(config: dict) -> None:
    """Check that something is left of each model's pictures at the end of its network.

    Raises:
        cli.UserError: the first model whose pictures are too small.
    """
    for name, model in config["models"].items():
        size = recipes.image(config, name)["size"]
        if recipes.is_timms(config, name):
            continue  # timm alone knows, in the model's first job
        try:
            networks.array_shapes(recipes.network_spec(config, name), size, classes=1)
        except TooSmallError as error:
            raise cli.UserError(
                f"config: image.size: pictures of {size}x{size} pixels are too small for {model['network']}; choose a"
                f" larger size, or another network for {name}"
            ) from error


def check_names(config: dict) -> None:
    """Check the names by which parts of a complete configuration refer to one another.

    Raises:
        cli.UserError: the first name that leads nowhere or stands for two things, with the path of its key.
    """
    for name, model in config["models"].items():
        if f"train_{name}" in OUTPUTS:
            raise cli.UserError(
                f"config: models.{name}: its target train_{name} has the name of a rule; choose another"
            )
        _check_reference(model["network"], config["networks"], f"models.{name}.network", "networks")
        _check_reference(model["dataset"], config["datasets"], f"models.{name}.dataset", "datasets")
        if source := model["start"].get("model"):
            _check_reference(source, config["models"], f"models.{name}.start.model", "models")
        if (weights := model["start"].get("pretrained")) in PACKAGED_WEIGHTS:
            _check_reference(weights, config["networks"], f"models.{name}.start.pretrained", "networks")
    for name in recipes.trained(config):
        _check_teachers(config, name)
    for name in config["models"]:
        _check_lineage_ends(config, (name,))
    _check_folds(config)
    check_heads(config)
    for name, ensemble in config["ensembles"].items():
        for member in ensemble["models"]:
            _check_reference(member, recipes.members(config), f"ensembles.{name}.models", "trained models and heads")
            if ensemble.get("mean") == LEARNED and recipes.is_of_products(config, member):
                raise cli.UserError(
                    f"config: ensembles.{name}.mean: learned weighs members that say what pictures are, and {member}"
                    " says what products are; take another mean, or a head of pictures"
                )
        if ensemble.get("mean") == LEARNED and "weights" in ensemble:
            raise cli.UserError(f"config: ensembles.{name}.weights: the mean learned finds them; unset this key")
        weights = ensemble.get("weights", ensemble["models"])
        if len(weights) != len(ensemble["models"]):
            raise cli.UserError(f"config: ensembles.{name}.weights: give one weight per model")
        if name in config["models"] or name in config["heads"]:
            raise cli.UserError(f"config: ensembles.{name}: a model or a head has this name; choose another")


def check_heads(config: dict) -> None:
    """Check frozen models, and that heads find features of one split.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    for name, model in config["models"].items():
        if not (model["phases"] or model["start"]):
            raise cli.UserError(
                f"config: models.{name}.start: a model without phases is frozen and needs weights; give"
                " start: {pretrained: ...}, or phases"
            )
        if (source := model["start"].get("model")) and not config["models"][source]["phases"]:
            raise cli.UserError(f"config: models.{name}.start.model: {source} is frozen; take the start that it has")
    for name, head in config["heads"].items():
        if name in config["models"]:
            raise cli.UserError(f"config: heads.{name}: a model has this name; choose another")
        for model in head["models"]:
            _check_reference(model, config["models"], f"heads.{name}.models", "models")
        first, *others = head["models"]
        for model in others:
            if recipes.seed_of(config, model) != recipes.seed_of(config, first):
                raise cli.UserError(
                    f"config: heads.{name}.models: {first} and {model} have different splits, so they learn from and"
                    " are measured on different products; take models whose datasets have one seed"
                )


def check_batches(config: dict) -> None:
    """Check that an ensemble answers the batches, and that their names can stand in paths and targets.

    Raises:
        cli.UserError: the first fault, with the path of its key.
    """
    if ensemble := recipes.answering_ensemble(config):
        _check_reference(ensemble, config["ensembles"], "answers.ensemble", "ensembles")
    elif config["batches"] or "accept" in config:
        raise cli.UserError(
            "config: answers.ensemble: missing; name the ensemble that answers, one of:"
            f" {', '.join(config['ensembles'])}"
        )
    if "exported" in config and not config["batches"]:
        raise cli.UserError(
            "config: batches: missing; name the products to answer: --config 'batches={today: new.bson}'"
        )
    for name in config["batches"]:
        if name == TEST.name or name.endswith(JOINED):
            raise cli.UserError(
                f"config: batches.{name}: files of the workflow end in this, or are called so; choose another name"
            )


def any_of(names: Iterable[str]) -> str:
    """The pattern of a wildcard that stands for one of some names."""
    return "|".join(map(re.escape, names)) or NOTHING


def any_pass(passes: dict[tuple[image_sets.ImageSet, str], str], rule: str) -> str:
    """The pattern of a wildcard for an image set that has a model behind it which a rule brings it through."""
    pairs = ((images.name, model) for (images, model), each in passes.items() if each == rule)
    return "|".join(f"{images}(?=-{DIGEST}/{re.escape(model)}-{DIGEST}/)" for images, model in pairs) or NOTHING


def _check_reference(name: str, known: dict, key: str, section: str) -> None:
    if name not in known:
        raise cli.UserError(f"config: {key}: {name} is not in {section}: {', '.join(known)}")


def _check_folds(config: dict) -> None:
    folds = round(1 / config.get("valid_fraction", 1))
    for name, dataset in config["datasets"].items():
        if dataset.get("fold", 1) > folds:
            raise cli.UserError(
                f"config: datasets.{name}.fold: {dataset['fold']}, but a valid_fraction of {config['valid_fraction']}"
                f" makes {folds} folds"
            )


def _check_teachers(config: dict, name: str) -> None:
    """Check the ensembles that a model is to learn from."""
    for number, phase in enumerate(config["models"][name]["phases"]):
        if "teacher" not in phase:
            continue
        key, teacher = f"models.{name}.phases.{number}", phase["teacher"]
        _check_reference(teacher, config["ensembles"], f"{key}.teacher", "ensembles")
        ensemble = config["ensembles"][teacher]
        others = [member for member in ensemble["models"] if member not in recipes.trained(config)]
        if others or ensemble.get("mean") == LEARNED:
            reason = f"its member {others[0]} is no trained model" if others else "it learns its mean"
            raise cli.UserError(f"config: {key}.teacher: {teacher} teaches nothing: {reason}; choose another ensemble")
        if phase.get("label_smoothing"):
            raise cli.UserError(f"config: {key}.label_smoothing: a student learns no labels; unset this key")


def _check_lineage_ends(config: dict, path: tuple[str, ...]) -> None:
    for parent in recipes.parents(config, path[-1]):
        if parent in path:
            circle = " -> ".join((*path, parent))
            raise cli.UserError(f"config: models.{path[0]}: {circle} is a circle of starts and teachers")
        _check_lineage_ends(config, (*path, parent))


def selected(config: dict) -> dict:
    """A checked configuration with the models that `only` names and the ensembles of them alone.

    Where none of these ensembles has all the models, an ensemble `only` of all of them is added.

    Raises:
        cli.UserError: a name in `only` leads nowhere, a model starts from one that is not named, or something else has
            the name of the ensemble.
    """
    if "only" not in config:
        return config
    only = config["only"]
    for name in only:
        _check_reference(name, config["models"], "only", "models")
        source = config["models"][name]["start"].get("model", name)
        if source not in only:
            raise cli.UserError(
                f"config: only: {name} starts from {source}; name {source} too, "
                f"or set models.{name}.start.model to null"
            )
        for teacher in recipes.teachers(config, name):
            if absent := [member for member in config["ensembles"][teacher]["models"] if member not in only]:
                raise cli.UserError(
                    f"config: only: {name} learns from {teacher}; name {', '.join(absent)} too, or another teacher"
                )
    models = {name: model for name, model in config["models"].items() if name in only}
    heads = {name: head for name, head in config["heads"].items() if set(head["models"]) <= set(only)}
    left = config | {"models": models, "heads": heads}
    members = recipes.members(left)
    everyone = recipes.trained(left) or members
    if not everyone:
        raise cli.UserError("config: only: all of these models are frozen, and no head learns from them alone")
    ensembles = {name: each for name, each in config["ensembles"].items() if set(each["models"]) <= set(members)}
    if not any(set(everyone) <= set(ensemble["models"]) for ensemble in ensembles.values()):
        for section in ("models", "heads", "ensembles"):
            if "only" in config[section]:
                raise cli.UserError(
                    f"config: {section}.only: the ensemble of all models that the key only names is called so;"
                    " choose another name"
                )
        ensembles["only"] = {"models": everyone, "mean": "arithmetic"}
    return left | {"ensembles": ensembles}
