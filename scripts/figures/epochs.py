"""The metrics that train_epochs.py leaves of each epoch."""

import json
from pathlib import Path

import pandas as pd

from training.metrics import epochs_until

COLUMNS = [
    *("model", "epoch", "optimizer", "fresh_optimizer", "learning_rate"),
    *("train_cross_entropy", "train_top1", "train_top5", "train_images_per_second", "train_seconds"),
    *("valid_cross_entropy", "valid_top1", "valid_top5", "valid_images"),
]


def latest_epochs(models: Path) -> list[Path]:
    """The metrics of the epoch that each model of a folder finished last."""
    latest = {}
    for path in sorted(models.glob("*/????-*.json"), key=lambda path: path.stat().st_mtime):
        if not path.name.endswith(".recipe.json"):
            latest[path.parent] = path
    return sorted(latest.values())


def read_epochs(paths: list[Path]) -> pd.DataFrame:
    """COLUMNS, a row per epoch, by model and epoch, of epochs and those before them.

    Accuracies are shares of pictures: in training as augmented, of the valid part without mirror.
    """
    rows = [
        {"model": path.parent.name, **report} for path in paths for report in epochs_until(json.loads(path.read_text()))
    ]
    return pd.json_normalize(rows, sep="_").reindex(columns=COLUMNS).sort_values(["model", "epoch"], ignore_index=True)


def write_table(epochs: pd.DataFrame, path: Path) -> None:
    """Write epochs as TSV, with a head."""
    epochs.to_csv(path, sep="\t", index=False)
