"""Optimizers as the published solution used them, and their states as plain arrays.

MXNet's own save_optimizer_states pickles, and leaves out the update counts and Nadam's momentum schedule, without
which a resumed training drifts.
"""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import cli
from engines.mxnet.library import mx
from training.recipe import Recipe

CLASSIFIER = ("fc_weight", "fc_bias")  # the last layer of every network


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
        weight *= 1 - self._get_lr(index) * self.decoupled_decay
        super().update(index, weight, grad, state)


OWN = {"nag": NAG, "adamw": AdamW}


def create(recipe: Recipe, names: Iterable[str] = ()) -> mx.optimizer.Optimizer:
    """The recipe's optimizer; gradients are summed over the batch, so they are scaled by its size.

    Args:
        names: of the arguments that learn; needed where the body learns at another rate than the classifier.
    """
    settings = {"rescale_grad": 1.0 / recipe.batch_size}
    if recipe.optimizer in ("nag", "sgd", "adamw"):
        settings["wd"] = recipe.weight_decay
    if recipe.optimizer in ("nag", "sgd"):
        settings["momentum"] = recipe.momentum
    own = OWN.get(recipe.optimizer)
    optimizer = own(**settings) if own else mx.optimizer.create(recipe.optimizer, **settings)
    if recipe.body_rate != 1.0:
        optimizer.lr_mult = {name: recipe.body_rate for name in names if name not in CLASSIFIER}
    return optimizer


def updater_of(module: mx.mod.Module) -> mx.optimizer.Updater:
    """The object that holds a module's optimizer states, on one device or several."""
    return module._kvstore._updater if module._update_on_kvstore else module._updater


def save_states(module: mx.mod.Module, path: Path) -> None:
    """Write optimizer states, update counts and Nadam's schedule as a .npz of plain arrays."""
    updater = updater_of(module)
    optimizer = updater.optimizer
    arrays, layout = {}, {}
    for key, state in updater.states.items():
        parts = state if isinstance(state, tuple) else (state,)
        layout[_text(key)] = {"is_tuple": isinstance(state, tuple), "parts": [part is not None for part in parts]}
        for number, part in enumerate(parts):
            if part is not None:
                arrays[f"{_text(key)}/{number}"] = part.asnumpy()
    header = {
        "optimizer": type(optimizer).__name__,
        "layout": layout,
        "num_update": optimizer.num_update,
        "update_counts": {
            str(device): {_text(key): count for key, count in counts.items()}
            for device, counts in optimizer._all_index_update_counts.items()
        },
        "m_schedule": getattr(optimizer, "m_schedule", None),
    }
    write_npz(path, {"header": np.array(json.dumps(header)), **arrays})


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as np.savez does, but the same bytes under every Python: not all declare large files alike."""
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getbuffer())


def load_states(module: mx.mod.Module, path: Path) -> None:
    """Give a module's optimizer the states that save_states wrote.

    Raises:
        cli.UserError: the file is missing, damaged or another optimizer's.
    """
    updater = updater_of(module)
    optimizer = updater.optimizer
    try:
        with np.load(path, allow_pickle=False) as saved:
            header = json.loads(str(saved["header"]))
            states = {key: _state(saved, key, layout) for key, layout in header["layout"].items()}
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; train the epoch before again, which writes it") from None
    except (ValueError, KeyError, OSError) as error:
        raise cli.UserError(f"{path}: not optimizer states: {error}; train the epoch before again") from error
    if header["optimizer"] != type(optimizer).__name__:
        raise cli.UserError(f"{path}: states of {header['optimizer']}, not of {type(optimizer).__name__}")
    updater.states = {_key(key): state for key, state in states.items()}
    updater.states_synced = dict.fromkeys(updater.states, False)
    optimizer.num_update = header["num_update"]
    for device, counts in header["update_counts"].items():
        optimizer._all_index_update_counts[int(device)] = {_key(key): count for key, count in counts.items()}
    optimizer._index_update_count = optimizer._all_index_update_counts[0]
    if header["m_schedule"] is not None:
        optimizer.m_schedule = header["m_schedule"]


def _state(saved: np.lib.npyio.NpzFile, key: str, layout: dict) -> mx.nd.NDArray | tuple | None:
    parts = tuple(
        mx.nd.array(saved[f"{key}/{number}"], dtype=saved[f"{key}/{number}"].dtype) if is_array else None
        for number, is_array in enumerate(layout["parts"])
    )
    return parts if layout["is_tuple"] else parts[0]


def _text(key: int | str) -> str:
    return json.dumps(key)


def _key(text: str) -> int | str:
    return json.loads(text)
