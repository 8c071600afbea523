"""How fast models are trained here, by the epochs that they have finished."""

import json
from functools import cache
from pathlib import Path

from training.metrics import epochs_until
from workflow.recipes import USUAL_ENGINE


def training_speed(folder: Path, recipe: dict, gpus: int, engine: str) -> float | None:
    """Pictures per second that a model was trained on, by its folder; None where no epoch of it ran on such devices.

    It is that of the slowest epoch, as a job may come to the slowest GPUs of a cluster, and is scaled by their number.

    Args:
        recipe: entries that the recipe of the epochs must have.
        gpus: to train on; 0: the CPU.
        engine: that trained them.
    """
    if not folder.is_dir():
        return None
    # A file that comes or goes changes the folder's time, so that a run heeds what it has just measured.
    speeds = _speeds(folder, folder.stat().st_mtime_ns, json.dumps(recipe | {"engine": engine}), gpus > 0)
    return min(speeds) * max(gpus, 1) if speeds else None


@cache
def _speeds(folder: Path, _changed: int, recipe: str, on_gpus: bool) -> list[float]:
    """Pictures per second and device of the epochs that one file of a folder tells of, the newest with that recipe."""
    files = [path for path in folder.glob("????-*.json") if not path.name.endswith(".recipe.json")]
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        trained_with = {"engine": USUAL_ENGINE} | json.loads(path.with_suffix(".recipe.json").read_text())
        if trained_with | json.loads(recipe) == trained_with:
            return [
                epoch["train"]["images_per_second"] / len(epoch["devices"])
                for epoch in epochs_until(json.loads(path.read_text()))
                if on_gpus != epoch["devices"][0].startswith("cpu")
            ]
    return []
