"""Batches of records from MXNet's ImageRecordIter."""

import os
import weakref
from pathlib import Path

from engines.mxnet.library import mx
from training.recipe import Recipe
from workflow import recipes


def training_batches(records: Path, recipe: Recipe, epoch: int, threads: int) -> mx.io.DataIter:
    """Shuffled, augmented batches of one epoch; order and jitter follow from the recipe's seed and the epoch.

    The last batch is filled up from the first records. Where pictures are resized to more than they are cropped to,
    the crop is at random.
    """
    seed = (recipe.seed + epoch) % (1 << 31)
    hue, saturation, lightness = recipe.hsl
    return _iterator(
        records,
        recipe,
        threads,
        shuffle=True,
        seed=seed,
        seed_aug=seed,
        rand_crop=recipes.resize(recipe.image) > recipe.image["size"],
        rand_mirror=recipe.mirror,
        random_h=hue,
        random_s=saturation,
        random_l=lightness,
        round_batch=True,
    )


def validation_batches(records: Path, recipe: Recipe, threads: int) -> mx.io.DataIter:
    """All records once, in their order, cropped at the centre; what follows the last one is garbage."""
    return _iterator(records, recipe, threads, shuffle=False, round_batch=False)


def _iterator(records: Path, recipe: Recipe, threads: int, **options: object) -> mx.io.DataIter:
    image = recipe.image
    red, green, blue = image["mean"]
    red_deviation, green_deviation, blue_deviation = image.get("deviation", (1, 1, 1))
    folder = os.open(records.parent, os.O_PATH)
    path = Path("/proc/self/fd", str(folder), records.name)  # MXNet would divide a path at ; and #
    iterator = mx.io.ImageRecordIter(
        path_imgrec=str(path),
        path_imgidx=str(path.with_suffix(".idx")),
        data_shape=(3, image["size"], image["size"]),
        resize=recipes.resize(image),
        mean_r=red,
        mean_g=green,
        mean_b=blue,
        std_r=red_deviation,
        std_g=green_deviation,
        std_b=blue_deviation,
        scale=image["scale"],
        batch_size=recipe.batch_size,
        preprocess_threads=threads,
        verbose=False,
        **options,
    )
    weakref.finalize(iterator, os.close, folder)
    return iterator
