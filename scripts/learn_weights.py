"""Learn how much each member of an ensemble counts, and a temperature of each, on products that no member trained on.

Members whose splits, with those of their ancestors, are the same have valid products of their own: these decide their
temperatures and their weights among each other. How much each such group counts is decided by the products that all
members can be measured on, against equal members, which are worth PRIOR_PRODUCTS products: where splits share few
products, it stays close to that. Where, on the latter products, what was learned is right less often than the plain
mean or the best member, beyond noise, that is taken.

All is learned once from all products, and once more without each fold of them: whoever measures the ensemble takes, for
a product, what was learned without it.

In: for each split its name, the index of its valid part and the list of that part's predicted pictures (of splits that
ancestors alone trained on, the first two); for each member its name, its split and those of its ancestors, and its
shards; classes.csv. Out: JSON (postprocessing/learned.py).

REVISION goes into the recipe in place of the code, though the program is cheap: what it finds decides which predictions
an ensemble asks for, and these are not.

Example:
    python scripts/learn_weights.py --split 1 split/1/valid.parquet images/valid-1.parquet \
        --member M09 1 probabilities/valid-1/M09/0000.npy --member M13 1 probabilities/valid-1/M13/0000.npy \
        --classes classes.csv --output weights.json
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from postprocessing import learning
from postprocessing.learned import LEARNED, Combination, Learned
from postprocessing.learning import FOLDS, TEMPERATURES
from postprocessing.means import tempered
from postprocessing.products import product_blocks, product_means, product_starts
from postprocessing.proportions import paired_interval
from postprocessing.valid import Valid, add_options, read

REVISION = 2

MOST_PRODUCTS = 20_000  # that are looked at; more would not tell more
FEW_PRODUCTS = 200  # on fewer, weights follow from chance
PLAIN_MEAN, BEST_MEMBER = "plain mean", "best member"


@dataclass(frozen=True)
class Measured:
    """Products that some members can be measured on.

    Attributes:
        members: positions in the ensemble.
        index: of the products' pictures.
        folds: of each product.
        likelihoods: by member, what it says of each product's right class under each of TEMPERATURES.
    """

    members: list[int]
    index: pd.DataFrame
    folds: np.ndarray
    likelihoods: dict[int, np.ndarray]

    def rows(self, without: int | None) -> np.ndarray:
        """Which products (bool) are not in a fold; all of them for None."""
        return np.ones(len(self.folds), bool) if without is None else self.folds != without


def measured(valid: Valid, chosen: list[int]) -> Measured:
    """What members, by their positions, say of the products that they can be measured on."""
    members = [valid.members[number] for number in chosen]
    index = valid.common(members, MOST_PRODUCTS)
    truth = valid.classes(index)
    return Measured(
        chosen,
        index,
        learning.folds_of(index.product_id.unique()),
        {number: member.likelihoods(index, truth) for number, member in zip(chosen, members, strict=True)},
    )


def combine(groups: list[Measured], common: Measured, without: int | None, members: int) -> Combination:
    """The weights and temperatures that are likeliest, without the products of a fold."""
    weights, temperatures, mixtures, kept = np.zeros(members), np.full(members, 1.0), [], []
    for group in groups:
        rows = group.rows(without)
        chosen = {each: learning.best_temperature(group.likelihoods[each][rows]) for each in group.members}
        found = learning.sparse_weights(_columns(group, chosen)[rows])
        weights[group.members] = found
        temperatures[group.members] = [TEMPERATURES[each] for each in chosen.values()]
        mixtures.append(_columns(common, chosen)[common.rows(without)] @ found)
        kept.append(np.count_nonzero(found))
    prior = learning.PRIOR_PRODUCTS * np.array(kept) / sum(kept)
    for group, share in zip(groups, learning.shares(np.stack(mixtures, axis=1), prior), strict=True):
        weights[group.members] *= share
    return Combination(LEARNED, weights.tolist(), temperatures.tolist())


def _columns(measured: Measured, chosen: dict[int, int]) -> np.ndarray:
    """Likelihoods (products, members) of some members, each under its temperature's position."""
    return np.stack([measured.likelihoods[each][:, column] for each, column in chosen.items()], axis=1)


