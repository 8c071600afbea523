"""Batches of records from MXNet's ImageRecordIter."""

from pathlib import Path

import cli
from mxnet_for_numpy2 import mx
from workflow import recipes


def record_count(records: Path) -> int:
    """Records of a .rec, by its .idx.

    Raises:
        cli.UserError: a file is missing, or there is no record.
    """
    offsets = records.with_suffix(".idx")
    for path in (records, offsets):
        if not path.is_file():
            raise cli.UserError(f"{path}: no such file; pack the records again with pack_records.py")
    with offsets.open("rb") as file:
        count = sum(1 for _ in file)
    if not count:
        raise cli.UserError(f"{records}: no records; choose a larger valid_fraction, or a dataset with fewer filters")
    return count


def training_batches(records: Path, recipe: dict, epoch: int, threads: int) -> mx.io.DataIter:
    """Shuffled, augmented batches of one epoch; order and jitter follow from the recipe's seed and the epoch.

    The last batch is filled up from the first records.

    Where pictures are resized to more than they are cropped to, the crop is at random.

    Raises:
        cli.UserError: there are fewer records than a batch holds.
    """
    count = record_count(records)
    if count < recipe["batch_size"]:
        raise cli.UserError(
            f"{records}: {count} records do not fill one batch of {recipe['batch_size']}; lower the model's batch_size"
        )
    seed = (recipe["seed"] + epoch) % (1 << 31)
    hue, saturation, lightness = recipe["hsl"]
    return mx.io.ImageRecordIter(
        **_common(records, recipe, threads),
        shuffle=True,
        seed=seed,
        seed_aug=seed,
        rand_crop=recipes.resize(recipe["image"]) > recipe["image"]["size"],
        rand_mirror=recipe["mirror"],
        random_h=hue,
        random_s=saturation,
        random_l=lightness,
        round_batch=True,
    )


def validation_batches(records: Path, recipe: dict, threads: int) -> mx.io.DataIter:
    """All records once, in their order, cropped at the centre; what follows the last one is garbage."""
    return mx.io.ImageRecordIter(**_common(records, recipe, threads), shuffle=False, round_batch=False)


def _common(records: Path, recipe: dict, threads: int) -> dict:
    image = recipe["image"]
    red, green, blue = image["mean"]
    return {
        "path_imgrec": str(records),
        "path_imgidx": str(records.with_suffix(".idx")),
        "data_shape": (3, image["size"], image["size"]),
        "resize": recipes.resize(image),
        "mean_r": red,
        "mean_g": green,
        "mean_b": blue,
        "scale": image["scale"],
        "batch_size": recipe["batch_size"],
        "preprocess_threads": threads,
        "verbose": False,
    }
