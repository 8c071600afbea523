"""Predict class probabilities of one shard of an image set by a head, from the features of its models.

A head of pictures gives a row per listed picture of the shard. A head of products gives a row per product of the set,
in the order of its index, which is cut into shards alike; it sees the listed pictures of a product, and gives zeros
where none of these has pixels.

REVISION goes into the recipe of predictions: raise it when results change.

In: the head's .params, the index of the image set and its list of pictures, the shards of features of each model. Out:
.npy, float16, (rows of the shard, classes).

Example:
    python scripts/apply_head.py --of products --models F1 --head H1.params --index index/test.parquet \
        --images images/test.parquet --shard 0 --shards 1 --features features/test/F1/0000.npy --output 0000.npy
"""

import argparse
import time
from pathlib import Path

import numpy as np

import cli
from catalog.copies import MD5
from catalog.index import read_index
from catalog.joins import NOT_FOUND, rows_of_pictures
from heads import layers
from heads.inputs import Features, Inputs, add_options
from postprocessing.products import product_starts
from postprocessing.scores import NotFiniteError, check_finite
from postprocessing.shards import NewShard, shard_bounds
from training import params_file

REVISION = 1

BLOCK = 4096  # rows that are computed at once


def of_pictures(features: Features, pictures: int) -> tuple[Inputs, np.ndarray]:
    """Inputs of listed pictures, and the rows (int64) of the answers that they lead to."""
    rows = np.arange(pictures)
    return Inputs(features, rows, rows, False), rows


def of_products(features: Features, listed: np.ndarray, starts: np.ndarray) -> tuple[Inputs, np.ndarray]:
    """Inputs of the products that have a listed picture, and the rows (int64) of the answers that they lead to.

    Args:
        listed: the listed picture (int64) of each row of an index, NOT_FOUND where there is none.
        starts: the first row of each product.
    """
    products = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(listed)))
    is_found = listed != NOT_FOUND
    rows, first = np.unique(products[is_found], return_index=True)
    return Inputs(features, listed[is_found], first, True), rows


def probabilities(arrays: layers.Arrays, inputs: Inputs, chosen: slice) -> np.ndarray:
    """(count, classes) float32 of consecutive inputs; zeros where none of the pictures has pixels.

    Raises:
        NotFiniteError: a row is not finite.
    """
    rows, has_pixels = inputs.read(chosen.start, chosen.stop)
    weights = [array for name, array in arrays.items() if name.startswith("layer")]
    found = layers.probabilities(weights, (rows - arrays["mean"]) / arrays["deviation"])
    check_finite(found)
    found[~has_pixels] = 0
    return found


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    images = read_index(args.images, MD5)
    features = Features.open(args.features, len(args.models), len(images))
    if args.of == "pictures":
        count = len(images)
        inputs, rows = of_pictures(features, count)
    else:
        index = read_index(args.index, ["product_id", *MD5])
        starts = product_starts(index)
        count = len(starts)
        inputs, rows = of_products(features, rows_of_pictures(index, images), starts)
    arrays = params_file.read(args.head)
    if len(arrays["mean"]) != inputs.columns:
        raise cli.UserError(
            f"{args.head}: a head of {len(arrays['mean'])} columns, the features have {inputs.columns}; train it again"
        )
    first, stop = shard_bounds(count, args.shard, args.shards)
    classes = len(list(arrays.values())[-1])
    with (
        cli.written_whole(args.output) as (path,),
        path.open("wb", buffering=0) as output,
        cli.progress(stop - first, "row", "predicting") as bar,
    ):
        shard = NewShard(output, (stop - first, classes))
        for begin in range(first, stop, BLOCK):
            answers = np.zeros((min(BLOCK, stop - begin), classes), np.float16)
            seen = slice(*np.searchsorted(rows, [begin, begin + len(answers)]).tolist())
            if seen.start < seen.stop:
                try:
                    answers[rows[seen] - begin] = probabilities(arrays, inputs, seen)
                except NotFiniteError:
                    raise cli.UserError(f"{args.head}: probabilities that are not finite; train it again") from None
            shard.write(begin - first, answers)
            bar.update(len(answers))
    cli.summary(f"{stop - first} {args.of} in {time.monotonic() - start:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--head", type=Path, required=True, help="its .params")
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
