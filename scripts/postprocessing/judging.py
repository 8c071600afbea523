"""What is said of products: a score for each category, the category that is taken, and what decided."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from catalog.classes import NO_CLASS, class_ids
from catalog.known import Known
from catalog.layout import NO_CATEGORY
from postprocessing import steps
from postprocessing.pictures import Members
from postprocessing.products import (
    best_classes,
    product_blocks,
    product_means,
    product_starts,
)
from postprocessing.scores import is_scored

NETWORKS, KNOWN_PICTURE, KNOWN_PRODUCT, NOTHING = "networks", "known picture", "known product", "nothing"
DECIDED_BY = (NETWORKS, KNOWN_PICTURE, KNOWN_PRODUCT, NOTHING)


@dataclass(frozen=True)
class Judged:
    """Some products.

    Attributes:
        positions: their places (int64) among all products, in the index's order.
        scores: (products, classes) float32, the mean over a product's pictures after they were labelled; zeros where
            none has pixels.
        classes: the class (int64) that each takes: by what is known of products, else the best score's, else the most
            frequent one.
        decided_by: what decided, as positions (int8) in DECIDED_BY: a known picture where the class taken is the label
            of one.
        pictures: how many pictures (int64) the scores are a mean of.
    """

    positions: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    decided_by: np.ndarray
    pictures: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> "Judged":
        """Those that are chosen (bool)."""
        parts = (self.positions, self.scores, self.classes, self.decided_by, self.pictures)
        return Judged(*(part[chosen] for part in parts))

    def is_decided_by(self, name: str) -> np.ndarray:
        return self.decided_by == DECIDED_BY.index(name)


def judge(processing: steps.PostProcessing, index: pd.DataFrame, members: Members, known: Known) -> Iterator[Judged]:
    """Judge the products of an index, block by block.

    Args:
        processing: the steps.
        index: pictures, in the order of the members' image sets.
        members: what is said of the pictures.
        known: which labels products and has the most frequent category.
    """
    labelled, category_ids = steps.scored()[-1], processing.classes.category_id.to_numpy()
    starts = product_starts(index)
    labels = processing.product_labels(index, known).reindex(
        index.product_id.to_numpy()[starts], fill_value=NO_CATEGORY
    )
    label_classes = class_ids(labels.to_numpy(np.int64), category_ids)
    fallback = processing.fallback(known)
    for products, pictures in product_blocks(starts, len(index)):
        vectors = members.vectors(pictures, labelled)
        firsts = starts[products] - pictures.start
        scores = product_means(vectors, firsts)
        best = best_classes(scores, fallback)
        counts = np.add.reduceat(is_scored(vectors).astype(np.int64), firsts)
        decided_by = np.full(len(best), DECIDED_BY.index(NETWORKS), np.int8)
        decided_by[has_label(members, pictures, labelled, firsts, best)] = DECIDED_BY.index(KNOWN_PICTURE)
        decided_by[counts == 0] = DECIDED_BY.index(NOTHING)
        is_known = label_classes[products] != NO_CLASS
        decided_by[is_known] = DECIDED_BY.index(KNOWN_PRODUCT)
        classes = np.where(is_known, label_classes[products], best)
        yield Judged(np.arange(products.start, products.stop), scores, classes, decided_by, counts)


def has_label(members: Members, pictures: slice, step: str, firsts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Which products (bool) have a picture whose label, by any member's image set, is their class."""
    sizes = np.diff(firsts, append=pictures.stop - pictures.start)
    wanted = np.repeat(classes, sizes)
    is_label = np.zeros(len(wanted), bool)
    for image_set, _ in members.sources:
        is_label |= image_set.labels[step][pictures] == wanted
    return np.logical_or.reduceat(is_label, firsts)
