"""Parameters on disk as NumPy arrays, and what of them fits a network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli
import networks
from networks.shapes import Shape
from training import classifiers, params_file
from training.recipe import Recipe

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Start:
    """A checkpoint to start from.

    Attributes:
        params: its file. Where a list of its categories lies beside it (classifiers.class_list), the classifier's rows
            are taken by category id; else the classifier is taken as it is, if it fits.
        categories: the category id (int64) of each class to train.
    """

    params: Path
    categories: np.ndarray


@dataclass(frozen=True)
class Transfer:
    """The arrays of a checkpoint that fit a network by name and shape."""

    arguments: Arrays
    auxiliaries: Arrays
    needed: int  # arrays of the network

    @property
    def matched(self) -> int:
        return len(self.arguments) + len(self.auxiliaries)


def save(path: Path, arguments: Arrays, auxiliaries: Arrays) -> None:
    """Write a .params with MXNet's names arg:... and aux:..."""
    named = {f"arg:{name}": array for name, array in arguments.items()}
    params_file.write(path, named | {f"aux:{name}": array for name, array in auxiliaries.items()})


def load(path: Path) -> tuple[Arrays, Arrays]:
    """Arguments and auxiliary states of a .params.

    Raises:
        cli.UserError: the file is missing or damaged, or has an array of neither kind.
    """
    if not path.is_file():
        raise cli.UserError(f"{path}: no such file; give another start, or train from random weights without one")
    kinds = {"arg": {}, "aux": {}}
    for full_name, array in params_file.read(path).items():
        kind, _, name = full_name.partition(":")
        if kind not in kinds:
            raise cli.UserError(f"{path}: {full_name}: neither arg: nor aux:, as a network's arrays are named")
        kinds[kind][name] = array
    return kinds["arg"], kinds["aux"]


def fitting(found: tuple[Arrays, Arrays], shapes: tuple[dict[str, Shape], dict[str, Shape]]) -> Transfer:
    """What a checkpoint gives to a network: every array that matches by name and shape.

    Args:
        found: arguments and auxiliary states of the checkpoint.
        shapes: of the network's (networks.array_shapes).
    """
    matching = [
        {name: array for name, array in arrays.items() if wanted.get(name) == array.shape}
        for arrays, wanted in zip(found, shapes, strict=True)
    ]
    return Transfer(*matching, needed=sum(map(len, shapes)))


def of_start(start: Start, recipe: Recipe, classes: int) -> Transfer:
    """What a checkpoint gives to the recipe's network; says how much that is.

    Raises:
        cli.UserError: fewer arrays match than the recipe asks for, or the list of its categories does not fit.
    """
    params, kept = start.params, ""
    arguments, auxiliaries = load(params)
    if classifiers.class_list(params).exists():
        arguments, known = classifiers.with_categories(arguments, params, start.categories)
        kept = f"; {known:,} of {classes:,} categories keep their rows of the classifier"
    found = fitting((arguments, auxiliaries), networks.array_shapes(recipe.network, recipe.image["size"], classes))
    matches = f"{found.matched} of {found.needed} arrays match by name and shape"
    cli.summary(f"{params}: {matches}{kept}")
    if found.matched < recipe.min_transfer * found.needed:
        raise cli.UserError(
            f"{params}: {matches}, {recipe.min_transfer:.0%} are needed; choose another start, or lower the model's"
            " min_transfer"
        )
    return found


def of_trained(params: Path, network: dict, size: int) -> tuple[Transfer, int]:
    """All arrays of a trained network, and the number of its classes.

    Args:
        network: family and numbers.
        size: pixels of a picture's side.

    Raises:
        cli.UserError: the file is damaged or another network's.
    """
    found = load(params)
    if "fc_bias" not in found[0]:
        raise cli.UserError(f"{params}: no fc_bias, which every network ends in; train the model again")
    classes = len(found[0]["fc_bias"])
    weights = fitting(found, networks.array_shapes(network, size, classes))
    if weights.matched < weights.needed:
        raise cli.UserError(
            f"{params}: {weights.matched} of the {weights.needed} arrays of its network match; train the model again"
        )
    return weights, classes
