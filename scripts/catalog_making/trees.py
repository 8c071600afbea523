"""Products of a folder tree: which layout it has, and what its folders say."""

import statistics
from collections import Counter
from enum import StrEnum
from pathlib import Path

import cli
from catalog.classes import LEVELS
from catalog_making.files import SUFFIXES, readable, shown
from catalog_making.products import NUMBER, Product

PRODUCT_PICTURES = 8  # more are the pictures of a category rather than of a product


class Layout(StrEnum):
    """What is a product in a tree."""

    FOLDERS = "folder-per-product"
    PICTURES = "picture-per-product"

    @property
    def other(self) -> "Layout":
        return Layout.PICTURES if self is Layout.FOLDERS else Layout.FOLDERS


def recognized_layout(root: Path, pictures: list[Path], with_category: bool) -> Layout:
    """The layout that the numbers speak for.

    A folder is a product where it holds a few pictures and lies among many such folders. It is a category where it
    holds more pictures than a product has, or more than it has folders beside it, and where no folder is above it.
    """
    counts = Counter(path.parent for path in pictures if path.parent != root)
    if not counts:
        return Layout.PICTURES
    depths = [len(folder.relative_to(root).parts) for folder in counts]
    if with_category and statistics.median(depths) == 1:
        return Layout.PICTURES
    if with_category and min(depths) > len(LEVELS):
        return Layout.FOLDERS
    beside = Counter(folder.parent for folder in counts)
    typical = statistics.median(counts.values())
    is_category = typical > PRODUCT_PICTURES or typical > statistics.median(beside[folder.parent] for folder in counts)
    return Layout.PICTURES if is_category else Layout.FOLDERS


def layout_like(layout: Layout, products: list[Product], root: Path, pictures: list[Path]) -> Layout:
    """The layout of a test tree beside training products of a layout: the same, unless its folders hold far more."""
    counts = Counter(path.parent for path in pictures if path.parent != root)
    if layout is Layout.PICTURES or not counts:
        return Layout.PICTURES
    most = max(PRODUCT_PICTURES, statistics.median(len(product.pictures) for product in products))
    return Layout.PICTURES if statistics.median(counts.values()) > most else layout


def products_of_tree(root: Path, pictures: list[Path], layout: Layout, with_category: bool) -> list[Product]:
    """The products of a tree, in the order of their paths; pictures directly in a test tree are a product each.

    Raises:
        cli.UserError: a product has no category folder above it or too many, or lies inside another product.
    """
    if with_category and (alone := [path for path in pictures if path.parent == root]):
        raise cli.UserError(
            f"{shown(alone[0])}: no folder above it names its category ({len(alone):,} such pictures); move it into"
            f" one, such as {shown(root / 'Shoes' / alone[0].name)}, or out of the tree"
        )
    grouped: dict[Path, list[Path]] = {}
    for path in pictures:
        is_alone = layout is Layout.PICTURES or path.parent == root
        grouped.setdefault(path if is_alone else path.parent, []).append(path)
    if layout is Layout.FOLDERS:
        _check_nothing_inside(grouped)
    return [
        Product(_name(root, path, paths), path, _category(root, path) if with_category else (), tuple(paths))
        for path, paths in grouped.items()
    ]


def _check_nothing_inside(grouped: dict[Path, list[Path]]) -> None:
    for path, paths in grouped.items():
        for folder in path.parents:
            if folder in grouped:
                beside, below = (shown(found[0].relative_to(folder)) for found in (grouped[folder], paths))
                raise cli.UserError(
                    f"{shown(folder)}: holds pictures ({beside} ...) and a folder with pictures ({below} ...):"
                    f" a product or a category? Move one of them, or see --{Layout.PICTURES}"
                )


def _name(root: Path, path: Path, paths: list[Path]) -> str:
    parts = [readable(part) for part in path.relative_to(root).parts]
    is_number = len(parts) == 1 and path.suffix.lower() in SUFFIXES and NUMBER.fullmatch(Path(parts[0]).stem)
    return Path(parts[0]).stem if paths == [path] and is_number else "/".join(parts)


def _category(root: Path, path: Path) -> tuple[str, ...]:
    folders = [readable(part) for part in path.relative_to(root).parts[:-1]]
    if not 1 <= len(folders) <= len(LEVELS):
        raise cli.UserError(
            f"{shown(path)}: {len(folders)} category folders above this product, 1 to 3 are possible;"
            " see --help for the trees that are read"
        )
    return three_levels(folders)


def three_levels(levels: list[str]) -> tuple[str, ...]:
    """The levels of a category, the last one repeated where there are fewer than three."""
    return tuple(levels + levels[-1:] * (len(LEVELS) - len(levels)))
