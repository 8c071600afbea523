"""The class ids of a catalog's categories. Starts without pandas, as read_classes alone needs it."""

import csv
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS = -1
LEVELS = ["level1", "level2", "level3"]
COLUMNS = ["class_id", "category_id", *LEVELS]
NAMES = [f"category_{level}" for level in LEVELS]  # in category_names.csv
NO_NAME = "(no name)"


def read_classes(path: Path) -> "pd.DataFrame":
    """Read classes.csv: COLUMNS, class_id 0.. in order; a name is text, even one of digits, or empty."""
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(LEVELS, str))
    except FileNotFoundError:
        raise _missing(path) from None


def read_categories(path: Path) -> np.ndarray:
    """The category id (int64) of each class of classes.csv."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return np.array([row["category_id"] for row in csv.DictReader(file)], np.int64)
    except FileNotFoundError:
        raise _missing(path) from None


def _missing(path: Path) -> cli.UserError:
    return cli.UserError(f"{path}: no such file; make it with label_categories.py")


def first_levels(classes: "pd.DataFrame") -> "pd.Series":
    """The first level's name by category id, NO_NAME where it is empty."""
    return classes.set_index("category_id").level1.replace("", NO_NAME)


def joined(levels: Iterable[str]) -> str:
    """The levels of a category in one text, without empty and repeated ones."""
    return " / ".join(name for name, _ in itertools.groupby(filter(None, levels)))


def full_names(classes: "pd.DataFrame") -> dict[int, str]:
    """The joined levels by category id; the id where none has a name."""
    return {
        category_id: joined(levels) or str(category_id)
        for category_id, *levels in classes[["category_id", *LEVELS]].itertuples(index=False)
    }


def class_ids(category_ids: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """The class id (int64) of each category id; NO_CLASS where no class has it.

    Args:
        categories: the category id of each class.
    """
    order = np.argsort(categories)
    ids = order[np.minimum(np.searchsorted(categories, category_ids, sorter=order), len(order) - 1)]
    ids[categories[ids] != category_ids] = NO_CLASS
    return ids
