"""How long heads learn. Plain numbers, as estimates of costs ask for them, too."""

import itertools
import math

BATCH = 512  # rows of a step
PASSES, FEWEST_STEPS = 3, 250  # over the rows, and steps where these are few
CHECKS = 5  # evenly over a training, the last one at its end
PENALTIES = (0.003, 0.001, 0.0003, 0.0001)  # of half the sum of the squared weights, beside the mean cross entropy
KEPT_ASIDE = 10  # of so many products one is kept aside to choose among them
CHOSEN_ON = 200_000  # products at most, kept-aside ones among them, that a penalty is chosen on


def steps(rows: int) -> int:
    """Steps of a training."""
    return max(math.ceil(PASSES * rows / BATCH), FEWEST_STEPS)


def widths(columns: int, hidden: int, classes: int) -> list[int]:
    """The columns before, between and after the layers; without hidden units there is one layer."""
    return [columns, *([hidden] if hidden else []), classes]


def values(widths: list[int]) -> int:
    """The numbers that layers between so many columns learn, biases left out."""
    return sum(before * after for before, after in itertools.pairwise(widths))


def operations(rows: int, products: int, widths: list[int]) -> float:
    """Multiplications and additions of the trainings of a head: those that choose a penalty, and that of all rows."""
    tried = rows * min(1.0, CHOSEN_ON / max(products, 1))
    trained = BATCH * (len(PENALTIES) * steps(round(tried)) + steps(rows))
    return 6.0 * trained * values(widths)
