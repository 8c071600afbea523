"""Calibrate the answers of an ensemble on products that none of its members, nor an ancestor, trained on.

A temperature is fitted to the scores of products that the networks decided; where a known picture or a known product
decided, the share that is right is counted (postprocessing/calibration.py). What is measured of a product is by a
calibration without its fold of products.

In: as of evaluate_predictions.py. Out: JSON with the calibration and the expected calibration error before and after; a
table with a row per product: its fold, what decided, the score before, its top-level category, and by level of the
category tree the probability of the best category there and whether that is right.

Example:
    python scripts/calibrate_answers.py \
        --split 1 split/1/valid.parquet split/1/train.parquet images/valid-1.parquet \
        --member 1 probabilities/valid-1/M09/0000.npy --member 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --mean arithmetic --picture-md5 unique --product-md5 on --output calibration.json \
        --products calibration.parquet
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids, first_levels, read_classes
from catalog.known import Known
from postprocessing import levels, steps
from postprocessing.calibration import FEWEST, Calibration, expected_error, fitted_temperature, share_right
from postprocessing.judging import DECIDED_BY, KNOWN_PICTURE, KNOWN_PRODUCT, NETWORKS, NOTHING, Judged, judge
from postprocessing.learning import FOLDS, folds_of
from postprocessing.measured import add_options, members_of, parts, read_measured, read_splits
from postprocessing.pictures import Members

MOST = 10_000  # products that a temperature is fitted on; more would not tell more


@dataclass(frozen=True)
class Valid:
    """The products of an evaluation, which can be judged again and again.

    Attributes:
        product_ids: of each.
        truth: the right class of each.
        processing: the steps.
        parts: of measured.parts.
        known: what the products say that every member trained on.
    """

    product_ids: np.ndarray
    truth: np.ndarray
    processing: steps.PostProcessing
    parts: list[tuple[pd.DataFrame, Members]]
    known: Known

    def judged(self) -> Iterator[Judged]:
        for index, members in self.parts:
            places = pd.Index(self.product_ids).get_indexer(index.product_id.unique())
            for judged in judge(self.processing, index, members, self.known):
                yield replace(judged, positions=places[judged.positions])


def valid_products(index: pd.DataFrame, classes: pd.DataFrame, args: argparse.Namespace) -> Valid:
    processing = steps.PostProcessing(classes, steps.choices(args))
    splits, products = read_splits(args.split, index), index.drop_duplicates("product_id")
    truth = class_ids(products.category_id.to_numpy(), classes.category_id.to_numpy())
    found = list(parts(index, splits, members_of(args), processing, args)) if len(index) else []
    return Valid(products.product_id.to_numpy(), truth, processing, found, splits.known_to_all)


def calibrations(valid: Valid, folds: np.ndarray) -> tuple[Calibration, list[Calibration]]:
    """That by all products, and for each fold that by all but its own.

    Args:
        folds: of the products.
    """
    every = -(-len(folds) // MOST)
    classes, decided_by = np.empty_like(valid.truth), np.empty(len(folds), np.int8)
    samples, scores = [], []
    for judged in valid.judged():
        classes[judged.positions], decided_by[judged.positions] = judged.classes, judged.decided_by
        is_sample = judged.is_decided_by(NETWORKS) & (judged.positions % every == 0)
        samples.append(judged.positions[is_sample])
        scores.append(judged.scores[is_sample])
    sampled, of_sampled = np.concatenate(samples), np.concatenate(scores)
    is_right = classes == valid.truth

    def fit(is_taken: np.ndarray) -> Calibration:
        chosen = is_taken[sampled]
        temperature = fitted_temperature(of_sampled[chosen], valid.truth[sampled[chosen]])
        shares = {
            name: share_right(is_right[is_taken & (decided_by == DECIDED_BY.index(name))])
            for name in (KNOWN_PICTURE, KNOWN_PRODUCT)
        }
        return Calibration(temperature, shares)

    return fit(np.ones(len(folds), bool)), [fit(folds != fold) for fold in range(FOLDS)]


def measured(valid: Valid, folds: np.ndarray, without: list[Calibration], classes: pd.DataFrame) -> pd.DataFrame:
    """A row per product: what is said of it by the calibration without its fold, and what of that is right."""
    nodes = levels.deepest_first(classes)
    columns = {
        "fold": folds,
        "decided_by": np.empty(len(folds), object),
        "score": np.empty(len(folds), np.float32),
        "top": np.empty(len(folds), object),
        **{f"{level}_probability": np.empty(len(folds), np.float32) for level in nodes},
        **{f"{level}_right": np.empty(len(folds), bool) for level in nodes},
    }
    tops = first_levels(classes).to_numpy()
    for block in valid.judged():
        for fold, calibration in enumerate(without):
            judged = block[folds[block.positions] == fold]
            if not len(judged.positions):
                continue
            rows, probabilities = judged.positions, calibration.probabilities(judged)
            columns["decided_by"][rows] = np.array(DECIDED_BY, object)[judged.decided_by]
            columns["score"][rows] = judged.scores[np.arange(len(rows)), judged.classes]
            columns["top"][rows] = tops[judged.classes]
            for level, node in nodes.items():
                best, sure = levels.best(probabilities, judged.classes, node)
                columns[f"{level}_probability"][rows] = sure
                columns[f"{level}_right"][rows] = best == node[valid.truth[rows]]
    return pd.DataFrame(columns)


def errors(products: pd.DataFrame) -> dict[str, float | None]:
    """The expected calibration error of scores before, and of probabilities after; None without products."""
    scored = products[products.decided_by != NOTHING]
    if scored.empty:
        return {"error_before": None, "error_after": None}
    right = scored[f"{levels.CATEGORY}_right"].to_numpy()
    return {
        "error_before": expected_error(scored.score.to_numpy(), right),
        "error_after": expected_error(scored[f"{levels.CATEGORY}_probability"].to_numpy(), right),
    }


def note(products: pd.DataFrame) -> str:
    """What to know where few products can be measured; empty where there are enough."""
    count = int((products.decided_by == NETWORKS).sum())
    if count >= FEWEST:
        return ""
    return (
        f"{count} valid products that the networks decide are too few for a temperature ({FEWEST}): probabilities are"
        " the scores as they are; a larger valid_fraction gives more"
    )


def calibrate(valid: Valid, classes: pd.DataFrame) -> tuple[dict, pd.DataFrame]:
    """The calibration and its errors, ready for JSON, and the table of products."""
    folds = folds_of(valid.product_ids)
    if len(folds):
        found, without = calibrations(valid, folds)
        products = measured(valid, folds, without, classes)
    else:
        nothing = share_right(np.empty(0, bool))
        found, products = Calibration(1.0, {KNOWN_PICTURE: nothing, KNOWN_PRODUCT: nothing}), empty_table(classes)
    return {**asdict(found), "products": len(products), **errors(products), "note": note(products)}, products


def empty_table(classes: pd.DataFrame) -> pd.DataFrame:
    names = levels.deepest_first(classes)
    columns = ["fold", "decided_by", "score", "top", *(f"{name}_probability" for name in names)]
    return pd.DataFrame({**{name: [] for name in columns}, **{f"{name}_right": np.empty(0, bool) for name in names}})


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    classes = read_classes(args.classes)
    index = read_measured(args)
    found, products = calibrate(valid_products(index, classes, args), classes)
    with cli.written_whole(args.output, args.products) as (output, table):
        output.write_text(cli.as_json(found))
        products.to_parquet(table, compression="zstd", index=False)
    if found["note"]:
        cli.warn(found["note"])
    before, after = (
        "none" if found[name] is None else f"{found[name]:.4f}" for name in ("error_before", "error_after")
    )
    cli.summary(
        f"{found['products']} products: temperature {found['temperature']:.3f}, expected calibration error {before}"
        f" before, {after} after, {time.monotonic() - start:.1f} s"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    parser.add_argument("--products", type=Path, required=True, help="Parquet")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
