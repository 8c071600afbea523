"""Tabulate what how many networks give, and what they cost: the best subset of each size, beside all models.

Measured are products that no model nor an ancestor trained on, by the networks alone: the plain mean over a subset and
a product's pictures. Up to SEARCHED subsets of a size are all looked at, which is all pairs and triples of 14; else the
best subset of one model less gets another one. Which subset is best is found by the same products; so the table has,
besides, what subsets are right on that were found without a fold of the products, measured on that fold.

A network's cost is the device hours of its passes of a million pictures, mirrors included. They follow from the speed
that the model's last epoch was trained at, as estimates of prediction do.

In: as for learn_weights.py, of all models, and the metrics of their last epochs. Out: an HTML page.

Example:
    python scripts/rank_subsets.py --split 1 split/1/valid.parquet images/valid-1.parquet \
        --member M09 1 probabilities/valid-1/M09/0000.npy --member M13 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --last-epochs models/M09/0015.json models/M13/0013.json --output subsets.html
"""

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import cli
from costs.speeds import FORWARD_SPEEDUP, VIEWS
from figures.pages import page, paragraph, percent, table
from postprocessing.learning import FOLDS, folds_of
from postprocessing.products import product_blocks, product_means, product_starts
from postprocessing.proportions import wilson_interval
from postprocessing.valid import Valid, add_options, read

MOST_PRODUCTS = 2_000  # that are looked at: their scores by all models are held in memory
SEARCHED = 400  # subsets of a size
MILLION_IN_HOURS = 1e6 / 3600

Subset = tuple[int, ...]
Right = Callable[[Subset], np.ndarray]


def product_scores(valid: Valid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What models say of the products that all can be measured on.

    Returns:
        Scores (models, products, classes) float16; the right class (int64) and the fold (int64) of each product.
    """
    index = valid.common(valid.members, MOST_PRODUCTS)
    starts = product_starts(index)
    scores = np.empty((len(valid.members), len(starts), len(valid.categories)), np.float16)
    for number, member in enumerate(valid.members):
        rows = member.rows(index)
        for products, pictures in product_blocks(starts, len(index)):
            scores[number, products] = product_means(member.read(rows[pictures]), starts[products] - pictures.start)
    return scores, valid.classes(index)[starts], folds_of(index.product_id.to_numpy()[starts])


def rightness(scores: np.ndarray, truth: np.ndarray) -> Right:
    """A function of subsets that tells which products (bool) their plain mean is right on; looked at once each."""
    known: dict[Subset, np.ndarray] = {}

    def right(subset: Subset) -> np.ndarray:
        if subset not in known:
            total = np.zeros(scores.shape[1:], np.float32)
            for number in subset:
                total += scores[number]
            known[subset] = total.argmax(axis=1) == truth
        return known[subset]

    return right


def candidates(models: int, size: int, smaller: Subset) -> Iterable[Subset]:
    """The subsets of a size to look at: all, or those that a smaller one is part of."""
    if math.comb(models, size) <= SEARCHED:
        return itertools.combinations(range(models), size)
    return (tuple(sorted((*smaller, other))) for other in range(models) if other not in smaller)


def best_subsets(right: Right, costs: list[float], rows: np.ndarray) -> list[Subset]:
    """Of each size the subset that is right on most of some products; of equal ones the cheapest."""
    found: list[Subset] = [()]
    for size in range(1, len(costs) + 1):
        found.append(
            max(
                candidates(len(costs), size, found[-1]),
                key=lambda subset: (right(subset)[rows].sum(), -sum(costs[number] for number in subset)),
            )
        )
    return found[1:]


def subset_rows(names: list[str], right: Right, costs: list[float], folds: np.ndarray) -> list[dict[str, object]]:
    """A row per size: the best subset, what it reaches, what subsets that were found without a fold reach, the cost."""
    best = best_subsets(right, costs, np.ones(len(folds), bool))
    without = [best_subsets(right, costs, folds != fold) for fold in range(FOLDS)]
    rows = []
    for size, subset in enumerate(best, 1):
        crossed = sum(int(right(without[fold][size - 1])[folds == fold].sum()) for fold in range(FOLDS))
        low, high = wilson_interval(crossed, len(folds))
        rows.append(
            {
                "networks": size,
                "best subset": ", ".join(names[number] for number in subset),
                "of it, %": percent(float(right(subset).mean())),
                "found without the fold, %": percent(crossed / len(folds)),
                "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
                "device hours per million pictures": f"{sum(costs[number] for number in subset):,.2f}",
                "of all networks' hours, %": percent(sum(costs[number] for number in subset) / sum(costs)),
            }
        )
    return rows


def hours_of(metrics: Path) -> float:
    """Device hours for a million pictures and their mirrors, by the speed of a last epoch."""
    epoch = json.loads(metrics.read_text())
    speed = epoch["train"]["images_per_second"] * FORWARD_SPEEDUP / len(epoch["devices"])
    return VIEWS * MILLION_IN_HOURS / speed


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--last-epochs", type=Path, nargs="*", default=[], help="in the order of the members")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if not args.member:
        raise cli.UserError("config: models: none is trained, so there are no subsets to compare; give one phases")
    valid = read(args)
    names, costs = [member.name for member in valid.members], [hours_of(path) for path in args.last_epochs]
    scores, truth, folds = product_scores(valid)
    if len(folds):
        rows = subset_rows(names, rightness(scores, truth), costs, folds)
        text = (
            f"Products right by the networks alone, by the plain mean, on {len(folds):,} products that no model trained"
            " on. Which subset is best was found by these products, so its own figure is too high; the next column has"
            f" what was found without a {FOLDS}th of them, measured on that {FOLDS}th. Hours follow from the speed of"
            " training."
        )
        parts = [paragraph(text), table(rows, text_columns=2)]
    else:
        parts = [paragraph("No product is in the valid part of every split; raise the config key valid_fraction.")]
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(page("What how many networks give", *parts))
    cli.summary(f"{len(names)} models, {len(folds)} products: the best subsets are in {args.output}")


if __name__ == "__main__":
    cli.run(main)
