"""A catalog's BSON documents: where they lie, what they hold, and what may be wrong with them.

A document is {_id, category_id (train only), imgs: [{picture: binary}, ...]}; other fields are passed over.
"""

import math
import mmap
import re
import struct
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
from bson.decimal128 import Decimal128

from catalog.dumps import check_dump
from catalog.elements import (
    ARRAY,
    BINARY,
    DECIMAL,
    DOCUMENT,
    DOUBLE,
    INT32,
    INT64,
    KINDS,
    NULL,
    OBJECT_ID,
    SMALLEST_DOCUMENT,
    TEXT,
    Element,
    NotBsonError,
    element_at,
    elements,
)
from catalog.ids import Written, from_text, number_of
from catalog.layout import LARGEST_ID, LENGTH, NO_CATEGORY, PLAIN_BINARY, SMALLEST_ID
from catalog.usual_documents import HEADS, PICTURES, read_alike

DOCUMENTS = np.dtype([("offset", np.int64), ("size", np.int64)])

TAKEN_IDS = "taken are whole numbers of 64 bits, texts, ObjectIds and UUIDs"
UUID_SUBTYPES = (3, 4)  # of binary data
UUID_SIZE = 16  # bytes

_ID_FIELD = re.compile(rb"[\x01-\x13]_id\x00")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadDocumentError(Exception):
    """What is wrong with one document, and the product's id where it is known."""

    def __init__(self, reason: str, product_id: Written | None = None):
        super().__init__(reason)
        self.product_id = product_id


def open_catalog(path: Path) -> mmap.mmap:
    """Map a catalog into memory. A process that reads it where the file has shrunk since is killed (SIGBUS).

    Raises:
        cli.UserError: the file is missing, empty or of another kind.
    """
    check_dump(path)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def describe_fault(path: Path, offset: int, product_id: Written | None, reason: str) -> str:
    """The line for a fault that ends a job."""
    name = "a product" if product_id is None else f"product {product_id}"
    return f"{path}: byte {offset}: {name}: {reason}; mend it, or set on_bad_product: skip to go on without"


def find_documents(
    catalog: mmap.mmap, start: int, stop: int, goes_on: bool
) -> tuple[np.ndarray, list[tuple[int, BadDocumentError]], int]:
    """Find the documents that start in a stretch of a catalog, by their length prefixes alone.

    Args:
        start: where the first one starts.
        goes_on: whether the search goes on behind a fault, at the next start of a document.

    Returns:
        the documents' offsets and sizes (DOCUMENTS); offset and fault of bytes that are no document: a length leads out
        of the file or to no document's end; and where the next document starts.
    """
    found, faults = [], []
    while start < stop:
        bounds = _chained(catalog, start, stop)
        documents = np.empty(len(bounds) - 1, DOCUMENTS)
        documents["offset"], documents["size"] = bounds[:-1], np.diff(bounds)
        found.append(documents)
        start = bounds[-1]
        if start < stop:
            faults.append((start, _framing_fault(catalog, start)))
            if not goes_on:
                break
            start = next_document(catalog, start + 1)
    return np.concatenate([np.empty(0, DOCUMENTS), *found]), faults, start


def _chained(catalog: mmap.mmap, offset: int, stop: int) -> list[int]:
    """Where documents start, each at the end of the one before, up to the first that is none or starts at `stop`."""
    bounds, size_of_all = [offset], len(catalog)
    last_start = min(stop - 1, size_of_all - SMALLEST_DOCUMENT)
    length_at = LENGTH.unpack_from
    while offset <= last_start:
        (size,) = length_at(catalog, offset)
        offset += size
        if size < SMALLEST_DOCUMENT or offset > size_of_all or catalog[offset - 1]:
            break
        bounds.append(offset)
    return bounds


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


