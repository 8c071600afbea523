"""Parameters on disk: MXNet's .params, and what of it fits a network."""

from dataclasses import dataclass
from pathlib import Path

import cli
from mxnet_for_numpy2 import mx

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


def save(path: Path, arguments: Arrays, auxiliaries: Arrays) -> None:
    """Write a .params with MXNet's names arg:... and aux:..."""
    named = {f"arg:{name}": array for name, array in arguments.items()}
    mx.nd.save(str(path), named | {f"aux:{name}": array for name, array in auxiliaries.items()})


def load(path: Path) -> tuple[Arrays, Arrays]:
    """Arguments and auxiliary states of a .params.

    Raises:
        cli.UserError: the file is missing or damaged.
    """
    if not path.is_file():
        raise cli.UserError(f"{path}: no such file; give another start, or train from random weights without one")
    try:
        arrays = mx.nd.load(str(path))
    except mx.MXNetError as error:
        raise cli.UserError(f"{path}: not an MXNet parameter file; delete it and make it again") from error
    kinds = {"arg": {}, "aux": {}}
    for full_name, array in arrays.items():
        kind, _, name = full_name.partition(":")
        kinds[kind][name] = array
    return kinds["arg"], kinds["aux"]


def fitting(path: Path, symbol: mx.sym.Symbol, image_size: int) -> Transfer:
    """What a checkpoint gives to a network: every array that matches by name and shape."""
    argument_shapes, auxiliary_shapes = shapes(symbol, image_size)
    arguments, auxiliaries = load(path)
    return Transfer(
        {name: array for name, array in arguments.items() if argument_shapes.get(name) == array.shape},
        {name: array for name, array in auxiliaries.items() if auxiliary_shapes.get(name) == array.shape},
        len(argument_shapes) + len(auxiliary_shapes),
    )


def shapes(symbol: mx.sym.Symbol, image_size: int) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """Shapes of a network's arguments (without data and label) and auxiliary states, by name."""
    arguments, _, auxiliaries = symbol.infer_shape(data=(1, 3, image_size, image_size))
    named = dict(zip(symbol.list_arguments(), arguments, strict=True))
    return (
        {name: shape for name, shape in named.items() if name not in INPUTS},
        dict(zip(symbol.list_auxiliary_states(), auxiliaries, strict=True)),
    )
