"""Weights of an ensemble's members and a temperature of each, learned from what they say of the right classes.

A member's probabilities are raised to 1 / temperature and normalized; the ensemble says their weighted mean. So one
that is more confident than it is right does not outvote the others. All is done by likelihoods: what a member, or a
mean of some, says of the right class of a product.
"""

import numpy as np

from postprocessing.means import SMALLEST_PROBABILITY

TEMPERATURES = tuple(2.0 ** (step / 8) for step in range(-8, 13))  # 0.5 to 2.83, each 9 % above the one before
PLAIN = TEMPERATURES.index(1.0)
ROUNDS, LEAST_CHANGE = 500, 1e-5
PRIOR_PRODUCTS = 100  # of those that members of several splits share: what equal members are worth against them
WORTH_OF_A_MEMBER = 1.0  # of the logarithm of the likelihood
FOLDS = 5


def folds_of(product_ids: np.ndarray) -> np.ndarray:
    """The fold (0..FOLDS-1) of each product by its number (int64), the same in whatever list it stands."""
    mixed = product_ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing
    return (mixed >> np.uint64(40)).astype(np.int64) % FOLDS


def best_temperature(likelihoods: np.ndarray) -> int:
    """The position in TEMPERATURES under which a member's likelihoods (products, temperatures) are largest."""
    if not len(likelihoods):
        return PLAIN
    return int(_log(likelihoods).sum(axis=0).argmax())


def shares(likelihoods: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """The weights of a mean, of sum 1, under which its likelihoods are largest.

    Expectation maximization of a mixture's weights, which has one optimum (Dempster, Laird and Rubin, Maximum
    Likelihood from Incomplete Data via the EM Algorithm, 1977).

    Args:
        likelihoods: (products, members).
        prior: products (at least one in all) by which each member counts besides; those alone where there are none.
    """
    likelihoods = np.maximum(likelihoods, SMALLEST_PROBABILITY)
    found = prior / prior.sum()
    for _ in range(ROUNDS):
        before = found
        explained = likelihoods * before
        counts = (explained / explained.sum(axis=1, keepdims=True)).sum(axis=0)
        found = (counts + prior) / (len(likelihoods) + prior.sum())
        if np.abs(found - before).max() < LEAST_CHANGE:
            break
    return found


def sparse_weights(likelihoods: np.ndarray) -> np.ndarray:
    """Weights (members,) of sum 1, of which those are 0 that are not worth their place.

    One after the other, the member goes that costs the least likelihood, as long as Akaike's criterion gains by it: the
    logarithm of the likelihood falls by less than 1, the worth of a number that is fitted (Akaike, A New Look at the
    Statistical Model Identification, 1974). Without products all stay, with equal weights.

    Args:
        likelihoods: (products, members).
    """
    count, members = likelihoods.shape
    kept = list(range(members))
    weights = _equal_at_first(likelihoods)
    while count and len(kept) > 1:
        now = _log_of_mean(likelihoods[:, kept], weights)
        rests = [[other for other in kept if other != member] for member in kept]
        fits = [_equal_at_first(likelihoods[:, rest]) for rest in rests]
        reached = [_log_of_mean(likelihoods[:, rest], fit) for rest, fit in zip(rests, fits, strict=True)]
        best = int(np.argmax(reached))
        if reached[best] + WORTH_OF_A_MEMBER < now:
            break
        kept, weights = rests[best], fits[best]
    found = np.zeros(members)
    found[kept] = weights
    return found


def _equal_at_first(likelihoods: np.ndarray) -> np.ndarray:
    return shares(likelihoods, np.full(likelihoods.shape[1], 1 / likelihoods.shape[1]))


def _log_of_mean(likelihoods: np.ndarray, weights: np.ndarray) -> float:
    return float(_log(likelihoods @ weights).sum())


def _log(likelihoods: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(likelihoods, SMALLEST_PROBABILITY), dtype=np.float64)
