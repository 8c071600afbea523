"""Measure a model or an ensemble on products that none of its members trained on.

Each member was trained on one split and predicted that split's valid part. The products measured are those in the valid
parts of all the splits named; what counts as known are the train parts: of each member's own split for its pictures, of
all splits for whole products. A model is an ensemble of one.

In: for each split its name, the indexes of its valid and train part and the list of its predicted pictures; for each
member the name of its split and its shards; classes.csv. Out: JSON with accuracies before and after each step of
post-processing, by top-level category, the most confused pairs, and calibration; and a table with a row per measured
product: its category, and the one predicted after each step, so that what was measured on different products can be
compared on those that both have.

Example:
    python scripts/evaluate_predictions.py \
        --split 1 split/1/valid.parquet split/1/train.parquet images/valid-1.parquet \
        --member 1 probabilities/valid-1/M09/0000.npy --member 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --mean arithmetic --picture-md5 unique --product-md5 on --output evaluation.json \
        --products evaluation.parquet
"""

import argparse
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids, first_levels, read_classes
from catalog.index import read_index
from postprocessing.means import combine, weights_of
from postprocessing.pictures import ImageSet, image_set, picture_vectors
from postprocessing.products import (
    best_classes,
    known_product_categories,
    most_frequent_category,
    product_blocks,
    product_means,
    product_starts,
)
from postprocessing.proportions import wilson_interval
from postprocessing.shards import Shards
from training.metrics import Metrics

CONFUSED_PAIRS = 20
CALIBRATION_BINS = 10
EXAMPLES = 4  # products that are named of each confused pair
STEPS = ("networks", "picture_md5", "product_md5")
PRODUCT_TYPES = {
    "product_id": "int64",
    "category_id": "int64",
    **dict.fromkeys(STEPS, "int64"),  # category ids, predicted
    "confidence": "float32",
}


@dataclass(frozen=True)
class Split:
    """A split's valid and train part as indexes, and its predicted pictures."""

    valid: pd.DataFrame
    train: pd.DataFrame
    images: pd.DataFrame


@dataclass(frozen=True)
class Predictions:
    """What the networks alone and the networks with known pictures say of each measured product.

    Attributes:
        networks: class by the networks alone (products,).
        with_labels: class with known pictures' labels (products,).
        confidence: score of with_labels (products,) float32; NaN where no picture decoded.
        pictures: top-1, top-5 and cross entropy of single pictures that decoded, by the networks alone.
    """

    networks: np.ndarray
    with_labels: np.ndarray
    confidence: np.ndarray
    pictures: dict[str, float]


def measured_pictures(splits: list[Split]) -> pd.DataFrame:
    """Pictures of the products that every split keeps for validation, in the first split's order."""
    index = splits[0].valid
    for split in splits[1:]:
        index = index[index.product_id.isin(split.valid.product_id)]
    return index.reset_index(drop=True)


def known_to_all(splits: list[Split]) -> pd.DataFrame:
    """Pictures of the products that every split trains on."""
    index = splits[0].train
    for split in splits[1:]:
        index = index[index.product_id.isin(split.train.product_id)]
    return index


def predict_products(
    truth: np.ndarray,
    starts: np.ndarray,
    members: list[tuple[ImageSet, Shards]],
    mean: str,
    weights: list[float],
    fallback: int,
) -> Predictions:
    """Predict the measured products with and without known pictures.

    Args:
        truth: class of each measured picture's product.
        starts: first picture of each product.
        members: pictures and probabilities of each member.
    """
    networks = np.empty(len(starts), np.int64)
    with_labels = np.empty(len(starts), np.int64)
    confidence = np.empty(len(starts), np.float32)
    metrics = Metrics()
    for products, chosen in product_blocks(starts, len(truth)):
        block_starts = starts[products] - chosen.start
        for use_labels in (False, True):
            vectors = [picture_vectors(pictures, shards, chosen, use_labels) for pictures, shards in members]
            combined = combine(vectors, mean, weights, np.empty((2, *vectors[0].shape), np.float32))
            scores = product_means(combined, block_starts)
            if use_labels:
                with_labels[products] = best_classes(scores, fallback)
                confidence[products] = scores.max(axis=1)
            else:
                networks[products] = best_classes(scores, fallback)
                decoded = ~np.isnan(combined[:, 0])
                metrics.add(combined[decoded], truth[chosen][decoded])
    return Predictions(networks, with_labels, confidence, metrics.means())


def accuracy(is_right: pd.Series) -> dict:
    """Accuracy of products with its 95 % interval."""
    return {"accuracy": float(is_right.mean()), "interval": wilson_interval(int(is_right.sum()), len(is_right))}


def steps(products: pd.DataFrame) -> dict[str, dict]:
    """Accuracy after each step, and how many products the step gave another category."""
    reached = {step: accuracy(products[step] == products.category_id) for step in STEPS}
    for before, step in itertools.pairwise(STEPS):
        reached[step]["changed_products"] = int((products[before] != products[step]).sum())
    return reached


def by_top_level(products: pd.DataFrame, classes: pd.DataFrame) -> list[dict]:
    """Products and accuracy of each top-level category, the largest first."""
    level1 = products.category_id.map(first_levels(classes))
    is_right = products.product_md5 == products.category_id
    grouped = is_right.groupby(level1).agg(["size", "mean"])
    return [
        {"level1": str(name), "products": int(row["size"]), "accuracy": float(row["mean"])}
        for name, row in grouped.sort_values("size", ascending=False).iterrows()
    ]


