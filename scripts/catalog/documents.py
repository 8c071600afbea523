"""A catalog's BSON documents: where they lie, what they hold, and what may be wrong with them.

A document is {_id, category_id (train only), imgs: [{picture: binary}, ...]}; other fields are passed over.
"""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import bson
import numpy as np

import cli
from catalog.layout import LENGTH, NO_CATEGORY, PICTURE_FIELD, PLAIN_BINARY, before_picture

SMALLEST_DOCUMENT = 5  # bytes: a length and the closing zero
MANY_PICTURES = 10  # documents with more are read one by one

PICTURES = np.dtype(
    [
        ("document", np.int64),  # its position among the documents asked for
        ("image", np.int64),  # 0-based position in the product
        ("start", np.int64),  # bytes
        ("size", np.int64),  # bytes
        ("product_id", np.int64),
        ("category_id", np.int64),
    ]
)

_START = re.compile(rb".{4}(?:\x10_id\x00(.{4})|\x12_id\x00(.{8}))", re.DOTALL)
_ARRAY_FIELD = b"\x04imgs\x00"
_ID_FIELD = re.compile(rb"[\x10\x12]_id\x00")
_AROUND_PICTURE = 19  # bytes of {picture: ...} that are not the picture's


class BadDocumentError(Exception):
    """What is wrong with one document, and the product's id where it is known."""

    def __init__(self, reason: str, product_id: int | None = None):
        super().__init__(reason)
        self.product_id = product_id


def open_catalog(path: Path) -> mmap.mmap:
    """Map a catalog into memory.

    Raises:
        cli.UserError: the file is missing or empty.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise cli.UserError(f"{path}: the file is empty; dump the catalog again")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def describe_fault(path: Path, offset: int, product_id: int | None, reason: str) -> str:
    """The line for a fault that ends a job."""
    name = "a product" if product_id is None else f"product {product_id}"
    return f"{path}: byte {offset}: {name}: {reason}; mend it, or set on_bad_product: skip to go on without"


def document_sizes(
    catalog: mmap.mmap, path: Path, passed_over: list[tuple[int, BadDocumentError]] | None = None
) -> Iterator[tuple[int, int]]:
    """Yield offset and size (bytes) of each document, by its length prefix alone.

    Args:
        passed_over: gets offset and fault of bytes that are no document; the walk goes on at the next start of
            one. None: such bytes end it.

    Raises:
        cli.UserError: a length leads out of the file or to no document's end.
    """
    offset, end = 0, len(catalog)
    last_start = end - SMALLEST_DOCUMENT
    length_at = LENGTH.unpack_from
    while offset < end:
        if offset <= last_start:
            (size,) = length_at(catalog, offset)
            if SMALLEST_DOCUMENT <= size <= end - offset and catalog[offset + size - 1] == 0:
                yield offset, size
                offset += size
                continue
        fault = _framing_fault(catalog, offset)
        if passed_over is None:
            raise cli.UserError(describe_fault(path, offset, fault.product_id, str(fault)))
        passed_over.append((offset, fault))
        offset = _next_document(catalog, offset + 1)


def _framing_fault(catalog: mmap.mmap, offset: int) -> BadDocumentError | None:
    """Why no document can start here, or None."""
    room = len(catalog) - offset
    if room < SMALLEST_DOCUMENT:
        return BadDocumentError(f"{room} bytes after the last document")
    (size,) = LENGTH.unpack_from(catalog, offset)
    if size < SMALLEST_DOCUMENT:
        reason = f"a document cannot be {size} bytes long"
    elif size > room:
        reason = f"the file ends {size - room} bytes before this document"
    elif catalog[offset + size - 1] != 0:
        reason = f"no document of {size} bytes ends where it should"
    else:
        return None
    return BadDocumentError(reason, _leading_id(catalog, offset))


def _next_document(catalog: mmap.mmap, offset: int) -> int:
    """Where the next document of the published layout starts; the file's end if there is none."""
    for field in _ID_FIELD.finditer(catalog, offset + LENGTH.size):
        start = field.start() - LENGTH.size
        if _framing_fault(catalog, start) is None:
            return start
    return len(catalog)


