"""MXNet's optimizers in PyTorch: the published rates mean the same, and states go on in either engine.

PyTorch's own differ: their momentum does not hold the rate, so that it weighs otherwise once the rate changes; their
Adam adds eps elsewhere; and their Nadam has a momentum schedule for each array, where MXNet's arrays share one.
"""

import abc
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import cli
from networks import CLASSIFIER
from training import states_file
from training.checkpoints import Arrays
from training.recipe import DECAYED, Recipe
from training.states_file import State

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
SCHEDULE_DECAY = 0.004  # of Nadam
CPU = 0  # the device by which a states file counts updates


class Roles(NamedTuple):
    """What learned arrays are to an optimizer: those of the classifier have the whole rate; decay acts on some."""

    classifier: tuple[str, ...]
    decays: Callable[[str], bool]


OURS = Roles(CLASSIFIER, lambda name: name.endswith(DECAYED))


class Optimizer(abc.ABC):
    """Updates learned arrays by their gradients.

    Args:
        arrays: all that a network learns, by name, in its order; those without requires_grad stay as they are.
    """

    parts: int  # arrays that it keeps for each learned array
    m_schedule: float | None = None

    def __init__(self, recipe: Recipe, arrays: dict[str, Tensor], roles: Roles) -> None:
        positions = {name: position for position, name in enumerate(arrays) if arrays[name].requires_grad}
        self._positions, self._arrays = list(positions.values()), [arrays[name] for name in positions]
        self._rate_shares = [1.0 if name in roles.classifier else recipe.body_rate for name in positions]
        self._decays = [recipe.weight_decay if roles.decays(name) else 0.0 for name in positions]
        self._momentum = recipe.momentum
        self._kept = [[torch.zeros_like(array) for array in self._arrays] for _ in range(self.parts)]
        self._updates = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update by the gradients, which are of the batch's mean loss.

        An array without one stays as it is: the gamma of a normalization that takes it for 1.
        """
        self._updates += 1
        decays = [0.0 if array.grad is None else decay for array, decay in zip(self._arrays, self._decays, strict=True)]
        gradients = [torch.zeros_like(array) if array.grad is None else array.grad for array in self._arrays]
        self._update(gradients, [rate * share for share in self._rate_shares], decays)

    @abc.abstractmethod
    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        """The step of a rule, with the rate and the decay of each array."""

    @property
    def updates(self) -> int:
        """Steps so far."""
        return self._updates

    def save(self, path: Path, weights: Arrays) -> None:
        """Write the states (training/states_file.py), and the network's arrays where they are asked to hold them."""
        kept = zip(*([part.cpu().numpy() for part in parts] for parts in self._kept), strict=True)
        states = states_file.States(
            type(self).__name__,
            {position: self._state(parts) for position, parts in zip(self._positions, kept, strict=True)},
            self._updates,
            {CPU: dict.fromkeys(self._positions, self._updates)},
            self.m_schedule,
            weights,
        )
        states_file.write(path, states)

    def load(self, path: Path, names: list[str]) -> Arrays:
        """Go on with the states of a file; returns the weights that it holds.

        Args:
            names: of all that the network learns.

        Raises:
            cli.UserError: the file is missing, damaged, or of another optimizer or network.
        """
        states = states_file.read(path, type(self).__name__)
        for number, position in enumerate(self._positions):
            own = [kept[number] for kept in self._kept]
            state = states.arrays.get(position, states.arrays.get(names[position]))
            given = state if isinstance(state, tuple) else (state,)
            if [part.shape for part in own] != [np.shape(part) for part in given]:
                raise cli.UserError(f"{path}: no states of {names[position]}; train the epoch before again")
            for part, array in zip(own, given, strict=True):
                part.copy_(torch.from_numpy(array))
        self._updates = states.num_update
        if states.m_schedule is not None:
            self.m_schedule = states.m_schedule
        return states.weights

    def _state(self, parts: tuple[np.ndarray, ...]) -> State:
        return parts


class SGD(Optimizer):
    """Momentum, which holds the rate."""

    parts = 1

    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        self._move(gradients, rates, decays)
        torch._foreach_add_(self._arrays, self._kept[0])

    def _move(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> list[Tensor]:
        """Bring the momentum up to date; returns the steps that were added to it."""
        steps = torch._foreach_mul(self._arrays, decays)
        torch._foreach_add_(steps, gradients)
        torch._foreach_mul_(steps, [-rate for rate in rates])
        torch._foreach_mul_(self._kept[0], self._momentum)
        torch._foreach_add_(self._kept[0], steps)
        return steps

    def _state(self, parts: tuple[np.ndarray, ...]) -> State:
        return parts[0]


class NAG(SGD):
    """Nesterov's accelerated gradient."""

    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        steps = self._move(gradients, rates, decays)
        torch._foreach_add_(self._arrays, self._kept[0], alpha=self._momentum)
        torch._foreach_add_(self._arrays, steps)


class Adam(Optimizer):
    """Without weight decay."""

    parts = 2  # mean and variance

    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        self._average(gradients)
        correction = math.sqrt(1 - BETA2**self._updates) / (1 - BETA1**self._updates)
        roots = torch._foreach_sqrt(self._kept[1])
        torch._foreach_add_(roots, EPSILON)
        torch._foreach_addcdiv_(self._arrays, self._kept[0], roots, [-rate * correction for rate in rates])

    def _average(self, gradients: list[Tensor]) -> None:
        mean, variance = self._kept
        torch._foreach_mul_(mean, BETA1)
        torch._foreach_add_(mean, gradients, alpha=1 - BETA1)
        torch._foreach_mul_(variance, BETA2)
        torch._foreach_addcmul_(variance, gradients, gradients, 1 - BETA2)


class AdamW(Adam):
    """Adam with decoupled weight decay: Loshchilov and Hutter, 2019 (arXiv:1711.05101), algorithm 2."""

    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        torch._foreach_mul_(self._arrays, [1 - rate * decay for rate, decay in zip(rates, decays, strict=True)])
        super()._update(gradients, rates, decays)


class Nadam(Adam):
    """MXNet's, whose arrays share one product of momentums: each array of each step multiplies it once more."""

    m_schedule: float | None = 1.0

    def _update(self, gradients: list[Tensor], rates: list[float], decays: list[float]) -> None:
        now, following = (
            BETA1 * (1 - 0.5 * 0.96 ** (update * SCHEDULE_DECAY)) for update in (self._updates, self._updates + 1)
        )
        of_gradient, of_mean = [], []
        for _ in self._arrays:
            self.m_schedule *= now
            of_gradient.append((1 - now) / (1 - self.m_schedule))
            of_mean.append(following / (1 - self.m_schedule * following))
        self._average(gradients)
        expected = torch._foreach_mul(gradients, of_gradient)
        torch._foreach_add_(expected, torch._foreach_mul(self._kept[0], of_mean))
        roots = torch._foreach_div(self._kept[1], 1 - BETA2**self._updates)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, EPSILON)
        torch._foreach_addcdiv_(self._arrays, expected, roots, [-rate for rate in rates])


RULES = {"sgd": SGD, "nag": NAG, "adam": Adam, "nadam": Nadam, "adamw": AdamW}


def create(recipe: Recipe, arrays: dict[str, Tensor], roles: Roles = OURS) -> Optimizer:
    """The recipe's optimizer for what a network learns."""
    return RULES[recipe.optimizer](recipe, arrays, roles)
