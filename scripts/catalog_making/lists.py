"""Products of a table that has a row per picture."""

import unicodedata
from pathlib import Path

import cli
from catalog.classes import NAMES
from catalog.tables import Table, read_table
from catalog_making.products import Product
from catalog_making.trees import three_levels

GROUP = "group"


def products_of_table(path: Path, with_category: bool) -> tuple[list[Product], list[str]]:
    """The products of a table, sorted by name, and the names of columns that are not read.

    Raises:
        cli.UserError: the table cannot be read, or its rows contradict each other; names the line.
    """
    required = ["path", "product", *(NAMES[:1] if with_category else [])]
    optional = [*NAMES[1:], GROUP] if with_category else []
    table = _without_blanks(read_table(path, required, optional))
    _check_fields(path, table)
    categories = _categories(path, table)
    groups = table.columns.get(GROUP, [None] * len(table.lines))
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(table.columns["product"]):
        rows.setdefault(name, []).append(row)
    products = []
    for name, (first, *others) in sorted(rows.items()):
        for values, what in ((categories, "category"), (groups, "group")):
            if other := [row for row in others if values[row] != values[first]]:
                raise cli.UserError(
                    f"{path}: line {table.lines[other[0]]}: product {name} has another {what} in an earlier line"
                )
        pictures = tuple(_picture(path.parent, table.columns["path"][row]) for row in (first, *others))
        products.append(Product(name, path, categories[first], pictures, groups[first]))
    return products, table.others


def _without_blanks(table: Table) -> Table:
    """The table with names that differ in blanks around them made equal; a file's name keeps them."""
    columns = {
        name: texts if name == "path" else [text.strip() for text in texts] for name, texts in table.columns.items()
    }
    return Table(columns, table.lines, table.others)


def _categories(path: Path, table: Table) -> list[tuple[str, ...]]:
    """The three levels of each row; nothing where the table has none."""
    columns = [table.columns[name] for name in NAMES if name in table.columns]
    if not columns:
        return [()] * len(table.lines)
    categories = []
    for line, row in zip(table.lines, zip(*columns, strict=True), strict=True):
        given = [text for text in row if text]
        if list(row[: len(given)]) != given:
            raise cli.UserError(f"{path}: line {line}: a level is empty before one that is not")
        categories.append(three_levels(given))
    return categories


def _picture(folder: Path, text: str) -> Path:
    """The file that a row names; one from Windows may name it with backslashes."""
    is_from_windows = "\\" in text and not (folder / text).exists()
    return folder / (text.replace("\\", "/") if is_from_windows else text)


def _check_fields(path: Path, table: Table) -> None:
    for column, texts in table.columns.items():
        for line, text in zip(table.lines, texts, strict=True):
            if not text.strip() and column not in NAMES[1:]:
                raise cli.UserError(f"{path}: line {line}: {column} is empty")
            if any(unicodedata.category(letter) == "Cc" for letter in text):
                raise cli.UserError(
                    f"{path}: line {line}: {column} holds a line break or a control character; is a quote not closed?"
                )
