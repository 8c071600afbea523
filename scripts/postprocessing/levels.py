"""The levels of the category tree: which categories are one at a level, and how many products are right there."""

import numpy as np
import pandas as pd

from catalog.classes import LEVELS

CATEGORY = "category"  # below all levels: two categories may have the same names


def nodes(classes: pd.DataFrame) -> dict[str, np.ndarray]:
    """By level, from the top down to CATEGORY, the node (int64) that each class lies in.

    Two classes lie in one node of a level if their names are the same down to it. A level is left out that has no
    names, or as many nodes as there are classes.

    Args:
        classes: as in classes.csv.
    """
    named = [depth for depth, level in enumerate(LEVELS, 1) if (classes[level] != "").any()]
    found = {LEVELS[depth - 1]: classes.groupby(LEVELS[:depth], sort=False).ngroup().to_numpy() for depth in named}
    inner = {level: node for level, node in found.items() if node.max() + 1 < len(classes)}
    return inner | {CATEGORY: np.arange(len(classes))}


def deepest_first(classes: pd.DataFrame) -> dict[str, np.ndarray]:
    """The levels of nodes() at which an answer says more than at the level above, CATEGORY first."""
    kept, count = {}, 1
    for level, node in nodes(classes).items():
        if level == CATEGORY or node.max() + 1 > count:
            kept[level], count = node, node.max() + 1
    return dict(reversed(kept.items()))


def best(probabilities: np.ndarray, classes: np.ndarray, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest node of a level for each product, and its probability: the sum over the classes in it.

    Args:
        probabilities: (products, classes).
        classes: the class that each product takes, which is the answer where each class is a node.
        node: of each class.
    """
    if node.max() + 1 == len(node):
        return node[classes], probabilities[np.arange(len(classes)), classes]
    order = np.argsort(node, kind="stable")
    starts = np.flatnonzero(np.diff(node[order], prepend=-1))
    sums = np.add.reduceat(probabilities[:, order], starts, axis=1)
    likeliest = sums.argmax(axis=1)
    return node[order][starts][likeliest], sums[np.arange(len(sums)), likeliest]


def accuracies(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The share of products that are right: of all (`accuracy`), and its mean over the true nodes (`macro`).

    Args:
        true: the node of each product, one at least; `predicted` the one that was predicted.
    """
    _, node, products = np.unique(true, return_inverse=True, return_counts=True)
    right = np.bincount(node, weights=true == predicted)
    return {"accuracy": float(right.sum() / len(true)), "macro": float((right / products).mean())}
