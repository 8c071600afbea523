"""What models say of products that they can be measured on: those that neither they nor their ancestors trained on."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from catalog.classes import class_ids, read_categories
from catalog.copies import MD5
from catalog.index import read_index
from catalog.joins import rows_of_pictures
from postprocessing.learning import TEMPERATURES
from postprocessing.means import tempered
from postprocessing.measured import in_all
from postprocessing.products import product_blocks, product_starts
from postprocessing.scores import NotFiniteError, is_scored
from postprocessing.shards import Shards


@dataclass(frozen=True)
class Member:
    """A model with the splits that it and its ancestors trained on, its own first, and its predicted pictures."""

    name: str
    splits: list[str]
    images: pd.DataFrame
    shards: Shards

    def rows(self, index: pd.DataFrame) -> np.ndarray:
        """The rows of its probabilities (int64) that the pictures of an index have."""
        return rows_of_pictures(index, self.images)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Its probabilities (rows, classes) float32.

        Raises:
            cli.UserError: one is not finite.
        """
        vectors = self.shards.read(rows)
        try:
            is_scored(vectors)
        except NotFiniteError as fault:
            raise self.shards.not_finite(int(rows[fault.row])) from None
        return vectors

    def likelihoods(self, index: pd.DataFrame, truth: np.ndarray) -> np.ndarray:
        """What it says of the right class of each product: (products, TEMPERATURES) float32.

        Args:
            truth: the class of each picture.
        """
        starts, rows = product_starts(index), self.rows(index)
        found = np.empty((len(starts), len(TEMPERATURES)), np.float32)
        for products, pictures in product_blocks(starts, len(index)):
            vectors = self.read(rows[pictures])
            firsts = starts[products] - pictures.start
            counts = np.add.reduceat(is_scored(vectors).astype(np.float32), firsts)
            right = truth[pictures, None]
            for column, temperature in enumerate(TEMPERATURES):
                of_right = np.take_along_axis(tempered(vectors.copy(), temperature), right, axis=1)[:, 0]
                found[products, column] = np.add.reduceat(of_right, firsts) / np.maximum(counts, 1)
        return found


@dataclass(frozen=True)
class Valid:
    """Models, and the valid parts of the splits that they and their ancestors trained on, as indexes by name."""

    members: list[Member]
    parts: dict[str, pd.DataFrame]
    categories: np.ndarray

    def groups(self) -> list[list[int]]:
        """The positions of the members with the same splits."""
        by_splits: dict[frozenset, list[int]] = {}
        for number, member in enumerate(self.members):
            by_splits.setdefault(frozenset(member.splits), []).append(number)
        return list(by_splits.values())

    def common(self, members: list[Member], most: int | None = None) -> pd.DataFrame:
        """The pictures of products that some members can be measured on: of so many products at most, evenly taken."""
        names = dict.fromkeys(split for member in members for split in member.splits)
        index = in_all([self.parts[name] for name in names])
        products = index.product_id.unique()
        if most is not None and len(products) > most:
            chosen = products[np.linspace(0, len(products) - 1, most).astype(np.int64)]
            index = index[index.product_id.isin(chosen)]
        return index.reset_index(drop=True)

    def classes(self, index: pd.DataFrame) -> np.ndarray:
        """The class (int64) of each picture of an index."""
        return class_ids(index.category_id.to_numpy(), self.categories)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that `read` takes."""
    parser.add_argument(
        "--split", nargs="+", action="append", default=[], metavar=("NAME", "VALID [IMAGES]"), help="with its index"
    )
    parser.add_argument("--member", nargs="+", action="append", default=[], metavar=("MODEL", "SPLIT[,SPLIT] SHARD"))
    parser.add_argument("--classes", type=Path, required=True)


def read(options: argparse.Namespace) -> Valid:
    """What the options name.

    Raises:
        cli.UserError: a file is missing or damaged, or they do not belong together.
    """
    categories = read_categories(options.classes)
    parts = {name: read_index(Path(path), ["product_id", "category_id", *MD5]) for name, path, *_ in options.split}
    images = {name: read_index(Path(path), MD5) for name, _, *paths in options.split for path in paths}
    members = []
    for name, splits, *paths in options.member:
        own, *_ = names = splits.split(",")
        shards = Shards([*map(Path, paths)], len(images[own]), len(categories))
        members.append(Member(name, names, images[own], shards))
    return Valid(members, parts, categories)
