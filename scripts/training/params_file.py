"""MXNet's .params as NumPy arrays: the neutral checkpoint, read and written without MXNet.

Little endian: u64 0x112, u64 0, u64 count; the arrays; u64 count; the names, each u64 length and UTF-8. An array is
u32 magic, i32 storage (0: dense), i32 dimensions, i64 each, i32 device type (1: CPU), i32 device, i32 dtype, the
numbers. Older files have no storage; in the oldest an array begins with u32 dimensions, u32 each.
"""

import math
import struct
from pathlib import Path

import numpy as np

import cli

HEAD = (0x112, 0)
MAGIC, MAGIC_WITHOUT_STORAGE = 0xF993FAC9, 0xF993FAC8
DENSE = 0
CPU = (1, 0)
# In MXNet's order: a dtype's number is its position.
DTYPES = tuple(map(np.dtype, ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8")))
MOST_DIMENSIONS = 32


class _Reader:
    """The bytes of a file, read from front to back."""

    def __init__(self, path: Path):
        self.path, self.content, self.offset = path, path.read_bytes(), 0

    def take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self.content) - self.offset:
            raise self.fault(f"{size} bytes should follow, and {len(self.content) - self.offset} do")
        self.offset += size
        return memoryview(self.content)[self.offset - size : self.offset]

    def numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))

    def fault(self, reason: str) -> cli.UserError:
        return cli.UserError(
            f"{self.path}: byte {self.offset}: {reason}; not a whole parameter file of MXNet: delete it and make it"
            " again"
        )


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .params by name, in the file's order; they cannot be written to.

    Raises:
        cli.UserError: the file is damaged, or an array is sparse.
    """
    reader = _Reader(path)
    if reader.numbers("QQ") != HEAD:
        reader.offset = 0
        raise reader.fault("another beginning")
    arrays = [_read_array(reader) for _ in range(_count(reader))]
    names = [bytes(reader.take(*reader.numbers("Q"))).decode(errors="replace") for _ in range(_count(reader))]
    if len(names) != len(arrays):
        raise reader.fault(f"{len(names)} names for {len(arrays)} arrays")
    return dict(zip(names, arrays, strict=True))


def _count(reader: _Reader) -> int:
    """How many arrays or names follow; each takes some bytes, so that a damaged number is found out."""
    [count] = reader.numbers("Q")
    if count > len(reader.content):
        raise reader.fault(f"{count} entries should follow")
    return count


def _read_array(reader: _Reader) -> np.ndarray:
    [magic] = reader.numbers("I")
    if magic == MAGIC and reader.numbers("i") != (DENSE,):
        raise reader.fault("a sparse array")
    if magic in (MAGIC, MAGIC_WITHOUT_STORAGE):
        [dimensions] = reader.numbers("i")
        kind = "q"
    else:
        dimensions, kind = magic, "I"
    if not 0 < dimensions <= MOST_DIMENSIONS:
        raise reader.fault(f"an array of {dimensions} dimensions")
    shape = reader.numbers(f"{dimensions}{kind}")
    if min(shape) < 1:
        raise reader.fault(f"an array of the shape {shape}")
    *_, number = reader.numbers("iii")
    if not 0 <= number < len(DTYPES):
        raise reader.fault(f"numbers of an unknown type ({number})")
    size = math.prod(shape) * DTYPES[number].itemsize
    return np.frombuffer(reader.take(size), DTYPES[number]).reshape(shape)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name, byte for byte as MXNet 1.9.1 writes arrays of the CPU."""
    with path.open("wb") as file:
        file.write(struct.pack("<QQQ", *HEAD, len(arrays)))
        for array in arrays.values():
            shape = struct.pack(f"<i{array.ndim}q", array.ndim, *array.shape)
            file.write(struct.pack("<Ii", MAGIC, DENSE) + shape)
            file.write(struct.pack("<iii", *CPU, DTYPES.index(array.dtype)))
            file.write(np.ascontiguousarray(array).data)
        file.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            text = name.encode()
            file.write(struct.pack("<Q", len(text)) + text)
