"""What a folder or a CSV holds, and how that is said before anything is written."""

from dataclasses import dataclass, field
from pathlib import Path

import cli
from catalog.classes import joined
from catalog_making.files import find_files, reasons_line, shown
from catalog_making.lists import products_of_table
from catalog_making.products import Product
from catalog_making.trees import Layout, layout_like, products_of_tree, recognized_layout

EXAMPLES = 3
MEANINGS = {
    ("train", Layout.FOLDERS): "a product is a folder with pictures; the folders above it are its category",
    ("train", Layout.PICTURES): "a product is a picture; the folders above it are its category",
    ("test", Layout.FOLDERS): "a product is a folder with pictures, or a picture directly in this one",
    ("test", Layout.PICTURES): "a product is a picture",
}


@dataclass
class Source:
    """What was found in a folder or a CSV.

    Attributes:
        layout: that of a tree; None for a CSV.
        has_choice: whether the layout was recognized and the tree could have the other one.
    """

    path: Path
    products: list[Product]
    layout: Layout | None = None
    has_choice: bool = False
    left_out: dict[Path, str] = field(default_factory=dict)
    other_columns: list[str] = field(default_factory=list)


def read_source(path: Path, part: str, wanted: Layout | None, train: Source | None = None) -> Source:
    """Read the products of a folder tree or a CSV.

    Args:
        wanted: the layout that the user named.
        train: what a test tree without a layout that was named is read like.

    Raises:
        cli.UserError: there is no such source, it has no pictures, or one of them has no category.
    """
    with_category = part == "train"
    if path.is_file():
        products, others = products_of_table(path, with_category)
        source = Source(path, products, other_columns=others)
    elif path.is_dir():
        files = find_files(path)
        if train and train.layout:
            layout = layout_like(train.layout, train.products, path, files.pictures)
        else:
            layout = recognized_layout(path, files.pictures, with_category)
        layout = wanted or layout
        depth = max((len(picture.relative_to(path).parts) for picture in files.pictures), default=0)
        products = products_of_tree(path, files.pictures, layout, with_category)
        source = Source(path, products, layout, not wanted and depth > 1 + with_category, files.left_out)
    else:
        raise cli.UserError(f"{path}: no such folder or CSV; name one that holds or lists the pictures")
    if not products:
        why = f" ({reasons_line(source.left_out)})" if source.left_out else ""
        raise cli.UserError(f"{path}: no pictures{why}")
    return source


def describe(source: Source, part: str) -> list[str]:
    """What was found, in lines for the terminal: the layout, counts, examples, and what was not taken."""
    products = source.products
    counts = f"{len(products):,} products, {sum(len(product.pictures) for product in products):,} pictures"
    if categories := {product.category for product in products if product.category}:
        counts += f", {len(categories):,} categories"
    lines = [f"--{part} {shown(source.path)}: {counts}"]
    if source.layout:
        other = f" (if that is wrong: --{source.layout.other} {part})" if source.has_choice else ""
        lines.append(f"  {MEANINGS[part, source.layout]}{other}")
    lines += [f"  {_example(source, product)}" for product in _spread(products)]
    if source.left_out:
        lines.append(f"  {reasons_line(source.left_out)}")
    if source.other_columns:
        lines.append(f"  columns that are not read: {cli.some(source.other_columns)}")
    return lines


def _spread(products: list[Product]) -> list[Product]:
    """The first product, the last one and one between."""
    positions = {round(number * (len(products) - 1) / (EXAMPLES - 1)) for number in range(EXAMPLES)}
    return [products[position] for position in sorted(positions)]


def _example(source: Source, product: Product) -> str:
    what = shown(product.path.relative_to(source.path)) if source.layout else f"product {product.name}"
    pictures = f"{len(product.pictures)} picture{'s' * (len(product.pictures) > 1)}"
    category = f", category {joined(product.category)}" if product.category else ""
    return f"{what}: {pictures}{category}, _id {product.id}"
