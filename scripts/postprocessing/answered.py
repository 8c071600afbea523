"""The products that are answered: those of the test catalog or of a batch, with what is known of their pictures."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from catalog.classes import read_classes
from catalog.copies import MD5
from catalog.index import read_index
from catalog.known import Known, read_known
from catalog.rejects import Reject, read_rejects
from postprocessing import steps
from postprocessing.pictures import ImageSet
from postprocessing.products import all_products

COLUMNS = ["product_id", "product_text", "doc_offset", "image", *MD5]  # of the index


@dataclass(frozen=True)
class Answered:
    """The products of a catalog.

    Attributes:
        classes: as in classes.csv.
        index: of their pictures.
        images: the predicted ones.
        known: what labels them.
        rejects: what the index lacks.
        ids: the products as people have them, by their numbers, in the catalog's order.
        processing: the steps.
    """

    classes: pd.DataFrame
    index: pd.DataFrame
    images: pd.DataFrame
    known: Known
    rejects: list[Reject]
    ids: pd.Series
    processing: steps.PostProcessing

    def pictures(self) -> ImageSet:
        """How the pictures find their probabilities and labels.

        Raises:
            cli.UserError: a picture is neither predicted nor labelled.
        """
        return self.processing.image_set(self.index, self.images, self.known)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that `read` takes."""
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--known", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    steps.add_options(parser)


def read(options: argparse.Namespace) -> Answered:
    """What the options name.

    Raises:
        cli.UserError: a file is missing or damaged.
    """
    classes = read_classes(options.classes)
    index, images = read_index(options.index, COLUMNS), read_index(options.images, MD5)
    known, rejects = read_known([options.known], index), read_rejects(options.rejects)
    return Answered(
        classes,
        index,
        images,
        known,
        rejects,
        all_products(index, rejects),
        steps.PostProcessing(classes, steps.choices(options)),
    )
