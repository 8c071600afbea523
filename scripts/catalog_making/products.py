"""A product with its pictures, and the id that it keeps."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli
from catalog_making.files import SUFFIXES, shown

# Names of up to 14 digits (the longest article numbers, GTIN) are their own ids; all others get one of 15 digits, which
# spreadsheets and JSON still hold exactly.
NUMBER = re.compile("0|[1-9][0-9]{0,13}")
FIRST_OF_NAMES = 10**14
DRAW_SEED = 0


@dataclass(frozen=True)
class Product:
    """A product with its pictures' paths.

    Attributes:
        name: what its id follows from: its path below the folder given, or what a table calls it.
        path: its folder, its only picture, or the table that lists it.
        category: three levels, or nothing for a test product.
        group: what `group_field` keeps together, or None.
    """

    name: str
    path: Path
    category: tuple[str, ...]
    pictures: tuple[Path, ...]
    group: str | None = None

    @property
    def short_name(self) -> str:
        """The last part of the name, a file's without the suffix."""
        last = self.name.rsplit("/", maxsplit=1)[-1]
        is_file = self.pictures == (self.path,) and Path(last).suffix.lower() in SUFFIXES
        return Path(last).stem if is_file else last

    @property
    def id(self) -> int:
        return product_id(self.name)


def product_id(name: str) -> int:
    """The id of a name, whatever other products there are: the number that it is, else 15 digits of its hash."""
    if NUMBER.fullmatch(name):
        return int(name)
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).digest()
    return FIRST_OF_NAMES + int.from_bytes(digest) % (9 * FIRST_OF_NAMES)


def check_ids(train: list[Product], test: list[Product]) -> None:
    """Make sure that an id is one product's; one that is in train and test has the same name in both.

    Raises:
        cli.UserError: names two products with the same id.
    """
    names: dict[int, str] = {}
    for products in (train, test):
        seen: dict[int, Product] = {}
        for product in products:
            other = seen.setdefault(product.id, product)
            if other is not product or names.setdefault(product.id, product.name) != product.name:
                raise cli.UserError(
                    f"{shown(product.path)}: would have the id {product.id}, as"
                    f" {shown(other.path) if other is not product else names[product.id]} has; rename one of them"
                )


def draw_test(products: list[Product], fraction: float) -> tuple[list[Product], list[Product]]:
    """Draw test products at random; a category's last training product stays in training."""
    rng = np.random.default_rng(DRAW_SEED)
    left: dict[tuple[str, ...], int] = {}
    for product in products:
        left[product.category] = left.get(product.category, 0) + 1
    drawn: set[int] = set()
    for position in rng.permutation(len(products)):
        if len(drawn) < round(fraction * len(products)) and left[products[position].category] > 1:
            left[products[position].category] -= 1
            drawn.add(int(position))
    train = [product for position, product in enumerate(products) if position not in drawn]
    return train, [products[position] for position in sorted(drawn)]
