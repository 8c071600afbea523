"""Arrays of PyTorch's weight files, read without PyTorch.

Both of its formats hold a pickle that names arrays, and the numbers apart from it: the older one as five pickles with
the numbers behind them, the newer one (since PyTorch 1.6) as a zip archive. A pickle can run any code, so only what
arrays need is let in.
"""

import collections
import pickle
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

import cli

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class Storage(NamedTuple):
    """Where an array's numbers are: the storage's key, its numbers' type and how many there are."""

    key: str
    dtype: type
    size: int


class Tensor(NamedTuple):
    """An array as a window of a storage; offset and strides in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: np.ndarray) -> np.ndarray:
        """A copy of the window.

        Raises:
            ValueError: the window reaches beyond the numbers.
        """
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if min(self.offset, *self.strides, 0) < 0 or (0 not in self.shape and last >= len(numbers)):
            raise ValueError("an array reaches beyond its numbers")
        window = numbers[self.offset :]
        strides = tuple(stride * numbers.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(window, self.shape, strides).copy()


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a state dictionary that torch.save wrote, by name.

    Raises:
        cli.UserError: the file is missing, damaged, or holds anything else than named arrays.
    """
    if not path.is_file():
        raise cli.UserError(f"{path}: no such file; name a .pth file that torch.save wrote")
    try:
        arrays = _read_archive(path) if zipfile.is_zipfile(path) else _read_stream(path)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error) or type(error).__name__
        raise cli.UserError(f"{path}: not weights that torch.save wrote, or damaged ({reason}); get it anew") from error
    return arrays


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        [listing] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = listing.removesuffix("data.pkl")
        with archive.open(listing) as file:
            tensors = _named_tensors(_Unpickler(file).load())
        return {
            name: tensor.array(np.frombuffer(archive.read(f"{folder}data/{tensor.storage.key}"), tensor.storage.dtype))
            for name, tensor in tensors.items()
        }


def _read_stream(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if _Unpickler(file).load() != MAGIC_NUMBER or _Unpickler(file).load() != PROTOCOL_VERSION:
            raise ValueError("other numbers than PyTorch's at its start")
        if not _Unpickler(file).load()["little_endian"]:
            raise ValueError("numbers of a big-endian machine")
        tensors = _named_tensors(_Unpickler(file).load())
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        numbers = {key: _numbers(file, storages[key]) for key in _Unpickler(file).load()}
    return {name: tensor.array(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _numbers(file: BinaryIO, storage: Storage) -> np.ndarray:
    size = int(np.frombuffer(file.read(8), np.int64)[0])
    numbers = np.frombuffer(file.read(storage.size * np.dtype(storage.dtype).itemsize), storage.dtype)
    if not size == storage.size == len(numbers):
        raise ValueError(f"{len(numbers)} of {storage.size} numbers at its end")
    return numbers


def _named_tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError("something else than named arrays; save model.state_dict()")
    return content


class _Unpickler(pickle.Unpickler):
    """Makes dictionaries and tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: Tensor(storage, offset, tuple(shape), tuple(strides))
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which arrays do not need")

    def persistent_load(self, identity: tuple) -> Storage:
        kind, dtype, key, _, size = identity[:5]
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a {kind}, not numbers")
        return Storage(key, dtype, size)
