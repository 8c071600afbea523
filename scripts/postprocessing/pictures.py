"""Picture level: the vector of a picture is its label where it has one, else the networks' probabilities."""

from dataclasses import dataclass

import numpy as np

from catalog.classes import NO_CLASS
from catalog.joins import NOT_FOUND
from postprocessing.means import Mean, MemberNotFiniteError
from postprocessing.shards import Shards


@dataclass(frozen=True)
class ImageSet:
    """How the pictures of an index find their probabilities and labels.

    A member that says what products are has a row per product, which each picture of it finds: so it counts like a mean
    over pictures, and the label of a picture counts as much beside it.

    Attributes:
        rows: row of each picture in the list of predicted ones (int64), NOT_FOUND where it was not predicted.
        labels: by name of a step, the class that each picture's label has after it (int64), NO_CLASS for the others.
    """

    rows: np.ndarray
    labels: dict[str, np.ndarray]


@dataclass(frozen=True)
class Members:
    """What one model or several say of the pictures of an index. Each has labels of its own, since splits differ.

    Attributes:
        sources: pictures and probabilities of each.
        mean: over them.
    """

    sources: list[tuple[ImageSet, Shards]]
    mean: Mean

    def vectors(self, chosen: slice, step: str) -> np.ndarray:
        """Mean vectors (pictures, classes) float32 of some pictures, labelled by the steps up to the one named.

        Zeros where a picture has no pixels.

        Raises:
            cli.UserError: a probability is not finite.
        """
        vectors = (picture_vectors(pictures, shards, chosen, step) for pictures, shards in self.sources)
        shape = (chosen.stop - chosen.start, self.sources[0][1].columns)
        mean, spare = np.empty((2, *shape), np.float32)
        try:
            self.mean.write(vectors, mean, spare)
        except MemberNotFiniteError as fault:
            pictures, shards = self.sources[fault.member]
            raise shards.not_finite(int(pictures.rows[chosen.start + fault.row])) from None
        return mean


def picture_vectors(pictures: ImageSet, shards: Shards, chosen: slice, step: str) -> np.ndarray:
    """Vectors (pictures, classes) float32 of some pictures: one-hot for a label, else probabilities.

    Zeros where a picture has no pixels.
    """
    rows, labels = pictures.rows[chosen], pictures.labels[step][chosen]
    vectors = np.zeros((len(rows), shards.columns), np.float32)
    is_labelled = labels != NO_CLASS
    is_read = ~is_labelled & (rows != NOT_FOUND)
    vectors[is_read] = shards.read(rows[is_read])
    vectors[np.flatnonzero(is_labelled), labels[is_labelled]] = 1
    return vectors
