"""Measure a model or an ensemble on products that none of its members, nor a model that one starts from, trained on.

Each member was trained on one split and predicted that split's valid part. The products measured are those that are in
the valid parts of all the splits named, also of those that ancestors alone trained on. Known pictures of a member are
those of its own split's train part; known products are those in the train parts of all members' splits. Each member's
pictures are labelled before the mean over members, since splits differ. A model is an ensemble of one.

In: for each split its name, the indexes of its valid and train part and the list of its predicted pictures; for each
split of ancestors its name and the index of its valid part; for each member the name of its split and its shards;
classes.csv. A member of products has a row per product of its split's valid part. Out: JSON with accuracies before and
after each step of post-processing, at each level of the category tree, by top-level category, the most confused pairs,
and calibration; and a table with a row per measured product: its category, and the one predicted after each step, so
that what was measured on different products can be compared on those that both have.

Example:
    python scripts/evaluate_predictions.py \
        --split 1 split/1/valid.parquet split/1/train.parquet images/valid-1.parquet \
        --member 1 probabilities/valid-1/M09/0000.npy --member 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --mean arithmetic --picture-md5 unique --product-md5 on --output evaluation.json \
        --products evaluation.parquet
"""

import argparse
import itertools
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids, first_levels, read_classes, written_categories
from catalog.ids import written
from postprocessing import levels, steps
from postprocessing.learned import LEARNED, read_learned
from postprocessing.measured import Member, Splits, add_options, members_of, parts, read_measured, read_splits
from postprocessing.pictures import Members
from postprocessing.proportions import wilson_interval
from postprocessing.scores import is_scored
from training.metrics import Metrics

CONFUSED_PAIRS = 20
CALIBRATION_BINS = 10
EXAMPLES = 4  # products that are named of each confused pair


def product_types() -> dict[str, str]:
    """The columns of the table of measured products; each step has that of the category predicted after it.

    In a catalog with ids that are no whole numbers, those of products or of categories are texts.
    """
    ids = ("product_id", "category_id", *steps.names())
    return dict.fromkeys(ids, "int64") | {"confidence": "float32"}


def accuracy(is_right: pd.Series) -> dict:
    """Accuracy of products with its 95 % interval."""
    return {"accuracy": float(is_right.mean()), "interval": wilson_interval(int(is_right.sum()), len(is_right))}


def after_steps(products: pd.DataFrame) -> dict[str, dict]:
    """Accuracy after each step, and how many products the step gave another category."""
    reached = {step: accuracy(products[step] == products.category_id) for step in steps.names()}
    for before, step in itertools.pairwise(steps.names()):
        reached[step]["changed_products"] = int((products[before] != products[step]).sum())
    return reached


def predicted(products: pd.DataFrame) -> pd.Series:
    """The category ids after the last step."""
    return products[steps.names()[-1]]


def by_level(products: pd.DataFrame, classes: pd.DataFrame) -> list[dict]:
    """At each level of the category tree, the number of categories measured, and accuracies after each step."""
    names, category_ids = ("category_id", *steps.names()), classes.category_id.to_numpy()
    found = {name: class_ids(products[name].to_numpy(), category_ids) for name in names}
    return [
        {
            "level": level,
            "categories": len(np.unique(node[found["category_id"]])),
            "steps": {step: levels.accuracies(node[found["category_id"]], node[found[step]]) for step in steps.names()},
        }
        for level, node in levels.nodes(classes).items()
    ]


def by_top_level(products: pd.DataFrame, classes: pd.DataFrame) -> list[dict]:
    """Products and accuracy of each top-level category, the largest first."""
    level1 = products.category_id.map(first_levels(classes))
    is_right = predicted(products) == products.category_id
    grouped = is_right.groupby(level1).agg(["size", "mean"])
    return [
        {"level1": str(name), "products": int(row["size"]), "accuracy": float(row["mean"])}
        for name, row in grouped.sort_values("size", ascending=False).iterrows()
    ]