def next_document(catalog: mmap.mmap, offset: int) -> int:
    """Where the next document that begins with its _id seems to start; the file's end if there is none."""
    for field in _ID_FIELD.finditer(catalog, offset + LENGTH.size):
        start = field.start() - LENGTH.size
        if _framing_fault(catalog, start) is None:
            return start
    return len(catalog)


def _leading_id(catalog: mmap.mmap | bytes, offset: int) -> Written | None:
    """The product's id where the document starts with it."""
    try:
        first = element_at(catalog, offset + LENGTH.size, len(catalog))
        return _written_id(catalog, first) if first.name == b"_id" else None
    except (NotBsonError, _NotTakenError):
        return None


def read_documents(
    raw: mmap.mmap | bytes, offsets: np.ndarray, sizes: np.ndarray, with_categories: bool = True
) -> tuple[np.ndarray, dict[int, tuple[str | None, str | None]], list[tuple[int, BadDocumentError]]]:
    """Find the pictures of documents without copying them.

    Documents of the usual layouts are read together, others one by one.

    Args:
        raw: holds the documents.
        offsets, sizes: int64 arrays, bytes.
        with_categories: whether category_id is read; else no document has one, whatever it holds.

    Returns:
        pictures (PICTURES) in the order of the documents; by position of a document, the texts of its product's and
        category's id where one is no whole number; and the position and fault of each bad document: a field is
        missing, has another type, or there is no picture.
    """
    octets = np.frombuffer(raw, np.uint8)
    remaining = np.arange(len(offsets))
    found, texts, faults = [], {}, []
    for head in HEADS:
        if not len(remaining):
            break
        pictures, is_read, objects = read_alike(octets, head, offsets[remaining], sizes[remaining])
        texts |= {int(remaining[document]): ids for document, ids in objects.items()}
        pictures["document"] = remaining[pictures["document"]]
        found.append(pictures)
        remaining = remaining[~is_read]
    for document in remaining.tolist():
        try:
            ids, spans = _read_one(raw, int(offsets[document]), int(sizes[document]), with_categories)
        except BadDocumentError as fault:
            faults.append((document, fault))
            continue
        numbers = [NO_CATEGORY if each is None else number_of(each) for each in ids]
        if any(isinstance(each, str) for each in ids):
            texts[document] = tuple(each if isinstance(each, str) else None for each in ids)
        found.append(np.array([(document, image, *span, *numbers) for image, span in enumerate(spans)], PICTURES))
    pictures = np.concatenate(found) if found else np.empty(0, PICTURES)
    if not with_categories:
        pictures["category_id"] = NO_CATEGORY
        texts = {document: (product, None) for document, (product, _) in texts.items() if product is not None}
    return pictures[np.argsort(pictures["document"], kind="stable")], texts, faults


def read_field(raw: bytes, name: str) -> Written:
    """What a document has in a field, as an id.

    Raises:
        BadDocumentError: it has no such field, or one that is no id, or is no document.
    """
    try:
        fields = _fields(raw, 0, len(raw), {name.encode()})
    except NotBsonError as error:
        raise BadDocumentError(f"not a BSON document: {error}") from error
    return _id_of(raw, fields.get(name.encode()), name, None)


def read_text(raw: bytes, name: str) -> str:
    """What a document has in a field, as people read it: a text as it is, with U+FFFD for what is not UTF-8; a whole
    number, an ObjectId or a UUID as a text; an empty one where it has none of these.

    Raises:
        NotBsonError: it is no document.
    """
    element = _fields(raw, 0, len(raw), {name.encode()}).get(name.encode())
    if element is None:
        return ""
    if element.kind == TEXT:
        return raw[element.start + LENGTH.size : element.stop - 1].decode(errors="replace")
    try:
        return str(_written_id(raw, element))
    except _NotTakenError:
        return ""


_READ_FIELDS = {b"_id", b"category_id", b"imgs"}