def confused_pairs(products: pd.DataFrame) -> list[dict]:
    """The pairs of true and predicted category that most products have, with the first EXAMPLES of these products."""
    wrong = products[products.product_md5 != products.category_id]
    pairs = wrong.groupby(["category_id", "product_md5"]).product_id.agg([len, list])
    return [
        {
            "category_id": int(category_id),
            "predicted_category_id": int(predicted),
            "products": int(pair["len"]),
            "product_ids": pair["list"][:EXAMPLES],
        }
        for (category_id, predicted), pair in pairs.nlargest(CONFUSED_PAIRS, "len").iterrows()
    ]


def calibration(products: pd.DataFrame) -> list[dict]:
    """Mean confidence and accuracy of products, known pictures labelled, by confidence in bins of equal width."""
    scored = products[products.confidence.notna()]
    is_right = scored.picture_md5 == scored.category_id
    bins = np.minimum((scored.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            "from": number / CALIBRATION_BINS,
            "to": (number + 1) / CALIBRATION_BINS,
            "products": int(chosen.sum()),
            "confidence": float(scored.confidence[chosen].mean()),
            "accuracy": float(is_right[chosen].mean()),
        }
        for number in range(CALIBRATION_BINS)
        if (chosen := bins == number).any()
    ]


def predict(
    index: pd.DataFrame,
    splits: dict[str, Split],
    members: list[tuple[str, list[Path]]],
    classes: pd.DataFrame,
    args: argparse.Namespace,
) -> tuple[pd.DataFrame, dict]:
    """PRODUCT_TYPES of the products of an index, predicted, and how well single pictures were predicted."""
    starts = product_starts(index)
    known = known_to_all(list(splits.values()))
    pictures = {
        name: image_set(index, split.images, split.train, classes, args.picture_md5) for name, split in splits.items()
    }
    opened = [(pictures[name], Shards(paths, len(splits[name].images), len(classes))) for name, paths in members]
    fallback = int(class_ids(np.array([most_frequent_category(known)]), classes)[0])
    truth = class_ids(index.category_id.to_numpy(), classes)
    predictions = predict_products(truth, starts, opened, args.mean, weights_of(members, args.weights), fallback)
    category_ids = classes.category_id.to_numpy()
    products = index.iloc[starts][["product_id", "category_id"]].reset_index(drop=True)
    products["networks"] = category_ids[predictions.networks]
    products["picture_md5"] = products["product_md5"] = category_ids[predictions.with_labels]
    if args.product_md5 == "on":
        of_known = products.product_id.map(known_product_categories(index, known))
        products["product_md5"] = of_known.fillna(products.picture_md5)
    products["confidence"] = predictions.confidence
    return products.astype(PRODUCT_TYPES), predictions.pictures


def evaluate(
    splits: dict[str, Split],
    members: list[tuple[str, list[Path]]],
    classes: pd.DataFrame,
    args: argparse.Namespace,
) -> tuple[dict, pd.DataFrame]:
    """Everything that is measured, ready for JSON, and PRODUCT_TYPES of each measured product."""
    index = measured_pictures(list(splits.values()))
    result = {
        "splits": list(splits),
        "members": len(members),
        "picture_md5": args.picture_md5,
        "product_md5": args.product_md5,
        "products": index.product_id.nunique(),
        "pictures": len(index),
    }
    if index.empty:
        note = "no product is in the valid part of every split; raise valid_fraction"
        return result | {"note": note}, pd.DataFrame(columns=list(PRODUCT_TYPES)).astype(PRODUCT_TYPES)
    products, pictures = predict(index, splits, members, classes, args)
    measured = {
        "picture": pictures,
        "steps": steps(products),
        **accuracy(products.product_md5 == products.category_id),
        "by_top_level": by_top_level(products, classes),
        "confused_pairs": confused_pairs(products),
        "calibration": calibration(products),
    }
    return result | measured, products


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    splits = {name: Split(*(read_index(Path(path)) for path in paths)) for name, *paths in args.split}
    members = [(name, [Path(path) for path in paths]) for name, *paths in args.member]
    result, products = evaluate(splits, members, read_classes(args.classes), args)
    with cli.written_whole(args.output, args.products) as (output, table):
        output.write_text(json.dumps(result, indent=1) + "\n")
        products.to_parquet(table, compression="zstd", index=False)
    reached = f"accuracy {result['accuracy']:.4f}" if result["products"] else result["note"]
    cli.summary(f"{len(members)} models, {result['products']} products: {reached}, {time.monotonic() - start:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--split", nargs=4, action="append", metavar=("NAME", "VALID", "TRAIN", "IMAGES"), required=True
    )
    parser.add_argument("--member", nargs="+", action="append", metavar=("SPLIT", "SHARD"), required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--mean", choices=("arithmetic", "geometric"), required=True)
    parser.add_argument("--weights", type=float, nargs="+", help="one per member; equal if absent")
    parser.add_argument("--picture-md5", choices=("unique", "majority", "off"), required=True)
    parser.add_argument("--product-md5", choices=("on", "off"), required=True)
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    parser.add_argument("--products", type=Path, required=True, help="Parquet")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
