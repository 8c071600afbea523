"""The products that are answered: those of the test catalog or of a batch, with what is known of their pictures."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from catalog.classes import read_classes
from catalog.copies import MD5
from catalog.index import read_index
from catalog.known import Known, read_known
from catalog.rejects import Reject, read_rejects
from postprocessing import steps
from postprocessing.means import Mean, weights_of
from postprocessing.pictures import ImageSet, Members
from postprocessing.products import all_products, product_starts, rows_of_products
from postprocessing.shards import Shards

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
        pictures: how their pictures find what is said of them, and labels.
        members: what is said of them: the mean over members of pictures, and what each member of products says.
    """

    classes: pd.DataFrame
    index: pd.DataFrame
    images: pd.DataFrame
    known: Known
    rejects: list[Reject]
    ids: pd.Series
    processing: steps.PostProcessing
    pictures: ImageSet
    members: Members


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that `read` takes."""
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--known", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--probabilities", type=Path, nargs="+", help="shards in order, a row per listed picture")
    parser.add_argument(
        "--of-products",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        help="shards in order of a member that has a row per product",
    )
    parser.add_argument("--mean", choices=("arithmetic", "geometric"), default="arithmetic", help="over all of these")
    parser.add_argument("--weights", type=float, nargs="+", help="one for each; equal if absent")
    steps.add_options(parser)


def read(options: argparse.Namespace) -> Answered:
    """What the options name.

    Raises:
        cli.UserError: a file is missing or damaged, or a picture is neither predicted nor labelled.
    """
    classes = read_classes(options.classes)
    index, images = read_index(options.index, COLUMNS), read_index(options.images, MD5)
    known, rejects = read_known([options.known], index), read_rejects(options.rejects)
    processing = steps.PostProcessing(classes, steps.choices(options))
    pictures = processing.image_set(index, images, known)
    sources = [(pictures, Shards(options.probabilities, len(images), len(classes)))] if options.probabilities else []
    if options.of_products:
        by_product, products = replace(pictures, rows=rows_of_products(index, index)), product_starts(index)
        sources += [(by_product, Shards(paths, len(products), len(classes))) for paths in options.of_products]
    return Answered(
        classes,
        index,
        images,
        known,
        rejects,
        all_products(index, rejects),
        processing,
        pictures,
        Members(sources, Mean(options.mean, weights_of(sources, options.weights))),
    )
