"""Train a head: a small network that learns categories from the features of one model or several.

It learns from pictures, or from products: then from each product, by the mean of its pictures' features and the
logarithm of their number, and from each of its pictures as if it were a product of one. A tenth of the products
chooses how much weights are punished and when to stop. All that is random follows from the seed: on one machine, with
one number of threads, a head is the same to the last bit.

REVISION goes into the recipe of heads: raise it when results change.

In: the index of the products that it learns from, the list of their pictures, classes.csv, the shards of features of
each model. Out: .params with the layers and the scale of the columns, and .json: what the products kept aside said.

Example:
    python scripts/train_head.py --of products --hidden 0 --models F1 F2 --seed 1 --index split/1/train.parquet \
        --images images/train-1.parquet --classes classes.csv \
        --features features/train-1/F1/0000.npy features/train-1/F2/0000.npy --params H1.params --metrics H1.json
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids, read_categories
from catalog.copies import MD5
from catalog.index import read_index
from catalog.joins import rows_of_pictures
from heads import training
from heads.inputs import Features, Inputs, add_options
from heads.notes import notes
from heads.training import Lesson
from postprocessing.products import product_starts
from training import params_file

REVISION = 1

COLUMNS = ["product_id", "category_id", *MD5]  # of the index


def lesson(index: pd.DataFrame, pictures: np.ndarray, categories: np.ndarray, features: Features, of: str) -> Lesson:
    """What a head learns from the products of an index.

    Args:
        pictures: the listed picture (int64) of each row of the index.
        categories: the id (int64) of each class.
        of: products or pictures.
    """
    starts = product_starts(index)
    counts = np.diff(starts, append=len(index))
    products = np.repeat(np.arange(len(starts)), counts)
    labels = class_ids(index.category_id.to_numpy(), categories)
    singles = np.arange(len(index))
    if of == "pictures":
        return Lesson(Inputs(features, pictures, singles, False), labels, products, np.ones(len(index), bool))
    several = np.flatnonzero(counts > 1)
    # Product by product: its pictures one by one, then all of them.
    parts = np.concatenate([singles, np.flatnonzero(counts[products] > 1)])
    owners = np.concatenate([singles, len(index) + np.repeat(np.arange(len(several)), counts[several])])
    row_products = np.concatenate([products, several])
    order = np.argsort(row_products, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    by_row = np.argsort(place[owners], kind="stable")
    sizes = np.concatenate([np.ones(len(index), np.int64), counts[several]])[order]
    inputs = Inputs(features, pictures[parts[by_row]], np.cumsum(sizes) - sizes, True)
    is_whole = np.concatenate([counts[products] == 1, np.ones(len(several), bool)])[order]
    row_labels = np.concatenate([labels, labels[starts[several]]])[order]
    return Lesson(inputs, row_labels, row_products[order], is_whole)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    index, images = read_index(args.index, COLUMNS), read_index(args.images, MD5)
    categories = read_categories(args.classes)
    features = Features.open(args.features, len(args.models), len(images))
    pictures = rows_of_pictures(index, images)
    learned = lesson(index, pictures, categories, features, args.of)
    arrays, told = training.train(learned, len(categories), args.hidden, args.seed)
    seconds = time.monotonic() - start
    with cli.written_whole(args.params, args.metrics) as (params, metrics):
        params_file.write(params, arrays)
        metrics.write_text(cli.as_json(told | {"seconds": seconds}))
    judged = told["kept_aside"]
    reached = f", {judged['top1']:.1%} of {judged['products']} kept aside right" if judged else ""
    text = f"{told['products']} products{reached}, penalty {told['penalty']}, {seconds:.1f} s"
    cli.summary("; ".join([text, *notes(told)]))


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--hidden", type=int, required=True, help="units between two layers; 0: one layer")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
