"""BSON documents of the usual layouts, read many at a time: ids first, then pictures with nothing between them."""

import numpy as np

from catalog.elements import ARRAY, DOUBLE, INT32, INT64, OBJECT_ID
from catalog.ids import numbers_of
from catalog.layout import LARGEST_ID, LENGTH, NO_CATEGORY, PICTURE_FIELD, PLAIN_BINARY, SMALLEST_ID

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

_AROUND_PICTURE = 19  # bytes of {picture: ...} that are not the picture's


class _Layout:
    """Fields in a fixed order: bytes that must be there, and numbers and ids of fixed sizes between them."""

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
        raw = self.octets(found, name)
        return raw.view(f"<i{raw.shape[1]}").ravel().astype(np.int64)

    def octets(self, found: np.ndarray, name: str) -> np.ndarray:
        """The bytes of a number of each row of bytes."""
        return np.ascontiguousarray(found[:, self.numbers[name]])


class Head(_Layout):
    """What lies before the pictures of a document with the given ids: field and kind of each, in their order."""

    def __init__(self, ids: dict[str, int]):
        self.ids = ids
        fields = [
            part
            for field, kind in ids.items()
            for part in (b"%c%s\x00" % (kind, field.encode()), (field, _ID_SIZES[kind]))
        ]
        super().__init__(("size", LENGTH.size), *fields, b"%cimgs\x00" % ARRAY, ("array_size", LENGTH.size))


_ID_SIZES = {INT32: 4, INT64: 8, DOUBLE: 8, OBJECT_ID: 12}  # bytes
HEADS = [
    Head({"_id": product} | ({} if category is None else {"category_id": category}))
    for product in _ID_SIZES
    for category in (INT32, None, INT64, DOUBLE, OBJECT_ID)
]
_PICTURE_LAYOUTS = [
    _Layout(b"\x03%d\x00" % image, ("sub_size", 4), PICTURE_FIELD, ("size", 4), PLAIN_BINARY)
    for image in range(MANY_PICTURES)
]


def _ids_alike(kind: int, octets: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    """Ids of one kind of _ID_SIZES, from their bytes (ids, size).

    Returns:
        numbers (int64), which of them (bool) are taken, and the texts of those that are no numbers.
    """
    if kind == OBJECT_ID:
        texts = [each.tobytes().hex() for each in octets]
        return numbers_of(texts), np.ones(len(octets), bool), texts
    values = octets.view("<f8" if kind == DOUBLE else f"<i{octets.shape[1]}").ravel()
    if kind == DOUBLE:
        with np.errstate(invalid="ignore"):
            is_taken = (np.trunc(values) == values) & (np.abs(values) < LARGEST_ID)
        values = np.where(is_taken, values, 0)
    numbers = values.astype(np.int64)
    return numbers, is_taken if kind == DOUBLE else numbers >= SMALLEST_ID, [None] * len(octets)


def read_alike(
    octets: np.ndarray, head: Head, offsets: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[str | None, str | None]]]:
    """Of those documents that have the layout: pictures (PICTURES), which (bool) these are, and texts of ids."""
    array_start = head.size - LENGTH.size
    is_read = sizes > head.size + 2  # two closing zeros: of the array and of the document
    candidates = np.flatnonzero(is_read)
    heads = head.at(octets, offsets[candidates])
    ends = (offsets + sizes)[candidates]
    is_read[candidates] = (
        head.matches(heads)
        & (array_start + head.number(heads, "array_size") + 1 == sizes[candidates])
        & (octets[ends - 2] == 0)
        & (octets[ends - 1] == 0)
    )
    next_pictures, ends = offsets + head.size, offsets + sizes - 2
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
        found.append(rows)
    is_read &= (next_pictures == ends) & (next_pictures > offsets + head.size)
    pictures = np.concatenate(found) if found else np.empty(0, PICTURES)
    texts = _read_ids(heads[is_read[candidates]], head, is_read, pictures)
    return pictures[is_read[pictures["document"]]], is_read, texts


def _read_ids(
    heads: np.ndarray, head: Head, is_read: np.ndarray, pictures: np.ndarray
) -> dict[int, tuple[str | None, str | None]]:
    """Give pictures the numbers of their documents' ids, and unmark documents whose ids are not taken.

    Args:
        heads: bytes of those documents that are read.

    Returns:
        Texts as of read_documents.
    """
    documents, texts = np.flatnonzero(is_read), []
    for field, column in (("_id", "product_id"), ("category_id", "category_id")):
        numbers = np.full(len(is_read), NO_CATEGORY)
        texts.append([None] * len(documents))
        if field in head.ids:
            numbers[documents], is_taken, texts[-1] = _ids_alike(head.ids[field], head.octets(heads, field))
            is_read[documents[~is_taken]] = False
        pictures[column] = numbers[pictures["document"]]
    if OBJECT_ID not in head.ids.values():
        return {}
    return {document: ids for document, *ids in zip(documents.tolist(), *texts, strict=True) if is_read[document]}
