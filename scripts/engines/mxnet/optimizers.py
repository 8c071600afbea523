"""Optimizers as the published solution used them, and their states."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.mxnet.library import mx
from networks import CLASSIFIER
from training import states_file
from training.recipe import DECAYED, Recipe


class NAG(mx.optimizer.NAG):
    """Nesterov's accelerated gradient as MXNet documents it.

    MXNet's own step works in place, where it decays by weights that it has just changed; on the CPU it does so or not
    by the timing of threads, and no two trainings agree.
    """

    def create_state(self, index: int | str, weight: mx.nd.NDArray) -> mx.nd.NDArray:
        return mx.nd.zeros_like(weight)

    def _update_impl(self, index, weight, grad, state, multi_precision=False) -> None:
        self._update_count(index)
        stepped = mx.nd.nag_mom_update(
            weight,
            grad,
            state,
            lr=self._get_lr(index),
            wd=self._get_wd(index),
            momentum=self.momentum,
            rescale_grad=self.rescale_grad,
        )
        stepped.copyto(weight)


class AdamW(mx.optimizer.Adam):
    """Adam with decoupled weight decay: Loshchilov and Hutter, 2019 (arXiv:1711.05101), algorithm 2.

    Weights shrink by learning rate times weight decay before Adam's step, which does not see the decay.
    """

    def __init__(self, wd: float, **settings):
        super().__init__(wd=0.0, **settings)
        self.decoupled_decay = wd

    def update(self, index, weight, grad, state) -> None:
        share = self.wd_mult.get(self.idx2name.get(index, index), 1.0)
        weight *= 1 - self._get_lr(index) * self.decoupled_decay * share
        super().update(index, weight, grad, state)


OWN = {"nag": NAG, "adamw": AdamW}


def create(recipe: Recipe, names: list[str]) -> mx.optimizer.Optimizer:
    """The recipe's optimizer; gradients are summed over the batch, so they are scaled by its size.

    What MXNet does to an optimizer that it is given by name is done here: an object of it would decay all arrays.

    Args:
        names: of the arguments that learn; whoever updates gives the optimizer their positions (idx2name).
    """
    settings = {"rescale_grad": 1.0 / recipe.batch_size}
    if recipe.optimizer in ("nag", "sgd", "adamw"):
        settings["wd"] = recipe.weight_decay
    if recipe.optimizer in ("nag", "sgd"):
        settings["momentum"] = recipe.momentum
    own = OWN.get(recipe.optimizer)
    optimizer = own(**settings) if own else mx.optimizer.create(recipe.optimizer, **settings)
    optimizer.wd_mult = {name: 0.0 for name in names if not name.endswith(DECAYED)}
    optimizer.lr_mult = {name: recipe.body_rate for name in names if name not in CLASSIFIER}
    return optimizer


def updater_of(module: mx.mod.Module) -> mx.optimizer.Updater:
    """The object that holds a module's optimizer states, on one device or several."""
    return module._kvstore._updater if module._update_on_kvstore else module._updater


def save_states(module: mx.mod.Module, path: Path) -> None:
    """Write optimizer states, update counts and Nadam's schedule (training/states_file.py)."""
    updater = updater_of(module)
    optimizer = updater.optimizer
    states = states_file.States(
        type(optimizer).__name__,
        {key: _converted(state, mx.nd.NDArray.asnumpy) for key, state in updater.states.items()},
        optimizer.num_update,
        optimizer._all_index_update_counts,
        getattr(optimizer, "m_schedule", None),
    )
    states_file.write(path, states)


def load_states(module: mx.mod.Module, path: Path) -> None:
    """Give a module's optimizer the states that save_states wrote.

    Raises:
        cli.UserError: the file is missing, damaged or another optimizer's.
    """
    updater = updater_of(module)
    optimizer = updater.optimizer
    states = states_file.read(path, type(optimizer).__name__)
    updater.states = {key: _converted(state, in_mxnet) for key, state in states.arrays.items()}
    updater.states_synced = dict.fromkeys(updater.states, False)
    optimizer.num_update = states.num_update
    optimizer._all_index_update_counts.update(states.update_counts)
    optimizer._index_update_count = optimizer._all_index_update_counts[0]
    if states.m_schedule is not None:
        optimizer.m_schedule = states.m_schedule


def in_mxnet(array: np.ndarray) -> mx.nd.NDArray:
    return mx.nd.array(array, dtype=array.dtype)


def _converted(state: object, convert: Callable) -> object:
    """An array's state with each of its parts converted; it is a part, a tuple of parts, or None for none."""
    if isinstance(state, tuple):
        return tuple(_converted(part, convert) for part in state)
    return None if state is None else convert(state)
