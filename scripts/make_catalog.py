"""Turn your own pictures into a catalog.

In: a folder tree, or a CSV with a row per picture. In a tree, a picture's folder is its product and the one
to three folders above are its category, `FRUIT/APPLE/GALA/product-17/front.jpg`; with --picture-per-product
every picture is a product of its own, `APPLE/17.jpg`. The CSV's columns are path (taken from the CSV's
folder), product, category_level1 and, as wanted, category_level2, category_level3 and group (a shop, a
photographer: the config key `group_field: group` keeps its products together). Levels that are not given
repeat the last. Test products come from a tree or CSV of their own (--test; categories are ignored), or
are drawn (--test-fraction).

Out, in the output folder: train.bson, test.bson and category_names.csv; products.csv, which product has
which `_id` (its name where all are different whole numbers, else 1, 2, ... in order); with --test-fraction
also test_categories.csv, the drawn products' categories. A picture that is a JPEG of 180x180 goes in as it
is, any other is resized on its shorter edge, cropped at the centre and encoded anew.

Example:
    python scripts/make_catalog.py --train photos --test-fraction 0.1 --output-folder catalog
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd

import cli

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
LEVELS = ("category_level1", "category_level2", "category_level3")
GROUP = "group"
SIDE = 180  # pixels
JPEG_QUALITY = 95
JPEG_START = b"\xff\xd8\xff"
DRAW_SEED = 0


@dataclass(frozen=True)
class Product:
    """A product with its pictures' paths.

    category holds three levels, or nothing for a test product; group is what `group_field` keeps together, or None.
    """

    name: str
    category: tuple[str, ...]
    pictures: tuple[Path, ...]
    group: str | None = None


def read_products(source: Path, with_category: bool, picture_per_product: bool = False) -> list[Product]:
    """Read products from a folder tree or a CSV, sorted.

    Raises:
        cli.UserError: there is no such source, it has no pictures, or one of them has no category.
    """
    if source.is_dir():
        products = _products_of_tree(source, with_category, picture_per_product)
    elif source.is_file():
        products = _products_of_table(source, with_category)
    else:
        raise cli.UserError(f"{source}: no such folder or CSV; name one that holds or lists the pictures")
    if not products:
        kinds = ", ".join(sorted(SUFFIXES))
        raise cli.UserError(f"{source}: no pictures; files that end in {kinds} are taken")
    return products


def _products_of_tree(root: Path, with_category: bool, picture_per_product: bool) -> list[Product]:
    pictures: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            pictures.setdefault(path if picture_per_product else path.parent, []).append(path)
    return [
        Product(product.stem, _tree_category(root, product) if with_category else (), tuple(paths))
        for product, paths in pictures.items()
    ]


def _tree_category(root: Path, product: Path) -> tuple[str, ...]:
    folders = product.relative_to(root).parts[:-1]
    if not 1 <= len(folders) <= len(LEVELS):
        raise cli.UserError(
            f"{product}: {len(folders)} category folders above the product, 1 to 3 are possible; the tree is"
            " LEVEL1/LEVEL2/LEVEL3/PRODUCT/picture.jpg, or see --picture-per-product"
        )
    return _three_levels(folders)


def _three_levels(levels: tuple[str, ...]) -> tuple[str, ...]:
    return levels + levels[-1:] * (len(LEVELS) - len(levels))


def _products_of_table(path: Path, with_category: bool) -> list[Product]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    required = ["path", "product", *LEVELS[:1]] if with_category else ["path", "product"]
    if missing := [column for column in required if column not in table]:
        raise cli.UserError(f"{path}: no column {missing[0]}; the first line must name {', '.join(required)}")
    levels = [column for column in LEVELS if column in table] if with_category else []
    group = [GROUP] if with_category and GROUP in table else []
    for column in (*required, *levels, *group):
        if (empty := table[column] == "").any():
            raise cli.UserError(f"{path}: line {empty.idxmax() + 2}: {column} is empty")
    products = []
    for name, rows in table.groupby("product", sort=True):
        for columns, what in ((levels, "category"), (group, "group")):
            others = (rows[columns] != rows[columns].iloc[0]).any(axis=1)
            if others.any():
                line = others.idxmax() + 2
                raise cli.UserError(f"{path}: line {line}: product {name} has another {what} in an earlier line")
        category = _three_levels(tuple(rows[levels].iloc[0])) if levels else ()
        pictures = tuple(path.parent / file for file in rows["path"])
        products.append(Product(name, category, pictures, rows[GROUP].iloc[0] if group else None))
    return products


def product_ids(products: list[Product]) -> list[int]:
    """The products' names where all are different whole numbers, else 1, 2, ... in order."""
    names = [product.name for product in products]
    if all(name.isdecimal() for name in names) and len({int(name) for name in names}) == len(names):
        return [int(name) for name in names]
    return list(range(1, len(names) + 1))


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


