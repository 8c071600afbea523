"""Operators that name a network's arrays and give their shapes, in place of MXNet's: no engine is needed to count.

The methods have the names and arguments of mx.sym's operators, and give arrays the names that MXNet gives them.
"""

import math
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Union

Shape = tuple[int, ...]
Value = Any  # what operators take and give: MXNet's Symbol, or a Shaped
Operators = Union[ModuleType, "ShapeOperators"]  # mx.sym, or the class below


class TooSmallError(ValueError):
    """Nothing is left of a picture on its way through a network."""


@dataclass(frozen=True)
class Shaped:
    """A value by its shape alone: (batch, channels, height, width) or (batch, features)."""

    shape: Shape

    def __add__(self, other: "Shaped") -> "Shaped":
        assert self.shape == other.shape
        return self


@dataclass
class ShapeOperators:
    """Collects the shapes of learned arrays (arguments) and of moving statistics (auxiliaries) by name.

    Args:
        size: pixels of a picture's side.
    """

    size: int
    arguments: dict[str, Shape] = field(default_factory=dict)
    auxiliaries: dict[str, Shape] = field(default_factory=dict)

    def Variable(self, _: str) -> Shaped:
        return Shaped((1, 3, self.size, self.size))

    def Convolution(
        self, x: Shaped, num_filter: int, kernel: Shape, name: str, num_group: int = 1, no_bias: bool = False, **window
    ) -> Shaped:
        self.arguments[f"{name}_weight"] = (num_filter, x.shape[1] // num_group, *kernel)
        if not no_bias:
            self.arguments[f"{name}_bias"] = (num_filter,)
        return Shaped((x.shape[0], num_filter, *_sides(x, kernel, **window)))

    def FullyConnected(self, x: Shaped, num_hidden: int, name: str) -> Shaped:
        self.arguments |= {f"{name}_weight": (num_hidden, math.prod(x.shape[1:])), f"{name}_bias": (num_hidden,)}
        return Shaped((x.shape[0], num_hidden))

    def BatchNorm(self, x: Shaped, name: str, **_) -> Shaped:
        channels = x.shape[1:2]
        self.arguments |= {f"{name}_gamma": channels, f"{name}_beta": channels}
        self.auxiliaries |= {f"{name}_moving_mean": channels, f"{name}_moving_var": channels}
        return x

    def Pooling(
        self, x: Shaped, kernel: Shape, pool_type: str, global_pool: bool = False, name: str = "", **window
    ) -> Shaped:
        return Shaped((*x.shape[:2], *((1, 1) if global_pool else _sides(x, kernel, **window))))

    def Pad(self, x: Shaped, mode: str, pad_width: Shape) -> Shaped:
        before, after = pad_width[::2], pad_width[1::2]
        return Shaped(tuple(map(sum, zip(x.shape, before, after, strict=True))))

    def Flatten(self, x: Shaped, name: str) -> Shaped:
        return Shaped((x.shape[0], math.prod(x.shape[1:])))

    def reshape(self, x: Shaped, shape: Shape, name: str = "") -> Shaped:
        kept = [x.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
        rest = math.prod(x.shape) // math.prod(side for side in kept if side != -1)
        return Shaped(tuple(rest if side == -1 else side for side in kept))

    def concat(self, *values: Shaped, dim: int) -> Shaped:
        shape = list(values[0].shape)
        shape[dim] = sum(value.shape[dim] for value in values)
        return Shaped(tuple(shape))

    def slice_axis(self, x: Shaped, axis: int, begin: int, end: int | None) -> Shaped:
        shape = list(x.shape)
        shape[axis] = len(range(shape[axis])[begin:end])
        return Shaped(tuple(shape))

    def identity(self, x: Shaped, **_) -> Shaped:
        return x

    Activation = Dropout = identity

    def minimum(self, x: Shaped, _: float) -> Shaped:
        return x

    def broadcast_mul(self, x: Shaped, _: Shaped) -> Shaped:
        return x


def _sides(x: Shaped, kernel: Shape, stride: Shape = (1, 1), pad: Shape = (0, 0)) -> Shape:
    """Height and width after a window has moved over them."""
    sides = zip(x.shape[2:], kernel, stride, pad, strict=True)
    found = tuple((side + 2 * around - window) // step + 1 for side, window, step, around in sides)
    if min(found) < 1:
        raise TooSmallError(f"a window of {kernel} pixels does not fit into {x.shape[2:]}")
    return found
