"""The class ids of a catalog's categories. Starts without pandas, as read_classes alone needs it."""

import csv
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cli
from catalog.ids import from_text, numbers_of

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS = -1
LEVELS = ["level1", "level2", "level3"]
COLUMNS = ["class_id", "category_id", *LEVELS]
NAMES = [f"category_{level}" for level in LEVELS]  # in category_names.csv
NO_NAME = "(no name)"


def read_classes(path: Path) -> "pd.DataFrame":
    """Read classes.csv: COLUMNS, class_id 0.. in order, and category, the id as people have it (int64, or int and str).

    category_id is the number of the id; a name is text, even one of digits, or empty.
    """
    import pandas as pd  # noqa: PLC0415

    try:
        classes = pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(["category_id", *LEVELS], str))
    except FileNotFoundError:
        raise _missing(path) from None
    written = pd.Series(list(map(from_text, classes.category_id)))
    return classes.assign(category_id=numbers_of(written.tolist()), category=written)


def read_categories(path: Path) -> np.ndarray:
    """The number (int64) of the category id of each class of classes.csv."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return numbers_of([from_text(row["category_id"]) for row in csv.DictReader(file)])
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
    """The joined levels by category id; the id as people have it where none has a name."""
    return {
        category_id: joined(levels) or str(category)
        for category_id, category, *levels in classes[["category_id", "category", *LEVELS]].itertuples(index=False)
    }


def written_categories(category_ids: "pd.Series", classes: "pd.DataFrame") -> "pd.Series":
    """Category ids as people have them."""
    return category_ids.map(classes.set_index("category_id").category)


def class_ids(category_ids: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """The class id (int64) of each category id; NO_CLASS where no class has it.

    Args:
        categories: the category id of each class.
    """
    order = np.argsort(categories)
    ids = order[np.minimum(np.searchsorted(categories, category_ids, sorter=order), len(order) - 1)]
    ids[categories[ids] != category_ids] = NO_CLASS
    return ids
