"""What an index leaves out of a catalog: a table with a row per faulty product or picture."""

import csv
import re
from collections import Counter
from pathlib import Path

from catalog.ids import Written, from_text

COLUMNS = ("offset", "product_id", "image", "reason")
WHOLE_PRODUCT = -1  # as the image
REPEATED = "an earlier product has this _id"  # a reason

Reject = tuple[int, Written | None, int, str]  # COLUMNS; offset of the product's document, bytes


def in_order(rejects: list[Reject]) -> list[Reject]:
    """In the catalog's order."""
    return sorted(rejects, key=lambda reject: (reject[0], reject[2]))


def counted(rejects: list[Reject]) -> str:
    """How many products and pictures were left out, by kind of reason."""
    kinds = Counter(
        ("product" if image == WHOLE_PRODUCT else "picture", re.sub(r"\d[\d,]*", "N", reason.partition(":")[0]))
        for _, _, image, reason in rejects
    )
    counts = [f"{count:,} {what}{'s' * (count > 1)}: {reason}" for (what, reason), count in kinds.most_common()]
    return "; ".join(counts)


def write_rejects(rejects: list[Reject], path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rejects])


def read_rejects(path: Path) -> list[Reject]:
    with path.open(newline="") as file:
        rows = [[row[name] for name in COLUMNS] for row in csv.DictReader(file)]
    return [
        (int(offset), from_text(product_id) if product_id else None, int(image), reason)
        for offset, product_id, image, reason in rows
    ]
