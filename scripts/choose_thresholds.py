"""Choose from which probability on answers are accepted, so that they keep a precision.

Thresholds are chosen level by level of the category tree, the deepest first (postprocessing/acceptance.py). What they
give is measured on products that did not choose them: fold by fold, by thresholds of the others.

In: the table of calibrate_answers.py. Out: JSON with the thresholds, and by level how many products are accepted and
how many of these are right.

Example:
    python scripts/choose_thresholds.py --products calibration.parquet --precision 0.98 --output thresholds.json
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from figures.answers import PROBABILITY, RIGHT, levels_of
from postprocessing import acceptance
from postprocessing.acceptance import NONE, Judgements
from postprocessing.proportions import wilson_interval


def judgements_of(products: pd.DataFrame) -> tuple[Judgements, np.ndarray]:
    """What is said of products, and which of that is right (products, levels)."""
    names = levels_of(products)
    probabilities, right = (
        products[[f"{name}{suffix}" for name in names]].to_numpy() for suffix in (PROBABILITY, RIGHT)
    )
    return Judgements(probabilities, products.top.to_numpy()), right


def given(products: pd.DataFrame, precision: float) -> list[dict]:
    """By level, what thresholds give on products that did not choose them."""
    judgements, right = judgements_of(products)
    accepted = np.full(len(products), NONE)
    folds = products.fold.to_numpy()
    for positions, accepting in acceptance.cross_fitted(judgements, right, folds, precision):
        accepted[positions] = accepting
    found = []
    for level, name in enumerate(levels_of(products)):
        chosen = accepted == level
        count, correct = int(chosen.sum()), int(right[chosen, level].sum())
        interval = wilson_interval(correct, count) if count else None
        found.append({"level": name, "accepted": count, "right": correct, "interval": interval})
    return found


def note(products: pd.DataFrame, precision: float, accepts_nothing: bool) -> str:
    """What to know where nothing is accepted; empty where something is."""
    if not accepts_nothing:
        return ""
    needed = acceptance.fewest_products(precision)
    if len(products) < needed:
        return (
            f"{len(products)} valid products are too few to promise a precision of {precision} ({needed}, all right):"
            " nothing is accepted; lower accept.precision, or raise valid_fraction"
        )
    return f"no threshold keeps a precision of {precision}: nothing is accepted; lower accept.precision"


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--products", type=Path, required=True)
    parser.add_argument("--precision", type=float, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    products = pd.read_parquet(args.products)
    judgements, right = judgements_of(products)
    thresholds = acceptance.choose(judgements, right, args.precision)
    names, told = levels_of(products), note(products, args.precision, thresholds.accept_nothing)
    found = {
        "precision": args.precision,
        "levels": names,
        "of_others": thresholds.of_others,
        "own": thresholds.own,
        "products": len(products),
        "given": given(products, args.precision),
        "note": told,
    }
    with cli.written_whole(args.output) as (output,):
        output.write_text(cli.as_json(found))
    if told:
        cli.warn(told)
    counts = ", ".join(f"{each['right']} of {each['accepted']} right at {each['level']}" for each in found["given"])
    cli.summary(f"{len(products)} products: {counts}")


if __name__ == "__main__":
    cli.run(main)
