"""torch_files.py: arrays as PyTorch's own file formats hold them, and nothing that a pickle could run."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import cli
from public_weights import torch_files

STORAGES = {np.dtype(dtype): name for name, dtype in torch_files.DTYPES.items()}


class Storage:
    """Numbers that lie beside the pickle, under a key."""

    def __init__(self, key: str, numbers: np.ndarray):
        self.key, self.numbers = key, numbers


class Window(NamedTuple):
    """What PyTorch calls a tensor; offset and strides in numbers."""

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


class TorchPickler(pickle.Pickler):
    """Pickles windows and storages as torch.save does."""

    def reducer_override(self, item: object) -> object:
        if not isinstance(item, Window):
            return NotImplemented
        hooks = collections.OrderedDict()
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (
            item.storage, item.offset, item.shape, item.strides, False, hooks
        )  # fmt: skip

    def persistent_id(self, item: object) -> tuple | None:
        if not isinstance(item, Storage):
            return None
        kind = getattr(sys.modules["torch"], STORAGES[item.numbers.dtype])
        return "storage", kind, item.key, "cpu", item.numbers.size


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    """Names that a pickle of PyTorch refers to; what they are is never asked."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in torch_files.DTYPES:
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def torch_pickle(content: object) -> bytes:
    buffer = io.BytesIO()
    TorchPickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def write_stream(path: Path, content: object, storages: list[Storage]) -> None:
    """The format before PyTorch 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [torch_files.MAGIC_NUMBER, torch_files.PROTOCOL_VERSION, system, content]
    parts.append([storage.key for storage in storages])
    numbers = [struct.pack("<q", storage.numbers.size) + storage.numbers.tobytes() for storage in storages]
    path.write_bytes(b"".join([*map(torch_pickle, parts), *numbers]))


def write_archive(path: Path, content: object, storages: list[Storage]) -> None:
    """The format since PyTorch 1.6."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", torch_pickle(content))
        archive.writestr("weights/byteorder", "little")
        for storage in storages:
            archive.writestr(f"weights/data/{storage.key}", storage.numbers.tobytes())


both_formats = pytest.mark.parametrize("write", [write_stream, write_archive])


@both_formats
def test_arrays_are_windows_of_their_numbers(tmp_path, write: Callable):
    floats = Storage("7", np.arange(24, dtype=np.float32))
    counts = Storage("8", np.array([3], np.int64))
    content = collections.OrderedDict(
        whole=Window(floats, (2, 3, 4), (12, 4, 1)),
        turned=Window(floats, (4, 3), (1, 4), 12),
        seen=Window(counts, (), ()),
        empty=Window(floats, (0, 3), (3, 1)),
    )
    write(tmp_path / "weights.pth", content, [floats, counts])
    found = torch_files.read(tmp_path / "weights.pth")
    expected = floats.numbers.reshape(2, 3, 4)
    assert list(found) == list(content)
    np.testing.assert_array_equal(found["whole"], expected)
    np.testing.assert_array_equal(found["turned"], expected[1].T)
    assert found["seen"] == 3
    assert found["seen"].dtype == np.int64
    assert found["empty"].shape == (0, 3)


class Runs:
    """What pickle would run when it is loaded."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@both_formats
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, write: Callable):
    write(tmp_path / "weights.pth", {"weight": Runs(tmp_path / "ran")}, [])
    with pytest.raises(cli.UserError, match=r"weights.pth: not weights .*it asks for .*, which arrays do not need"):
        torch_files.read(tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


@both_formats
def test_a_window_beyond_its_numbers_is_refused(tmp_path, write: Callable):
    numbers = Storage("1", np.zeros(6, np.float32))
    for window in (Window(numbers, (2, 4), (4, 1)), Window(numbers, (2,), (-1,), 1), Window(numbers, (1,), (1,), -2)):
        write(tmp_path / "weights.pth", {"weight": window}, [numbers])
        with pytest.raises(cli.UserError, match="an array reaches beyond its numbers"):
            torch_files.read(tmp_path / "weights.pth")


@both_formats
def test_a_file_cut_anywhere_is_one_line(tmp_path, write: Callable):
    numbers = Storage("1", np.arange(6, dtype=np.float32))
    path = tmp_path / "weights.pth"
    write(path, {"weight": Window(numbers, (6,), (1,))}, [numbers])
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(cli.UserError, match=r"weights.pth: not weights that torch.save wrote, or damaged \(.+\)"):
            torch_files.read(path)


@pytest.mark.parametrize("content", [[1, 2], {"weight": 5}, {"optimizer": {"state": {}}}])
def test_something_else_than_named_arrays_is_one_line(tmp_path, content):
    write_stream(tmp_path / "weights.pth", content, [])
    with pytest.raises(cli.UserError, match=r"something else than named arrays; save model\.state_dict"):
        torch_files.read(tmp_path / "weights.pth")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(cli.UserError, match=r"weights\.pth: no such file"):
        torch_files.read(tmp_path / "weights.pth")