def _read_one(
    raw: mmap.mmap | bytes, offset: int, size: int, with_categories: bool
) -> tuple[tuple[Written, Written | None], list[tuple[int, int]]]:
    """The ids of product and category of any document with the right fields, and start and size of its pictures."""
    try:
        fields = _fields(raw, offset, offset + size, _READ_FIELDS)
        product_id = _id_of(raw, fields.get(b"_id"), "_id", None)
        category = fields.get(b"category_id") if with_categories else None
        has_category = category is not None and category.kind != NULL
        category_id = _id_of(raw, category, "category_id", product_id) if has_category else None
        return (product_id, category_id), _pictures_of(raw, fields.get(b"imgs"), product_id)
    except NotBsonError as error:
        raise BadDocumentError(f"not a BSON document: {error}", _leading_id(raw, offset)) from error


def _fields(raw: mmap.mmap | bytes, start: int, stop: int, names: set[bytes]) -> dict[bytes, Element]:
    """The fields of a document that have one of the names; of several with one name, the last."""
    return {element.name: element for element in elements(raw, start, stop) if element.name in names}


def _pictures_of(raw: mmap.mmap | bytes, images: Element | None, product_id: Written) -> list[tuple[int, int]]:
    """Start and size of each picture of imgs."""
    if images is None or images.kind != ARRAY:
        raise BadDocumentError("imgs is missing or not an array", product_id)
    spans = []
    for position, image in enumerate(elements(raw, images.start, images.stop)):
        fields = _fields(raw, image.start, image.stop, {b"picture"}) if image.kind == DOCUMENT else {}
        picture, plain = fields.get(b"picture"), LENGTH.size + len(PLAIN_BINARY)
        is_plain = picture is not None and picture.kind == BINARY
        if not is_plain or raw[picture.start + LENGTH.size : picture.start + plain] != PLAIN_BINARY:
            raise BadDocumentError(f"imgs.{position}.picture is missing or not plain binary", product_id)
        spans.append((picture.start + plain, picture.stop - picture.start - plain))
    if not spans:
        raise BadDocumentError("the product has no picture", product_id)
    return spans


class _NotTakenError(Exception):
    """What a value is that is no id."""


def _id_of(raw: mmap.mmap | bytes, element: Element | None, name: str, product_id: Written | None) -> Written:
    """The id in a field.

    Raises:
        BadDocumentError: the field is missing, or its value is none.
    """
    if element is None:
        raise BadDocumentError(f"{name} is missing", product_id)
    try:
        return _written_id(raw, element)
    except _NotTakenError as error:
        raise BadDocumentError(f"{name} is {error}; {TAKEN_IDS}", product_id) from None


def _written_id(raw: mmap.mmap | bytes, element: Element) -> Written:
    kind, value = element.kind, raw[element.start : element.stop]
    if kind in (INT32, INT64):
        return _whole(int.from_bytes(value, "little", signed=True))
    if kind == DOUBLE:
        return _whole(struct.unpack("<d", value)[0])
    if kind == DECIMAL:
        number = Decimal128.from_bid(value).to_decimal()
        return _whole(number if number.is_finite() else math.nan)
    if kind == OBJECT_ID:
        return value.hex()
    if kind == BINARY and value[LENGTH.size] in UUID_SUBTYPES and len(value) == LENGTH.size + 1 + UUID_SIZE:
        return str(uuid.UUID(bytes=value[-UUID_SIZE:]))
    if kind == TEXT:
        return _text(value[LENGTH.size : -1])
    raise _NotTakenError(KINDS[kind])


def _whole(number: int | float | Decimal) -> int:
    if not math.isfinite(number) or not SMALLEST_ID <= number <= LARGEST_ID or number != int(number):
        raise _NotTakenError(f"the number {number}")
    return int(number)


def _text(value: bytes) -> Written:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _NotTakenError("a text that is not UTF-8") from None
    if not text.strip():
        raise _NotTakenError("an empty text")
    if _CONTROL.search(text):
        raise _NotTakenError("a text with line breaks or other control characters")
    return from_text(text)
