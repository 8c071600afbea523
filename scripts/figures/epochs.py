"""The metrics that train_epochs.py leaves of each epoch."""

import json
from pathlib import Path

import pandas as pd

COLUMNS = [
    *("model", "epoch", "optimizer", "fresh_optimizer", "learning_rate"),
    *("train_cross_entropy", "train_top1", "train_top5", "train_images_per_second", "train_seconds"),
    *("valid_cross_entropy", "valid_top1", "valid_top5", "valid_images"),
]


def finished_epochs(models: Path) -> list[Path]:
    """The metrics of all epochs that a folder of models holds so far."""
    return sorted(models.glob("*/????.json"))


def read_epochs(paths: list[Path]) -> pd.DataFrame:
    """COLUMNS, a row per epoch, by model and epoch.

    Accuracies are shares of pictures: in training as augmented, of the valid part without mirror.
    """
    rows = [{"model": path.parent.name, **json.loads(path.read_text())} for path in paths]
    return pd.json_normalize(rows, sep="_")[COLUMNS].sort_values(["model", "epoch"], ignore_index=True)


def write_table(epochs: pd.DataFrame, path: Path) -> None:
    """Write epochs as TSV, with a head."""
    epochs.to_csv(path, sep="\t", index=False)
