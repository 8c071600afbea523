"""Pictures of different categories that look the same to a network: pairs whose features point the same way.

A search of all pairs would take the square of a catalog. So a picture is compared with those of the NEAREST other
categories, by the directions of their mean features. Features are centred first: what all pictures of a catalog have
in common makes none alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from catalog.classes import NO_CLASS
from catalog.joins import NOT_FOUND, rows_of_pictures
from postprocessing.shards import Shards

LEAST_ALIKE = 0.9  # cosine; 1 is the same direction
NEAREST = 3  # categories that a picture is compared with
SEEKERS, COMPARED = 4096, 32768  # pictures at a time


def lookalikes(index: pd.DataFrame, listed: pd.DataFrame, features: Shards) -> pd.DataFrame:
    """The picture of each product that is most like one of another category, where they are alike enough.

    Pictures that products of several categories have are left out: they are copies.

    Args:
        index: product_id, category_id, image and MD5 of pictures.
        listed: the pictures that have features, in their order.
        features: of these; zeros of one without pixels.

    Returns:
        product_id, category_id and image of a picture; like_product_id, like_image and suggested_category_id of the one
        that it is most like; similarity, the cosine of their features.
    """
    rows = index.assign(row=rows_of_pictures(index, listed))
    rows = rows[rows.row != NOT_FOUND]
    rows = rows[rows.groupby("row").category_id.transform("nunique") == 1].drop_duplicates("row")
    categories, codes = np.unique(rows.category_id, return_inverse=True)
    of_listed = np.full(len(listed), NO_CLASS)
    of_listed[rows.row] = codes
    similarity, twin = most_alike(features, of_listed, len(categories))
    found = rows.assign(similarity=similarity[rows.row], twin=twin[rows.row])
    found = found[found.similarity >= LEAST_ALIKE].sort_values("similarity", ascending=False, kind="stable")
    found = found.drop_duplicates("product_id")
    twins = rows.set_index("row").loc[found.twin]
    names = {"product_id": "like_product_id", "image": "like_image", "category_id": "suggested_category_id"}
    likes = {like: twins[name].to_numpy() for name, like in names.items()}
    columns = ["product_id", "category_id", "image", "similarity", *likes]
    return found.assign(**likes)[columns].reset_index(drop=True)


def most_alike(features: Shards, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The cosine (float32) of each picture with that of another category which is most like it, and which that is.

    One of the two pictures has the other's category among its NEAREST; -1 and NOT_FOUND where there is none.

    Args:
        features: rows of all pictures.
        classes: the class of each picture, NO_CLASS of those that are left out.
        count: of classes.
    """
    space = Space.of(features, classes, count)
    near = nearest_classes(space, classes)
    has_pixels = (near != NO_CLASS).any(axis=1)
    best, twin = np.full(len(classes), -1, np.float32), np.full(len(classes), NOT_FOUND)
    for number in range(count):
        members = np.flatnonzero(has_pixels & (classes == number))
        seekers = np.flatnonzero((near == number).any(axis=1))
        for compared in _blocks(members, COMPARED):
            directions = space.directions(compared).T
            for seeking in _blocks(seekers, SEEKERS):
                cosines = space.directions(seeking) @ directions
                for rows, others, found in ((seeking, compared, cosines), (compared, seeking, cosines.T)):
                    places = found.argmax(axis=1)
                    highest = np.take_along_axis(found, places[:, None], axis=1)[:, 0]
                    is_better = highest > best[rows]
                    best[rows[is_better]] = highest[is_better]
                    twin[rows[is_better]] = others[places[is_better]]
    return best, twin


@dataclass(frozen=True)
class Space:
    """Features as directions from their mean.

    Attributes:
        features: as they lie.
        mean: of all pictures, (columns) float32.
        of_classes: the direction of each class's mean, (classes, columns) float32; zeros of a class without pictures.
    """

    features: Shards
    mean: np.ndarray
    of_classes: np.ndarray

    @classmethod
    def of(cls, features: Shards, classes: np.ndarray, count: int) -> "Space":
        sums = np.zeros((count, features.columns))
        counts = np.zeros(count)
        for rows in _blocks(np.flatnonzero(classes != NO_CLASS), SEEKERS):
            read = features.read(rows)
            has_pixels = read.any(axis=1)
            np.add.at(sums, classes[rows[has_pixels]], read[has_pixels])
            counts += np.bincount(classes[rows[has_pixels]], minlength=count)
        mean = sums.sum(axis=0) / max(counts.sum(), 1)
        of_classes = (sums / np.maximum(counts, 1)[:, None] - mean) * (counts > 0)[:, None]
        return cls(features, mean.astype(np.float32), _directed(of_classes.astype(np.float32)))

    def directions(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), columns) float32 of length 1; zeros of a picture without pixels."""
        read = self.features.read(rows)
        return _directed((read - self.mean) * read.any(axis=1, keepdims=True))


def nearest_classes(space: Space, classes: np.ndarray) -> np.ndarray:
    """The classes whose means point most the way of each picture, but its own: (pictures, NEAREST) int32.

    NO_CLASS of pictures that are left out or have no pixels.
    """
    width = min(NEAREST, len(space.of_classes) - 1)
    near = np.full((len(classes), width), NO_CLASS, np.int32)
    for rows in _blocks(np.flatnonzero(classes != NO_CLASS), SEEKERS):
        directions = space.directions(rows)
        cosines = directions @ space.of_classes.T
        cosines[np.arange(len(rows)), classes[rows]] = -np.inf
        has_pixels = directions.any(axis=1)
        near[rows[has_pixels]] = np.argsort(-cosines[has_pixels], axis=1, kind="stable")[:, :width]
    return near


def _directed(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