def _leading_id(catalog: mmap.mmap | bytes, offset: int) -> int | None:
    """The product's id where the document starts with it."""
    start = _START.match(catalog, offset)
    return None if start is None else int.from_bytes(start[1] or start[2], "little", signed=True)


def read_documents(
    raw: mmap.mmap | bytes, offsets: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, list[tuple[int, BadDocumentError]]]:
    """Find the pictures of documents without copying them.

    Documents of the published layout are read together, others one by one with the bson library.

    Args:
        raw: holds the documents.
        offsets, sizes: int64 arrays, bytes.

    Returns:
        pictures (PICTURES) in the order of the documents, and the position and fault of each bad document: a field is
        missing, has another type, or there is no picture.
    """
    octets = np.frombuffer(raw, np.uint8)
    remaining = np.arange(len(offsets))
    found, faults = [], []
    for layout in _LAYOUTS:
        if not len(remaining):
            break
        pictures, is_read = _read_alike(octets, layout, offsets[remaining], sizes[remaining])
        pictures["document"] = remaining[pictures["document"]]
        found.append(pictures)
        remaining = remaining[~is_read]
    for document in remaining.tolist():
        offset = int(offsets[document])
        try:
            rows = _read_one(raw[offset : offset + int(sizes[document])], document, offset)
        except BadDocumentError as fault:
            faults.append((document, fault))
        else:
            found.append(np.array(rows, PICTURES))
    pictures = np.concatenate(found) if found else np.empty(0, PICTURES)
    return pictures[np.argsort(pictures["document"], kind="stable")], faults