def plain_mean(members: int) -> Combination:
    return Combination(PLAIN_MEAN, [1 / members] * members, [1.0] * members)


def member_alone(number: int, members: int) -> Combination:
    return Combination(BEST_MEMBER, [float(each == number) for each in range(members)], [1.0] * members)


def right(valid: Valid, common: Measured, found: list[Combination]) -> np.ndarray:
    """Which products (combinations, products) combinations of all members are right on."""
    members, starts, truth = valid.members, product_starts(common.index), valid.classes(common.index)
    rows = [member.rows(common.index) for member in members]
    result = np.zeros((len(found), len(starts)), bool)
    several = [position for position, each in enumerate(found) if len(each.counting) > 1]
    for products, pictures in product_blocks(starts, len(common.index)):
        firsts = starts[products] - pictures.start
        classes = truth[pictures][firsts]
        scores = {position: np.zeros((len(firsts), len(valid.categories)), np.float32) for position in several}
        for number, member in enumerate(members):
            vectors = member.read(rows[number][pictures])
            asked = [(each, position) for position, each in enumerate(found) if each.weights[number]]
            for temperature in {each.temperatures[number] for each, _ in asked}:
                said = product_means(tempered(vectors.copy(), temperature), firsts)
                for each, position in asked:
                    if each.temperatures[number] != temperature:
                        continue
                    if position in scores:
                        scores[position] += np.float32(each.weights[number]) * said
                    else:
                        result[position, products] = said.argmax(axis=1) == classes
        for position, total in scores.items():
            result[position, products] = total.argmax(axis=1) == classes
    return result


def never_worse(
    learned: Combination, is_right: np.ndarray, others: list[tuple[Combination, np.ndarray]]
) -> Combination:
    """What was learned, or the best of the others, where that is right more often, beyond noise.

    Args:
        is_right: whether what was learned is right, on each product; the others stand with the same of theirs.
    """
    better = [
        (others_right.sum(), number)
        for number, (_, others_right) in enumerate(others)
        if paired_interval((is_right & ~others_right).sum(), (others_right & ~is_right).sum(), len(is_right))[1] < 0
    ]
    return others[max(better)[1]][0] if better else learned


def learn(valid: Valid) -> Learned:
    """Everything that is learned."""
    members = valid.members
    groups = [measured(valid, chosen) for chosen in valid.groups()]
    everyone = list(range(len(members)))
    common = groups[0] if len(groups) == 1 else measured(valid, everyone)
    fits = [combine(groups, common, without, len(members)) for without in (None, *range(FOLDS))]
    others = [plain_mean(len(members)), *(member_alone(number, len(members)) for number in everyone)]
    of_fits, of_others = np.split(right(valid, common, [*fits, *others]), [len(fits)])
    taken = [
        never_worse(fit, fit_right[rows], list(zip(others, of_others[:, rows], strict=True)))
        for fit, fit_right, rows in zip(fits, of_fits, map(common.rows, (None, *range(FOLDS))), strict=True)
    ]
    return Learned(
        [member.name for member in members],
        taken[0],
        taken[1:],
        [
            {"models": [members[number].name for number in group.members], "products": len(group.folds)}
            for group in groups
        ],
        len(common.folds),
        note(groups, common),
    )


def note(groups: list[Measured], common: Measured) -> str:
    """What to know of weights that few products decided; empty where there were enough."""
    fewest = min(len(group.folds) for group in groups)
    if fewest < FEW_PRODUCTS:
        return f"{fewest} valid products decided weights; on fewer than {FEW_PRODUCTS}, chance has a large part in them"
    if len(common.folds) < FEW_PRODUCTS:
        return (
            f"splits share {len(common.folds)} valid products: how much the members of each split count together stays"
            " close to their number"
        )
    return ""


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    valid = read(args)
    learned = learn(valid)
    with cli.written_whole(args.output) as (output,):
        output.write_text(learned.as_json())
    if learned.note:
        cli.warn(learned.note)
    found = learned.combination
    text = ", ".join(f"{learned.models[number]} {found.weights[number]:.2f}" for number in found.counting)
    cli.summary(
        f"{found.taken}: {text}; {len(found.counting)} of {len(valid.members)} count, {time.monotonic() - start:.1f} s"
    )


if __name__ == "__main__":
    cli.run(main)