def as_written(products: pd.DataFrame, index: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """The table of measured products with ids as people have them: texts where not all are whole numbers."""
    names = [name for name in product_types() if products[name].dtype == np.int64]
    columns = {name: written_categories(products[name], classes) for name in names}
    columns["product_id"] = written(index.drop_duplicates("product_id"), "product").reset_index(drop=True)
    return products.assign(**{name: ids if ids.dtype == np.int64 else ids.astype(str) for name, ids in columns.items()})


def confused_pairs(products: pd.DataFrame) -> list[dict]:
    """The pairs of true and predicted category that most products have, with the first EXAMPLES of these products."""
    wrong = products[predicted(products) != products.category_id]
    found = wrong.groupby(["category_id", predicted(wrong)]).product_id.agg(products="size", product_ids=list)
    pairs = found.nlargest(CONFUSED_PAIRS, "products").rename_axis(["category_id", "predicted_category_id"])
    return [pair | {"product_ids": pair["product_ids"][:EXAMPLES]} for pair in pairs.reset_index().to_dict("records")]


def calibration(products: pd.DataFrame) -> list[dict]:
    """Mean confidence and accuracy of products, pictures labelled, by confidence in bins of equal width."""
    scored = products[products.confidence > 0]
    is_right = scored[steps.scored()[-1]] == scored.category_id
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
    splits: Splits,
    members: list[Member],
    classes: pd.DataFrame,
    args: argparse.Namespace,
) -> tuple[pd.DataFrame, dict]:
    """product_types() of the products of an index, and how well the networks predict single pictures."""
    metrics, known = Metrics(), splits.known_to_all
    leaked = np.intersect1d(index.product_id, known.pictures.product_id)
    if len(leaked):
        raise ValueError(f"{len(leaked)} measured products are among the known ones, {leaked[0]} first")
    processing = steps.PostProcessing(classes, steps.choices(args))

    def of_part(part: pd.DataFrame, ensemble: Members) -> pd.DataFrame:
        truth = class_ids(part.category_id.to_numpy(), classes.category_id.to_numpy())

        def measure_pictures(step: str, block: slice, vectors: np.ndarray) -> None:
            if step == steps.NETWORKS:
                has_pixels = is_scored(vectors)
                if has_pixels.any():
                    metrics.add(vectors[has_pixels], truth[block][has_pixels])

        products = processing.categorize(part, ensemble, known, steps.scored(), measure_pictures)
        return products.assign(category_id=part.drop_duplicates("product_id").category_id.to_numpy())

    products = pd.concat([of_part(*part) for part in parts(index, splits, members, processing, args)])
    products = products.set_index("product_id").loc[index.product_id.unique()].reset_index()
    return products[list(product_types())].astype(product_types()), metrics.means()


def evaluate(
    index: pd.DataFrame,
    members: list[Member],
    classes: pd.DataFrame,
    args: argparse.Namespace,
) -> tuple[dict, pd.DataFrame]:
    """Everything that is measured, ready for JSON, and product_types() of each product of an index."""
    result = {
        "splits": [name for name, *_ in (*args.split, *args.ancestor_split)],
        "members": len(members),
        **steps.choices(args),
        **({"learned": asdict(read_learned(args.learned))} if args.mean == LEARNED else {}),
        "products": index.product_id.nunique(),
        "pictures": len(index),
    }
    if index.empty:
        note = "no product is in the valid part of every split that members or ancestors trained on"
        return result | {"note": f"{note}; raise valid_fraction"}, pd.DataFrame(columns=list(product_types())).astype(
            product_types()
        )
    products, pictures = predict(index, read_splits(args.split, index), members, classes, args)
    measured = {
        "picture": pictures,
        "steps": after_steps(products),
        **accuracy(predicted(products) == products.category_id),
        "by_level": by_level(products, classes),
        "by_top_level": by_top_level(products, classes),
        "calibration": calibration(products),
    }
    products = as_written(products, index, classes)
    return result | measured | {"confused_pairs": confused_pairs(products)}, products


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    members = members_of(args)
    index = read_measured(args)
    result, products = evaluate(index, members, read_classes(args.classes), args)
    with cli.written_whole(args.output, args.products) as (output, table):
        output.write_text(cli.as_json(result))
        products.to_parquet(table, compression="zstd", index=False)
    reached = f"accuracy {result['accuracy']:.4f}" if result["products"] else result["note"]
    cli.summary(f"{len(members)} models, {result['products']} products: {reached}, {time.monotonic() - start:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    parser.add_argument("--products", type=Path, required=True, help="Parquet")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
