"""The classifier of a start that has other categories: its rows of those that stay are kept, by category id."""

from pathlib import Path

import numpy as np

import cli
import networks
from catalog.classes import NO_CLASS, class_ids
from catalog.ids import from_cell, is_repeated, numbers_of
from catalog.tables import read_table


def class_list(params: Path) -> Path:
    """Where the categories of a checkpoint lie: beside it."""
    return params.with_suffix(".classes.csv")


def read_class_list(path: Path, known: np.ndarray) -> np.ndarray:
    """The category id (int64) of each class, in the order of a table with a column category_id.

    Args:
        known: category ids that may be spelt otherwise in the table.

    Raises:
        cli.UserError: the file is no such table, or has a category twice.
    """
    table, ids = read_table(path, ["category_id"]), set(known.tolist())
    cells = table.columns["category_id"]
    numbers = numbers_of([from_cell(cell, ids) for cell in cells])
    if (repeated := is_repeated(numbers)).any():
        row = int(repeated.argmax())
        raise cli.UserError(f"{path}: line {table.lines[row]}: category {cells[row]} is listed twice; keep one line")
    return numbers


def with_categories(
    arrays: dict[str, np.ndarray],
    params: Path,
    categories: np.ndarray,
    names: tuple[str, ...] = networks.CLASSIFIER,
) -> tuple[dict[str, np.ndarray], int]:
    """A checkpoint's arguments with a classifier of other categories, and how many of these it knew.

    A category that is new gets the mean of the rows that are kept: its score never is above the best of theirs, so a
    network that has learned nothing yet says what it said before (Hewitt, Initializing New Word Embeddings for
    Pretrained Language Models, 2021). Without any row to keep, there is no classifier.

    Args:
        arrays: the arguments of a .params, by name.
        params: where they come from; its class_list says which row is which category's.
        categories: the category id (int64) of each class to have.
        names: of the classifier's arrays.

    Raises:
        cli.UserError: the class list is no table, or one of another checkpoint.
    """
    path = class_list(params)
    before = read_class_list(path, categories)
    classifier = {name: array for name, array in arrays.items() if name in names}
    for array in classifier.values():
        if len(array) != len(before):
            raise cli.UserError(
                f"{path}: {len(before)} categories, but {params.name} has a classifier of {len(array)}; put the list"
                " there that it was trained with, or take it away"
            )
    rows = class_ids(categories, before) if len(before) else np.full(len(categories), NO_CLASS)
    stays = rows != NO_CLASS
    rest = {name: array for name, array in arrays.items() if name not in classifier}
    if not stays.any():
        return rest, 0
    return rest | {name: _rows(array, rows, stays) for name, array in classifier.items()}, int(stays.sum())


def _rows(array: np.ndarray, rows: np.ndarray, stays: np.ndarray) -> np.ndarray:
    taken = array[rows]
    taken[~stays] = taken[stays].mean(axis=0)
    return taken
