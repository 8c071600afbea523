"""Measure a model or an ensemble on products that none of its members trained on.

Each member was trained on one split and predicted that split's valid part. The products measured are those in the valid
parts of all the splits named; what counts as known are the train parts: of each member's own split for its pictures, of
all splits for whole products. A model is an ensemble of one.

In: for each split its name, the indexes of its valid and train part and the list of its predicted pictures; for each
member the name of its split and its shards; classes.csv. Out: JSON with accuracies before and after each step of
post-processing, by top-level category, the most confused pairs, and calibration.

Example:
    python scripts/evaluate_predictions.py \
        --split 1 split/1/valid.parquet split/1/train.parquet images/valid-1.parquet \
        --member 1 probabilities/valid-1/M09/0000.npy --member 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --mean arithmetic --picture-md5 unique --product-md5 on --output evaluation.json
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids, read_classes
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
from postprocessing.shards import Shards
from training.metrics import Metrics

CONFUSED_PAIRS = 20
CALIBRATION_BINS = 10
Z_95 = 1.959964  # of the normal distribution


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


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, 1927)."""
    share = correct / count
    centre = share + Z_95**2 / (2 * count)
    spread = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    scale = 1 + Z_95**2 / count
    return (centre - spread) / scale, (centre + spread) / scale


def accuracy(predicted: np.ndarray, truth: np.ndarray) -> dict:
    """Accuracy of products with its 95 % interval."""
    correct = int((predicted == truth).sum())
    return {"accuracy": correct / len(truth), "interval": wilson_interval(correct, len(truth))}


def by_top_level(predicted: np.ndarray, truth: np.ndarray, classes: pd.DataFrame) -> list[dict]:
    """Products and accuracy of each top-level category."""
    frame = pd.DataFrame({"level1": classes.level1.to_numpy()[truth], "accuracy": predicted == truth})
    grouped = frame.groupby("level1").accuracy.agg(["size", "mean"])
    return [
        {"level1": str(name), "products": int(row["size"]), "accuracy": float(row["mean"])}
        for name, row in grouped.sort_values("size", ascending=False).iterrows()
    ]


def confused_pairs(predicted: np.ndarray, truth: np.ndarray, classes: pd.DataFrame) -> list[dict]:
    """The pairs of true and predicted category that most products have."""
    wrong = predicted != truth
    pairs = pd.DataFrame({"truth": truth[wrong], "predicted": predicted[wrong]}).value_counts().head(CONFUSED_PAIRS)
    category_ids = classes.category_id.to_numpy()
    return [
        {
            "category_id": int(category_ids[true]),
            "predicted_category_id": int(category_ids[guess]),
            "products": int(count),
        }
        for (true, guess), count in pairs.items()
    ]


def calibration(predictions: Predictions, truth: np.ndarray) -> list[dict]:
    """Mean confidence and accuracy of products by confidence, in bins of equal width."""
    scored = ~np.isnan(predictions.confidence)
    confidence = predictions.confidence[scored]
    is_right = (predictions.with_labels == truth)[scored]
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            "from": number / CALIBRATION_BINS,
            "to": (number + 1) / CALIBRATION_BINS,
            "products": int(chosen.sum()),
            "confidence": float(confidence[chosen].mean()),
            "accuracy": float(is_right[chosen].mean()),
        }
        for number in range(CALIBRATION_BINS)
        if (chosen := bins == number).any()
    ]


def evaluate(
    splits: dict[str, Split],
    members: list[tuple[str, list[Path]]],
    classes: pd.DataFrame,
    args: argparse.Namespace,
) -> dict:
    """Everything that is measured, ready for JSON."""
    index = measured_pictures(list(splits.values()))
    starts = product_starts(index)
    result = {"splits": list(splits), "members": len(members), "products": len(starts), "pictures": len(index)}
    if not len(starts):
        return result | {"note": "no product is in the valid part of every split; raise valid_fraction"}
    known = known_to_all(list(splits.values()))
    pictures = {
        name: image_set(index, split.images, split.train, classes, args.picture_md5) for name, split in splits.items()
    }
    opened = [(pictures[name], Shards(paths, len(splits[name].images), len(classes))) for name, paths in members]
    truth_of_pictures = class_ids(index.category_id.to_numpy(), classes)
    truth = truth_of_pictures[starts]
    fallback = int(class_ids(np.array([most_frequent_category(known)]), classes)[0])
    weights = weights_of(members, args.weights)
    predictions = predict_products(truth_of_pictures, starts, opened, args.mean, weights, fallback)
    final = predictions.with_labels.copy()
    if args.product_md5 == "on":
        overridden = known_product_categories(index, known)
        places = pd.Series(np.arange(len(starts)), index=index.product_id.to_numpy()[starts])[overridden.index]
        final[places] = class_ids(overridden.to_numpy(), classes)
    return result | {
        "picture": predictions.pictures,
        "steps": {
            "networks": accuracy(predictions.networks, truth),
            "picture_md5": accuracy(predictions.with_labels, truth)
            | {"changed_products": int((predictions.with_labels != predictions.networks).sum())},
            "product_md5": accuracy(final, truth) | {"changed_products": int((final != predictions.with_labels).sum())},
        },
        **accuracy(final, truth),
        "by_top_level": by_top_level(final, truth, classes),
        "confused_pairs": confused_pairs(final, truth, classes),
        "calibration": calibration(predictions, truth),
    }


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    splits = {name: Split(*(read_index(Path(path)) for path in paths)) for name, *paths in args.split}
    members = [(name, [Path(path) for path in paths]) for name, *paths in args.member]
    result = evaluate(splits, members, read_classes(args.classes), args)
    with cli.written_whole(args.output) as (output,):
        output.write_text(json.dumps(result, indent=1) + "\n")
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
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
