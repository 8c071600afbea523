"""The products that an ensemble is measured on: those that none of its members, nor an ancestor, trained on."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from catalog.copies import MD5
from catalog.index import read_index
from catalog.known import Known, read_known
from postprocessing import steps
from postprocessing.learned import LEARNED, read_learned
from postprocessing.learning import folds_of
from postprocessing.means import Mean, add_mean_options, learned_mean, weights_of
from postprocessing.pictures import ImageSet, Members
from postprocessing.products import product_starts, rows_of_products
from postprocessing.shards import Shards

COLUMNS = ["product_id", "product_text", "category_id", "image", *MD5]  # of the valid parts


@dataclass(frozen=True)
class Splits:
    """What the splits of the members say of the measured products.

    Attributes:
        known: what the train part of each says, by its name.
        known_to_all: what the products say that every member trained on.
        images: the predicted pictures of each, by its name.
        valid: the index of the valid part of each, by its name.
    """

    known: dict[str, Known]
    known_to_all: Known
    images: dict[str, pd.DataFrame]
    valid: dict[str, Path]


def read_splits(paths: list[list[str]], index: pd.DataFrame) -> Splits:
    """Read what the splits say of the products of an index.

    Args:
        paths: of each split its name and the paths of its valid and train part and of its pictures.
    """
    trains = {name: Path(train) for name, _, train, _ in paths}
    known = {name: read_known([train], index) for name, train in trains.items()}
    to_all = read_known([*trains.values()], index) if len(trains) > 1 else next(iter(known.values()))
    valid = {name: Path(valid) for name, valid, *_ in paths}
    return Splits(known, to_all, {name: read_index(Path(images), MD5) for name, *_, images in paths}, valid)


@dataclass(frozen=True)
class Member:
    """The probabilities of a member: a row per predicted picture of its split, or per product of its valid part."""

    split: str
    shards: list[Path]
    of_products: bool

    def source(self, part: pd.DataFrame, splits: Splits, pictures: ImageSet, classes: int) -> tuple[ImageSet, Shards]:
        """How the pictures of a part of the valid products find its rows, and these."""
        if not self.of_products:
            return pictures, Shards(self.shards, len(splits.images[self.split]), classes)
        valid = read_index(splits.valid[self.split], ["product_id"])
        rows = rows_of_products(part, valid)
        return replace(pictures, rows=rows), Shards(self.shards, len(product_starts(valid)), classes)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that say what an ensemble is measured on, and how."""
    parser.add_argument(
        "--split", nargs=4, action="append", metavar=("NAME", "VALID", "TRAIN", "IMAGES"), required=True
    )
    parser.add_argument(
        "--ancestor-split", nargs=2, action="append", default=[], metavar=("NAME", "VALID"), help="of no member"
    )
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--member", nargs="+", action="append", default=[], metavar=("SPLIT", "SHARD"))
    parser.add_argument(
        "--product-member", nargs="+", action="append", default=[], metavar=("SPLIT", "SHARD"), help="a row per product"
    )
    add_mean_options(parser)
    steps.add_options(parser)


def members_of(options: argparse.Namespace) -> list[Member]:
    """The members of the ensemble, in the order of its weights."""
    return [
        Member(split, [Path(path) for path in paths], of_products)
        for given, of_products in ((options.member, False), (options.product_member, True))
        for split, *paths in given
    ]


def read_measured(options: argparse.Namespace) -> pd.DataFrame:
    """The index (COLUMNS) of the pictures of the products that are measured."""
    valid_parts = (read_index(Path(valid), COLUMNS) for _, valid, *_ in options.split)
    of_ancestors = (read_index(Path(valid), ["product_id"]) for _, valid in options.ancestor_split)
    return in_all([*valid_parts, *of_ancestors])


def in_all(valid_parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Pictures of the products that are in all valid parts, in the order of the first."""
    index, *others = valid_parts
    for other in others:
        index = index[index.product_id.isin(other.product_id)]
    return index.reset_index(drop=True)


def parts(
    index: pd.DataFrame,
    splits: Splits,
    members: list[Member],
    processing: steps.PostProcessing,
    args: argparse.Namespace,
) -> Iterator[tuple[pd.DataFrame, Members]]:
    """Yield the pictures of an index in parts, each with what an ensemble says of them.

    A mean that was learned is another one for each fold of products: that which was learned without them.

    Args:
        index: of read_measured.
        splits: of read_splits.
        members: of the ensemble, in their order.
        processing: the steps.
        args: of add_options.
    """

    def of_part(part: pd.DataFrame, mean: Mean, counting: list[int]) -> tuple[pd.DataFrame, Members]:
        chosen = [members[number] for number in counting]
        pictures = {
            name: processing.image_set(part, splits.images[name], splits.known[name])
            for name in dict.fromkeys(member.split for member in chosen)
        }
        classes = len(processing.classes)
        sources = [member.source(part, splits, pictures[member.split], classes) for member in chosen]
        return part, Members(sources, mean)

    if args.mean != LEARNED:
        everyone = list(range(len(members)))
        yield of_part(index, Mean(args.mean, weights_of(everyone, args.weights)), everyone)
        return
    folds = folds_of(index.product_id.to_numpy())
    for fold, combination in enumerate(read_learned(args.learned).folds):
        if (chosen := folds == fold).any():
            yield of_part(index[chosen].reset_index(drop=True), learned_mean(combination), combination.counting)