class _Layout:
    """Fields in a fixed order: bytes that must be there, and numbers of 4 or 8 bytes between them."""

    def __init__(self, *fields: bytes | tuple[str, int]):
        self.numbers: dict[str, slice] = {}
        template = b""
        for field in fields:
            if isinstance(field, bytes):
                template += field
            else:
                name, size = field
                self.numbers[name] = slice(len(template), len(template) + size)
                template += bytes(size)
        self.template = np.frombuffer(template, np.uint8)
        self.size = len(template)
        fixed = np.ones(self.size, bool)
        for span in self.numbers.values():
            fixed[span] = False
        self._fixed = np.flatnonzero(fixed)

    def at(self, octets: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The bytes (offsets, size) at each offset; the layout must fit there."""
        windows = np.ndarray(max(len(octets) - self.size + 1, 0), f"V{self.size}", octets, strides=(1,))
        return windows[offsets].view(np.uint8).reshape(-1, self.size)

    def matches(self, found: np.ndarray) -> np.ndarray:
        """Whether (bool) each row of bytes has this layout."""
        return (found[:, self._fixed] == self.template[self._fixed]).all(axis=1)

    def number(self, found: np.ndarray, name: str) -> np.ndarray:
        """A number (int64) of each row of bytes."""
        raw = np.ascontiguousarray(found[:, self.numbers[name]])
        return raw.view(f"<i{raw.shape[1]}").ravel().astype(np.int64)


def _head(id_size: int, category_size: int) -> _Layout:
    kinds = {4: b"\x10", 8: b"\x12"}
    category = (kinds[category_size] + b"category_id\x00", ("category_id", category_size)) if category_size else ()
    product = (kinds[id_size] + b"_id\x00", ("product_id", id_size))
    return _Layout(("size", 4), *product, *category, _ARRAY_FIELD, ("array_size", 4))


_LAYOUTS = [_head(id_size, category_size) for id_size in (4, 8) for category_size in (4, 0, 8)]
_PICTURE_LAYOUTS = [
    _Layout(b"\x03%d\x00" % image, ("sub_size", 4), PICTURE_FIELD, ("size", 4), PLAIN_BINARY)
    for image in range(MANY_PICTURES)
]


def _read_alike(
    octets: np.ndarray, layout: _Layout, offsets: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (PICTURES) of those documents that have the layout, and which (bool) these are."""
    array_start = layout.size - LENGTH.size
    is_read = sizes > layout.size + 2  # two closing zeros: of the array and of the document
    candidates = np.flatnonzero(is_read)
    heads = layout.at(octets, offsets[candidates])
    ends = (offsets + sizes)[candidates]
    is_read[candidates] = (
        layout.matches(heads)
        & (array_start + layout.number(heads, "array_size") + 1 == sizes[candidates])
        & (octets[ends - 2] == 0)
        & (octets[ends - 1] == 0)
    )
    product_ids = np.zeros(len(offsets), np.int64)
    product_ids[candidates] = layout.number(heads, "product_id")
    category_ids = np.full(len(offsets), NO_CATEGORY)
    if "category_id" in layout.numbers:
        category_ids[candidates] = layout.number(heads, "category_id")
    next_pictures, ends = offsets + layout.size, offsets + sizes - 2
    found = []
    for image, picture in enumerate(_PICTURE_LAYOUTS):
        documents = np.flatnonzero(is_read & (next_pictures < ends))
        if not len(documents):
            break
        starts = next_pictures[documents] + picture.size
        fits = starts < ends[documents]
        is_read[documents[~fits]] = False
        documents, starts = documents[fits], starts[fits]
        raw = picture.at(octets, starts - picture.size)
        picture_sizes = picture.number(raw, "size")
        closings = starts + picture_sizes  # the closing zero of {picture: ...}
        fits = (
            picture.matches(raw)
            & (picture_sizes >= 0)
            & (picture.number(raw, "sub_size") == picture_sizes + _AROUND_PICTURE)
            & (closings < ends[documents])
        )
        fits &= octets[np.where(fits, closings, 0)] == 0
        is_read[documents[~fits]] = False
        documents, starts, picture_sizes = documents[fits], starts[fits], picture_sizes[fits]
        next_pictures[documents] = starts + picture_sizes + 1
        rows = np.empty(len(documents), PICTURES)
        rows["document"], rows["image"], rows["start"], rows["size"] = documents, image, starts, picture_sizes
        rows["product_id"], rows["category_id"] = product_ids[documents], category_ids[documents]
        found.append(rows)
    is_read &= (next_pictures == ends) & (next_pictures > offsets + layout.size)
    pictures = np.concatenate(found) if found else np.empty(0, PICTURES)
    return pictures[is_read[pictures["document"]]], is_read


def _read_one(raw: bytes, document: int, offset: int) -> list[tuple[int, ...]]:
    """Rows of PICTURES of any document with the right fields."""
    try:
        fields = bson.decode(raw)
    except (bson.errors.BSONError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadDocumentError(f"not a BSON document: {reason}", _leading_id(raw, 0)) from error
    product_id = _integer(fields, "_id", None)
    category_id = _integer(fields, "category_id", product_id) if "category_id" in fields else NO_CATEGORY
    images = fields.get("imgs")
    if not isinstance(images, list):
        raise BadDocumentError("imgs is missing or not an array", product_id)
    if not images:
        raise BadDocumentError("the product has no picture", product_id)
    rows, searched = [], raw.index(_ARRAY_FIELD)
    for position, image in enumerate(images):
        picture = image.get("picture") if isinstance(image, dict) else None
        if type(picture) is not bytes:  # bytes of another subtype are a bson.Binary
            raise BadDocumentError(f"imgs.{position}.picture is missing or not plain binary", product_id)
        element = before_picture(len(picture)) + picture
        searched = raw.index(element, searched) + len(element)
        start = offset + searched - len(picture)
        rows.append((document, position, start, len(picture), product_id, category_id))
    return rows


def _integer(fields: dict, name: str, product_id: int | None) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadDocumentError(f"{name} is missing or not an integer", product_id)
    return int(value)
