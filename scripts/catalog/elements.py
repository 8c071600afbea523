"""The elements of a BSON document by their types and lengths (bsonspec.org, version 1.1).

What nobody asks for is passed over unread: its name and value may hold anything.
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from catalog.layout import LENGTH

SMALLEST_DOCUMENT = 5  # bytes: a length and the closing zero

DOUBLE, TEXT, DOCUMENT, ARRAY, BINARY = 0x01, 0x02, 0x03, 0x04, 0x05
OBJECT_ID, NULL, INT32, INT64, DECIMAL = 0x07, 0x0A, 0x10, 0x12, 0x13
_EXPRESSION = 0x0B

_SIZES = {DOUBLE: 8, 0x06: 0, OBJECT_ID: 12, 0x08: 1, 0x09: 8, NULL: 0, INT32: 4, 0x11: 8, INT64: 8, DECIMAL: 16}
_SIZES |= {0x7F: 0, 0xFF: 0}
# Of values that begin with a length: the bytes that it does not count.
_UNCOUNTED = {TEXT: 4, DOCUMENT: 0, ARRAY: 0, BINARY: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}

KINDS = {
    **{DOUBLE: "a number", TEXT: "a text", DOCUMENT: "a document", ARRAY: "an array", BINARY: "binary data"},
    **{0x06: "undefined", OBJECT_ID: "an ObjectId", 0x08: "true or false", 0x09: "a date", NULL: "null"},
    **{_EXPRESSION: "a regular expression", 0x0C: "a DBPointer", 0x0D: "code", 0x0E: "a symbol", 0x0F: "code"},
    **{INT32: "a number", 0x11: "a timestamp", INT64: "a number", DECIMAL: "a number"},
    **{0x7F: "a largest key", 0xFF: "a smallest key"},
}


class NotBsonError(Exception):
    """Why bytes are no BSON document."""


class Element(NamedTuple):
    """A field of a document.

    Attributes:
        kind: its type.
        name: its bytes.
        start, stop: of its value in the bytes that hold the document.
    """

    kind: int
    name: bytes
    start: int
    stop: int


def elements(raw: bytes | mmap.mmap, start: int, stop: int) -> Iterator[Element]:
    """Yield the fields of the document raw[start:stop].

    Raises:
        NotBsonError: a length, a type or an end is wrong.
    """
    if stop - start < SMALLEST_DOCUMENT or LENGTH.unpack_from(raw, start)[0] != stop - start or raw[stop - 1] != 0:
        raise NotBsonError(f"a document of {stop - start} bytes has another length in front or no zero at its end")
    position = start + LENGTH.size
    while position < stop - 1:
        element = element_at(raw, position, stop - 1)
        yield element
        position = element.stop


def element_at(raw: bytes | mmap.mmap, position: int, end: int) -> Element:
    """The field that starts at a position and lies before an end.

    Raises:
        NotBsonError: none does.
    """
    kind = raw[position]
    start = _after_zero(raw, position + 1, end)
    stop = start + (_SIZES[kind] if kind in _SIZES else _measured(raw, kind, start, end))
    if stop > end:
        raise NotBsonError("a field reaches over its document's end")
    return Element(kind, raw[position + 1 : start - 1], start, stop)


def _measured(raw: bytes | mmap.mmap, kind: int, start: int, end: int) -> int:
    """The size (bytes) of a value that says how long it is."""
    if kind == _EXPRESSION:
        return _after_zero(raw, _after_zero(raw, start, end), end) - start
    if kind not in _UNCOUNTED:
        raise NotBsonError(f"a field of the unknown type 0x{kind:02x}")
    if start + LENGTH.size > end:
        raise NotBsonError("a field reaches over its document's end")
    (counted,) = LENGTH.unpack_from(raw, start)
    if counted < 0:
        raise NotBsonError(f"a field cannot be {counted} bytes long")
    return max(counted + _UNCOUNTED[kind], LENGTH.size)


def _after_zero(raw: bytes | mmap.mmap, position: int, end: int) -> int:
    zero = raw.find(b"\0", position, end)
    if zero < 0:
        raise NotBsonError("a field's name does not end")
    return zero + 1
