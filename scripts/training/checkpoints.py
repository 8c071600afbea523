"""Parameters on disk: MXNet's .params, and what of it fits a network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli
from mxnet_for_numpy2 import mx
from training import params_file

INPUTS = ("data", "softmax_label")  # arguments of a network that are no weights
Arrays = dict[str, mx.nd.NDArray]


@dataclass(frozen=True)
class Transfer:
    """The arrays of a checkpoint that fit a network by name and shape."""

    arguments: Arrays
    auxiliaries: Arrays
    needed: int  # arrays of the network

    @property
    def matched(self) -> int:
        return len(self.arguments) + len(self.auxiliaries)


def in_numpy(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: array.asnumpy() for name, array in arrays.items()}


def save(path: Path, arguments: dict[str, np.ndarray], auxiliaries: dict[str, np.ndarray]) -> None:
    """Write a .params with MXNet's names arg:... and aux:..."""
    named = {f"arg:{name}": array for name, array in arguments.items()}
    params_file.write(path, named | {f"aux:{name}": array for name, array in auxiliaries.items()})


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
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


def fitting(path: Path, symbol: mx.sym.Symbol, image_size: int) -> Transfer:
    """What a checkpoint gives to a network: every array that matches by name and shape."""
    argument_shapes, auxiliary_shapes = shapes(symbol, image_size)
    arguments, auxiliaries = load(path)
    return Transfer(
        _fitting(arguments, argument_shapes),
        _fitting(auxiliaries, auxiliary_shapes),
        len(argument_shapes) + len(auxiliary_shapes),
    )


def _fitting(arrays: dict[str, np.ndarray], shapes: dict[str, tuple]) -> Arrays:
    fit = {name: array for name, array in arrays.items() if shapes.get(name) == array.shape}
    return {name: mx.nd.array(array, dtype=array.dtype) for name, array in fit.items()}


def shapes(symbol: mx.sym.Symbol, image_size: int) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """Shapes of a network's arguments (without data and label) and auxiliary states, by name."""
    arguments, _, auxiliaries = symbol.infer_shape(data=(1, 3, image_size, image_size))
    named = dict(zip(symbol.list_arguments(), arguments, strict=True))
    return (
        {name: shape for name, shape in named.items() if name not in INPUTS},
        dict(zip(symbol.list_auxiliary_states(), auxiliaries, strict=True)),
    )
