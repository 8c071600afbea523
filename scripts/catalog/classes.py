"""The class ids of a catalog's categories."""

from pathlib import Path

import numpy as np
import pandas as pd

import cli

NO_CLASS = -1
LEVELS = ["level1", "level2", "level3"]
COLUMNS = ["class_id", "category_id", *LEVELS]


def read_classes(path: Path) -> pd.DataFrame:
    """Read classes.csv: COLUMNS, class_id 0.. in order; a name is text, even one of digits."""
    try:
        return pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(LEVELS, str))
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; make it with label_categories.py") from None


def class_ids(category_ids: np.ndarray, classes: pd.DataFrame) -> np.ndarray:
    """The class id (int64) of each category id; NO_CLASS where no class has it."""
    ids = pd.Series(classes.class_id.to_numpy(), index=classes.category_id.to_numpy())
    return ids.reindex(category_ids, fill_value=NO_CLASS).to_numpy()
