"""Optimizer states on disk as plain arrays: a .npz, the same for every engine.

MXNet's own save_optimizer_states pickles, and leaves out the update counts and Nadam's momentum schedule, without
which a resumed training drifts.
"""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import cli

Key = int | str  # a learned array: its position among them, or its name where MXNet computes on several devices
State = np.ndarray | tuple[np.ndarray | None, ...] | None
WEIGHTS = "weights/"  # what names of weights begin with in a file


@dataclass(frozen=True)
class States:
    """What an optimizer remembers.

    Attributes:
        optimizer: name of its rule: NAG, SGD, Adam, Nadam or AdamW.
        arrays: the momentum of each learned array (NAG, SGD), or its mean and variance (the others).
        num_update: updates so far.
        update_counts: updates of each learned array, by device.
        m_schedule: Nadam's product of momentums; None of the others.
        weights: all of the network's arrays, where the .params has their moving average; none otherwise.
    """

    optimizer: str
    arrays: dict[Key, State]
    num_update: int
    update_counts: dict[int, dict[Key, int]]
    m_schedule: float | None
    weights: dict[str, np.ndarray] = field(default_factory=dict)


def write(path: Path, states: States) -> None:
    arrays, layout = {}, {}
    for key, state in states.arrays.items():
        parts = state if isinstance(state, tuple) else (state,)
        layout[_text(key)] = {"is_tuple": isinstance(state, tuple), "parts": [part is not None for part in parts]}
        arrays |= {f"{_text(key)}/{number}": part for number, part in enumerate(parts) if part is not None}
    header = {
        "optimizer": states.optimizer,
        "layout": layout,
        "num_update": states.num_update,
        "update_counts": {
            str(device): {_text(key): count for key, count in counts.items()}
            for device, counts in states.update_counts.items()
        },
        "m_schedule": states.m_schedule,
    }
    weights = {WEIGHTS + name: array for name, array in states.weights.items()}
    write_npz(path, {"header": np.array(json.dumps(header)), **arrays, **weights})


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as np.savez does, but the same bytes under every Python: not all declare large files alike."""
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getbuffer())


def read(path: Path, optimizer: str) -> States:
    """The states that `write` wrote.

    Args:
        optimizer: whose they have to be.

    Raises:
        cli.UserError: the file is missing, damaged or another optimizer's.
    """
    try:
        with np.load(path, allow_pickle=False) as saved:
            header = json.loads(str(saved["header"]))
            states = States(
                header["optimizer"],
                {_key(key): _state(saved, key, layout) for key, layout in header["layout"].items()},
                header["num_update"],
                {
                    int(device): {_key(key): count for key, count in counts.items()}
                    for device, counts in header["update_counts"].items()
                },
                header["m_schedule"],
                {name.removeprefix(WEIGHTS): saved[name] for name in saved.files if name.startswith(WEIGHTS)},
            )
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; train the epoch before again, which writes it") from None
    except (ValueError, KeyError, OSError) as error:
        raise cli.UserError(f"{path}: not optimizer states: {error}; train the epoch before again") from error
    if states.optimizer != optimizer:
        raise cli.UserError(f"{path}: states of {states.optimizer}, not of {optimizer}")
    return states


def _state(saved: np.lib.npyio.NpzFile, key: str, layout: dict) -> State:
    parts = tuple(saved[f"{key}/{number}"] if is_array else None for number, is_array in enumerate(layout["parts"]))
    return parts if layout["is_tuple"] else parts[0]


def _text(key: Key) -> str:
    return json.dumps(key)


def _key(text: str) -> Key:
    return json.loads(text)
