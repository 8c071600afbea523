"""Picture level: the vector of a picture is its label where that is known, else the networks' probabilities."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import cli
from catalog.classes import class_ids
from catalog.joins import MD5, known_pictures
from postprocessing.shards import Shards

NONE = -1


@dataclass(frozen=True)
class ImageSet:
    """How the pictures of an index find their probabilities and labels.

    Attributes:
        rows: row of each picture in the list of predicted ones (int64), NONE where it was not predicted.
        labels: class of each picture that is known (int64), NONE for the others.
    """

    rows: np.ndarray
    labels: np.ndarray


def image_set(
    index: pd.DataFrame, images: pd.DataFrame, known: pd.DataFrame, classes: pd.DataFrame, picture_md5: str
) -> ImageSet:
    """Join the pictures of an index with the predicted ones and with the known ones, by MD5.

    Args:
        index: pictures of the image set.
        images: pictures in the order of their probabilities.
        known: index of the known products; none of them may be in the set.
        picture_md5: "unique" (known: all copies have one category), "majority" (the most frequent category) or
            "off" (none is known), as published.

    Raises:
        cli.UserError: a picture is neither predicted nor known.
        ValueError: a product of the set is among the known ones.
    """
    leaked = np.intersect1d(index.product_id, known.product_id)
    if len(leaked):
        raise ValueError(f"{len(leaked)} products of the image set are among the known ones, {leaked[0]} first")
    rows = _join(index, images[MD5].assign(value=np.arange(len(images))))
    labels = np.full(len(index), NONE)
    if picture_md5 != "off":
        labelled = known_pictures(known)
        if picture_md5 == "unique":
            labelled = labelled[labelled.categories == 1]
        numbers = class_ids(labelled.category_id.to_numpy(), classes)
        labels = _join(index, labelled[MD5].assign(value=numbers))
    missing = index[(rows == NONE) & (labels == NONE)]
    if len(missing):
        first = missing.iloc[0]
        raise cli.UserError(
            f"product {first.product_id}, picture {first.image}: neither predicted nor known ({len(missing)} such"
            " pictures); list and predict the pictures again"
        )
    return ImageSet(rows, labels)


def _join(index: pd.DataFrame, values: pd.DataFrame) -> np.ndarray:
    return index[MD5].merge(values, how="left", on=MD5).value.fillna(NONE).to_numpy(np.int64)


def picture_vectors(pictures: ImageSet, shards: Shards, chosen: slice, use_labels: bool) -> np.ndarray:
    """Vectors (pictures, classes) float32 of some pictures of a set; NaN where a picture did not decode.

    Args:
        chosen: which pictures.
        use_labels: one-hot vectors for known pictures; otherwise the networks' probabilities for all.
    """
    rows, labels = pictures.rows[chosen], pictures.labels[chosen]
    vectors = np.full((len(rows), shards.classes), np.nan, np.float32)
    is_known = (labels != NONE) & use_labels
    is_read = ~is_known & (rows != NONE)
    vectors[is_read] = shards.read(rows[is_read])
    vectors[is_known] = 0
    vectors[np.flatnonzero(is_known), labels[is_known]] = 1
    return vectors
