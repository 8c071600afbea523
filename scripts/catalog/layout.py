"""What an index tells of each picture, and the bytes that lie before a picture in its catalog.

Programs that need no more than this start without pandas, Arrow and the bson library.
"""

import struct

import numpy as np

SMALLEST_ID, LARGEST_ID = -(2**63) + 1, 2**63 - 1
NO_CATEGORY = SMALLEST_ID - 1  # of a product without a category, and of a picture without a label

# The numbers of an index's row. Every index has these columns in this order, then TEXTS.
ROW = np.dtype(
    [
        ("product_id", "<i8"),  # see catalog/ids.py
        ("category_id", "<i8"),  # or NO_CATEGORY
        ("image", "<i4"),  # 0-based position in the product
        ("doc_offset", "<i8"),  # of the product's document: bytes from the file's start
        ("doc_size", "<i4"),  # bytes
        ("image_offset", "<i8"),  # of the picture itself: bytes from the file's start
        ("image_size", "<i4"),  # bytes
        ("kind", "u1"),  # position in KINDS of loading/formats.py: all pictures of an index decode
        ("md5_hi", "<u8"),
        ("md5_lo", "<u8"),
    ]
)

# The ids that are no whole numbers, as people have them; null where an id is one.
TEXTS = ("product_text", "category_text")

LENGTH = struct.Struct("<i")
PICTURE_FIELD = b"\x05picture\x00"  # binary data with the name "picture"
PLAIN_BINARY = b"\x00"
BEFORE_PICTURE = len(PICTURE_FIELD) + LENGTH.size + len(PLAIN_BINARY)  # bytes


def before_picture(size: int) -> bytes:
    """The BEFORE_PICTURE bytes of BSON in front of a picture of so many bytes."""
    return PICTURE_FIELD + LENGTH.pack(size) + PLAIN_BINARY


def before_pictures(sizes: np.ndarray) -> np.ndarray:
    """The bytes (uint8; pictures, BEFORE_PICTURE) of BSON in front of pictures of such sizes."""
    octets = np.tile(np.frombuffer(before_picture(0), np.uint8), (len(sizes), 1))
    length = slice(len(PICTURE_FIELD), len(PICTURE_FIELD) + LENGTH.size)
    octets[:, length] = sizes.astype("<i4")[:, None].view(np.uint8)
    return octets


def moved(size: int) -> str:
    """What a line says where a picture of so many bytes is not where the index says."""
    return f"no picture of {size} bytes there; the catalog changed after it was indexed, index it again"
