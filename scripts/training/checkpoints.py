"""Parameters on disk as NumPy arrays, and what of them fits a network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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


class Layout(NamedTuple):
    """The arrays of a network.

    Attributes:
        arguments, auxiliaries: shapes of learned arrays and of moving statistics, by name.
        classifier: names of the arrays of its last layer, which have a row for each class.
    """

    arguments: dict[str, Shape]
    auxiliaries: dict[str, Shape]
    classifier: tuple[str, ...] = networks.CLASSIFIER


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


def fitting(found: tuple[Arrays, Arrays], layout: Layout) -> Transfer:
    """What a checkpoint gives to a network: every array that matches by name and shape.

    Args:
        found: arguments and auxiliary states of the checkpoint.
    """
    matching = [
        {name: array for name, array in arrays.items() if wanted.get(name) == array.shape}
        for arrays, wanted in zip(found, layout[:2], strict=True)
    ]
    return Transfer(*matching, needed=len(layout.arguments) + len(layout.auxiliaries))


def as_it_is(arguments: Arrays, auxiliaries: Arrays) -> tuple[Arrays, Arrays]:
    """What own families make of a checkpoint."""
    return arguments, auxiliaries


def of_start(
    start: Start, recipe: Recipe, layout: Layout, adapted: Callable[[Arrays, Arrays], tuple[Arrays, Arrays]] = as_it_is
) -> Transfer:
    """What a checkpoint gives to the recipe's network; says how much that is.

    Args:
        adapted: a checkpoint's arrays as the network has them, where it knows more than their names and shapes.

    Raises:
        cli.UserError: fewer arrays match than the recipe asks for, or the list of its categories does not fit.
    """
    params, kept = start.params, ""
    arguments, auxiliaries = adapted(*load(params))
    if classifiers.class_list(params).exists():
        arguments, known = classifiers.with_categories(arguments, params, start.categories, layout.classifier)
        kept = f"; {known:,} of {len(start.categories):,} categories keep their rows of the classifier"
    found = fitting((arguments, auxiliaries), layout)
    matches = f"{found.matched} of {found.needed} arrays match by name and shape"
    cli.summary(f"{params}: {matches}{kept}")
    if found.matched < recipe.min_transfer * found.needed:
        raise cli.UserError(
            f"{params}: {matches}, {recipe.min_transfer:.0%} are needed; choose another start, or lower the model's"
            " min_transfer"
        )
    return found


def class_count(params: Path, arguments: Arrays, classifier: tuple[str, ...]) -> int:
    """The number of classes of a checkpoint's classifier, which is known by the names of its arrays.

    Raises:
        cli.UserError: there is none.
    """
    if missing := [name for name in classifier if name not in arguments]:
        raise cli.UserError(f"{params}: no {missing[0]}, which its network ends in; train the model again")
    return len(arguments[classifier[0]])


def of_trained(params: Path, found: tuple[Arrays, Arrays], layout: Layout) -> Transfer:
    """All arrays of a trained network.

    Args:
        found: what `load` gives of its file.

    Raises:
        cli.UserError: the file is another network's.
    """
    weights = fitting(found, layout)
    if weights.matched < weights.needed:
        raise cli.UserError(
            f"{params}: {weights.matched} of the {weights.needed} arrays of its network match; train the model again"
        )
    return weights
