"""A record of MXNet's RecordIO as bytes (dmlc-core, recordio.h).

Little endian. A record is u32 magic number, u32 length of what follows with its kind in the upper 3 bits, the content,
zeros up to a multiple of 4 bytes. Content that holds the magic number at such a multiple is cut there into several of
these: first, middle, last. The content is u32 flag, f32 label, u64 number, u64 (0), and the picture's bytes.
"""

import struct

import numpy as np

MAGIC_NUMBER = 0xCED7230A
MAGIC = struct.pack("<I", MAGIC_NUMBER)
PART = struct.Struct("<4sI")
WHOLE, FIRST, MIDDLE, LAST = range(4)  # kinds
LENGTH_BITS = 29
LARGEST = (1 << LENGTH_BITS) - 1  # bytes of a record's content
HEADER = struct.Struct("<IfQQ")
HEAD = np.dtype(  # PART and HEADER
    [("magic", "<u4"), ("length", "<u4"), ("flag", "<u4"), ("label", "<f4"), ("number", "<u8"), ("id2", "<u8")]
)


def record(label: int, number: int, picture: bytes) -> bytes:
    """A whole record with its padding, as mxnet.recordio packs and writes it."""
    header = HEADER.pack(0, label, number, 0)
    length = len(header) + len(picture)
    padding = b"\x00" * (-length % 4)
    if MAGIC in picture:
        return _cut(header + picture) + padding
    return b"".join((_head(WHOLE, length), header, picture, padding))


def _cut(content: bytes) -> bytes:
    """The content cut at each magic number that lies where a reader would take it for a record's start."""
    cuts = [offset for offset in range(0, len(content) - 3, 4) if content[offset : offset + 4] == MAGIC]
    if not cuts:
        return _head(WHOLE, len(content)) + content
    pieces = []
    for start, stop in zip([0, *(cut + len(MAGIC) for cut in cuts)], [*cuts, len(content)], strict=True):
        kind = LAST if stop == len(content) else MIDDLE if pieces else FIRST
        pieces.append(_head(kind, stop - start) + content[start:stop])
    return b"".join(pieces)


def _head(kind: int, length: int) -> bytes:
    return PART.pack(MAGIC, kind << LENGTH_BITS | length)


def record_sizes(picture_sizes: np.ndarray) -> np.ndarray:
    """Bytes of the records (int64) of pictures of the given sizes."""
    unpadded = picture_sizes.astype(np.int64) + HEADER.size
    return PART.size + unpadded + -unpadded % 4


def heads(labels: np.ndarray, numbers: np.ndarray, picture_sizes: np.ndarray) -> np.ndarray:
    """What stands before the pictures (uint32; records, words) of records that are not cut."""
    found = np.zeros(len(labels), HEAD)
    found["magic"], found["length"] = MAGIC_NUMBER, HEADER.size + picture_sizes
    found["label"], found["number"] = labels, numbers
    return found.view("<u4").reshape(len(labels), -1)


def label_and_picture(raw: bytes) -> tuple[int, bytes]:
    """The label of a record's bytes, and the bytes of its picture.

    Raises:
        ValueError, struct.error: it is not whole.
    """
    content = MAGIC.join(_parts(raw))
    _, label, *_ = HEADER.unpack_from(content)
    return int(label), content[HEADER.size :]


def _parts(raw: bytes) -> list[bytes]:
    """The parts of a record's content."""
    parts, offset, kind = [], 0, None
    while kind not in (WHOLE, LAST):
        magic, word = PART.unpack_from(raw, offset)
        kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
        offset += PART.size
        if magic != MAGIC or offset + length > len(raw):
            raise ValueError("no part of a record")
        parts.append(raw[offset : offset + length])
        offset += length + -length % 4
    return parts
