"""A catalog's BSON documents: where they lie, what they hold, and what may be wrong with them.

A document is {_id, category_id (train only), imgs: [{picture: binary}, ...]}; other fields are passed over.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bson

import cli

SMALLEST_DOCUMENT = 5  # bytes: a length and the closing zero
LENGTH = struct.Struct("<i")
NO_CATEGORY = -1

# The published layout up to the first picture; the walk over other layouts goes through the bson library.
_HEAD = re.compile(
    rb".{4}(?:\x10_id\x00(?P<id4>.{4})|\x12_id\x00(?P<id8>.{8}))"
    rb"(?:\x10category_id\x00(?P<category4>.{4})|\x12category_id\x00(?P<category8>.{8}))?"
    rb"\x04imgs\x00.{4}",
    re.DOTALL,
)
_PICTURE = re.compile(rb"\x03(?:\d+)\x00.{4}\x05picture\x00(?P<size>.{4})\x00", re.DOTALL)


class BadDocumentError(Exception):
    """What is wrong with one document, and the product's id where it is known."""

    def __init__(self, reason: str, product_id: int | None = None):
        super().__init__(reason)
        self.product_id = product_id


@dataclass(frozen=True)
class Document:
    """A product's ids and where its pictures lie in the file: (offset, size) in bytes."""

    product_id: int
    category_id: int
    pictures: list[tuple[int, int]]


def open_catalog(path: Path) -> mmap.mmap:
    """Map a catalog into memory.

    Raises:
        cli.UserError: the file is missing or empty.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise cli.UserError(f"{path}: the file is empty; dump the catalog again")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def document_sizes(catalog: mmap.mmap, path: Path) -> Iterator[tuple[int, int]]:
    """Yield offset and size (bytes) of each document, by its length prefix alone.

    Raises:
        cli.UserError: a length leads out of the file or to no document's end; nothing after it can be read.
    """
    offset, end = 0, len(catalog)
    while offset < end:
        if end - offset < SMALLEST_DOCUMENT:
            raise cli.UserError(f"{path}: byte {offset}: {end - offset} bytes after the last document")
        (size,) = LENGTH.unpack_from(catalog, offset)
        if size < SMALLEST_DOCUMENT:
            raise cli.UserError(f"{path}: byte {offset}: a document cannot be {size} bytes long")
        if offset + size > end:
            raise cli.UserError(
                f"{path}: byte {offset}: the file ends {offset + size - end} bytes before this document does;"
                " dump the catalog again"
            )
        if catalog[offset + size - 1] != 0:
            raise cli.UserError(f"{path}: byte {offset}: no document of {size} bytes ends where it should")
        yield offset, size
        offset += size


def read_document(catalog: mmap.mmap | bytes, offset: int, size: int) -> Document:
    """Read one document without copying its pictures.

    Raises:
        BadDocumentError: a field is missing, has another type, or there is no picture.
    """
    document = _read_published_layout(catalog, offset, size)
    return document if document is not None else _read_any_layout(catalog[offset : offset + size], offset)


def _read_published_layout(catalog: mmap.mmap | bytes, offset: int, size: int) -> Document | None:
    head = _HEAD.match(catalog, offset, offset + size)
    if head is None:
        return None
    place, end = head.end(), offset + size
    pictures = []
    while picture := _PICTURE.match(catalog, place, end):
        picture_size = int.from_bytes(picture["size"], "little", signed=True)
        pictures.append((picture.end(), picture_size))
        place = picture.end() + picture_size + 1  # the closing zero of {picture: ...}
        if picture_size < 0 or place > end or catalog[place - 1] != 0:
            return None
    if not pictures or catalog[place:end] != b"\x00\x00":
        return None
    product_id = head["id4"] or head["id8"]
    category = head["category4"] or head["category8"]
    category_id = NO_CATEGORY if category is None else int.from_bytes(category, "little", signed=True)
    return Document(int.from_bytes(product_id, "little", signed=True), category_id, pictures)


def _read_any_layout(raw: bytes, offset: int) -> Document:
    try:
        fields = bson.decode(raw)
    except (bson.errors.BSONError, ValueError, OverflowError) as error:
        raise BadDocumentError(f"not a BSON document: {error}") from error
    product_id = _integer(fields, "_id", None)
    category_id = _integer(fields, "category_id", product_id) if "category_id" in fields else NO_CATEGORY
    images = fields.get("imgs")
    if not isinstance(images, list):
        raise BadDocumentError("imgs is missing or not an array", product_id)
    if not images:
        raise BadDocumentError("the product has no picture", product_id)
    pictures, searched = [], 0
    for number, image in enumerate(images):
        picture = image.get("picture") if isinstance(image, dict) else None
        if not isinstance(picture, bytes):
            raise BadDocumentError(f"imgs.{number}.picture is missing or not binary", product_id)
        element = b"\x05picture\x00" + LENGTH.pack(len(picture)) + b"\x00" + picture
        start = raw.find(element, searched)
        searched = start + len(element)
        pictures.append((offset + searched - len(picture), len(picture)))
    return Document(product_id, category_id, pictures)


def _integer(fields: dict, name: str, product_id: int | None) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadDocumentError(f"{name} is missing or not an integer", product_id)
    return int(value)