def catalog_picture(path: Path) -> bytes:
    """The bytes of a picture as the catalog holds it.

    Raises:
        cli.UserError: the file is missing or no picture.
    """
    if not path.is_file():
        raise cli.UserError(f"{path}: no such picture")
    content = path.read_bytes()
    # imdecode raises on no bytes at all, and returns None for bytes that are no picture.
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if picture is None:
        raise cli.UserError(f"{path}: cannot be decoded as a picture; replace it or take it out")
    if content.startswith(JPEG_START) and picture.shape[:2] == (SIDE, SIDE):
        return content
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", centre_square(picture, SIDE), quality)[1].tobytes()


def centre_square(picture: np.ndarray, side: int) -> np.ndarray:
    """Resize (height, width, 3) uint8 on its shorter edge to side pixels and crop the centre."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return resized[top : top + side, left : left + side]


def documents(
    products: list[Product], ids: list[int], category_ids: dict[tuple[str, ...], int] | None
) -> Iterator[bytes]:
    """The products as BSON documents; without category_ids, as test products."""
    for product, product_id in zip(products, ids, strict=True):
        category = {} if category_ids is None else {"category_id": category_ids[product.category]}
        group = {} if category_ids is None or product.group is None else {GROUP: product.group}
        pictures = [{"picture": catalog_picture(path)} for path in product.pictures]
        yield bson.encode({"_id": product_id, **category, **group, "imgs": pictures})


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="FOLDER_OR_CSV")
    test = parser.add_mutually_exclusive_group(required=True)
    test.add_argument("--test", type=Path, metavar="FOLDER_OR_CSV")
    test.add_argument("--test-fraction", type=fraction, metavar="F")
    parser.add_argument("--picture-per-product", action="store_true")
    parser.add_argument("--output-folder", type=Path, required=True)
    return parser.parse_args()


def fraction(text: str) -> float:
    """An argument between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    train = read_products(args.train, True, args.picture_per_product)
    if args.test:
        test = read_products(args.test, False, args.picture_per_product)
    else:
        train, test = draw_test(train, args.test_fraction)
        if not test:
            raise cli.UserError(
                f"{args.train}: no products to spare for --test-fraction {args.test_fraction};"
                " every category keeps one product for training"
            )
    ids = product_ids(train + test)
    train_ids, test_ids = ids[: len(train)], ids[len(train) :]
    leaves = sorted({product.category for product in train})
    category_ids = {leaf: number for number, leaf in enumerate(leaves, start=1)}
    files = ["train.bson", "test.bson", "category_names.csv", "products.csv"]
    files += ["test_categories.csv"] * (not args.test)
    with cli.written_whole(*(args.output_folder / file for file in files)) as temporaries:
        train_path, test_path, names_path, products_path, *truth_path = temporaries
        with (
            cli.progress(len(ids), "product", "writing") as bar,
            train_path.open("wb") as train_file,
            test_path.open("wb") as test_file,
        ):
            for document in documents(train, train_ids, category_ids):
                bar.update(train_file.write(document) > 0)
            for document in documents(test, test_ids, None):
                bar.update(test_file.write(document) > 0)
        names = pd.DataFrame(leaves, columns=LEVELS, index=category_ids.values())
        names.to_csv(names_path, index_label="category_id")
        parts = ["train"] * len(train) + ["test"] * len(test)
        folders = [product.pictures[0].parent for product in train + test]
        listing = {"_id": ids, "product": [product.name for product in train + test], "part": parts}
        pd.DataFrame({**listing, "folder": folders}).to_csv(products_path, index=False)
        for path in truth_path:
            truth = [category_ids[product.category] for product in test]
            pd.DataFrame({"_id": test_ids, "category_id": truth}).to_csv(path, index=False)
    pictures = sum(len(product.pictures) for product in train + test)
    cli.summary(
        f"{len(train)} training and {len(test)} test products of {len(leaves)} categories,"
        f" {pictures} pictures, written in {time.monotonic() - start:.1f} s to {args.output_folder}"
    )


if __name__ == "__main__":
    cli.run(main)
