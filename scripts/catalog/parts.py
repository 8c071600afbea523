"""Which products of a catalog are in the train and which in the valid part of a split, and the index of each part.

The products are shuffled and sampled with Python's random in the published sequence of calls (recipes, 6.2), so a seed
picks the published products. With a group field, whole groups of products are drawn instead: those whose documents have
the same value in that field stay together.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

import cli
from catalog.files import Files
from catalog.ids import Written, first_written, written
from catalog.index import (
    as_frame,
    first_rows,
    index_writer,
    iter_index,
    numbers,
    selected,
    starts_document,
    with_numbers,
)
from catalog.layout import TEXTS
from catalog.published_random import PublishedRandom

PARTS = ("train", "valid")
COLUMNS = ["product_id", "category_id", "doc_offset", "doc_size", *TEXTS]  # of the index


class Split(NamedTuple):
    """Documents of a catalog, in its order, and which of them are in the valid part.

    Attributes:
        offsets, sizes: int64 and int32, bytes.
        is_valid: bool.
        in_words: how many products the parts have.
    """

    offsets: np.ndarray
    sizes: np.ndarray
    is_valid: np.ndarray
    in_words: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program the options that decide a split, and where it goes."""
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--valid-fraction", type=float, required=True)
    parser.add_argument("--fold", type=int, help="keep this one of the 1 / valid-fraction equal parts, from 1")
    parser.add_argument("--group-field", metavar="NAME", help="products with the same value stay together")
    parser.add_argument("--output-folder", type=Path, required=True)


def draw(catalog: Sequence[Path], options: argparse.Namespace) -> Split:
    """Draw a split by the options; warns of categories that no model can learn.

    Args:
        catalog: its dumps in order, which are read for the group field alone.

    Raises:
        cli.UserError: all products, or none, would be in the valid part, or one is of no group.
    """
    documents = first_rows(options.index, COLUMNS)
    product_ids, offsets, sizes = (numbers(documents, name) for name in ("product_id", "doc_offset", "doc_size"))
    kept_whole = ""
    drawn_by = (options.seed, options.valid_fraction, *([options.fold] if options.fold else []))
    if options.group_field:
        with Files(catalog) as files:
            groups = read_groups(files, documents, options.group_field)
        pick = fold_of_groups if options.fold else valid_groups
        picked = pick(product_ids.tolist(), groups, *drawn_by)
        kept_whole = f" in whole groups of {len(set(groups))} ({options.group_field})"
    else:
        picked = fold_of_products(product_ids, *drawn_by) if options.fold else valid_products(product_ids, *drawn_by)
    if not 0 < len(picked) < len(documents):
        raise cli.UserError(
            f"{options.index}: of {len(documents)} products a valid_fraction of {options.valid_fraction} picks"
            f" {len(picked)}{kept_whole}; change the config key valid_fraction"
        )
    is_valid = np.isin(product_ids, picked, assume_unique=True)
    if unlearnt := unlearnt_categories(documents, is_valid):
        categories = len(np.unique(numbers(documents, "category_id")))
        cli.warn(
            f"{Files(catalog)}: split {options.seed} has all products of {len(unlearnt)} of"
            f" {categories} categories in its valid part, so that its models cannot learn them:"
            f" {cli.some(unlearnt)}"
        )
    in_words = f"{len(documents) - len(picked)} train and {len(picked)} valid products{kept_whole}"
    return Split(offsets, sizes, is_valid, in_words)


def valid_products(product_ids: np.ndarray, seed: int, valid_fraction: float) -> np.ndarray:
    """The products of the valid part, by the published sequence of calls to Python's random."""
    generator = PublishedRandom(seed)
    shuffled = generator.shuffled(product_ids)
    return generator.sample(shuffled, int(len(shuffled) * valid_fraction))


def fold_of_products(product_ids: np.ndarray, seed: int, valid_fraction: float, fold: int) -> np.ndarray:
    """The products of a fold, from 1: one of round(1 / valid_fraction) parts of the shuffled products.

    Each product is in one fold; the folds' sizes differ by one product at most.
    """
    return np.array_split(PublishedRandom(seed).shuffled(product_ids), round(1 / valid_fraction))[fold - 1]


def fold_of_groups(
    product_ids: list[int], groups: list[Written], seed: int, valid_fraction: float, fold: int
) -> list[int]:
    """The products of a fold by whole groups: one after the other, in a random order, the next fold begins.

    Args:
        groups: each product's group.
    """
    folds, picked, before = round(1 / valid_fraction), [], 0
    for members in _shuffled_groups(product_ids, groups, seed):
        if before * folds // len(product_ids) == fold - 1:
            picked += members
        before += len(members)
    return picked


def valid_groups(product_ids: list[int], groups: list[Written], seed: int, valid_fraction: float) -> list[int]:
    """The products of the valid part by whole groups, in a random order, as long as they fit.

    Args:
        groups: each product's group.
    """
    picked: list[int] = []
    for members in _shuffled_groups(product_ids, groups, seed):
        if len(picked) + len(members) <= int(len(product_ids) * valid_fraction):
            picked += members
    return picked


def _shuffled_groups(product_ids: list[int], groups: list[Written], seed: int) -> list[list[int]]:
    """The products of each group, the groups in a random order."""
    members: dict[Written, list[int]] = {}
    for product_id, group in zip(product_ids, groups, strict=True):
        members.setdefault(group, []).append(product_id)
    in_order = list(members.values())
    return [in_order[position] for position in PublishedRandom(seed).shuffled(np.arange(len(in_order))).tolist()]


def read_groups(catalog: Files, documents: pa.Table, field: str) -> list[Written]:
    """What the documents (an index's first row of each) have in a field.

    Raises:
        cli.UserError: a document has no such field, or in it what could not be an id.
    """
    from catalog.documents import BadDocumentError, read_field  # noqa: PLC0415 - most splits read no document

    groups = []
    columns = (numbers(documents, name).tolist() for name in ("doc_offset", "doc_size"))
    for number, (offset, size) in enumerate(zip(*columns, strict=True)):
        try:
            groups.append(read_field(catalog.read(offset, size), field))
        except BadDocumentError as fault:
            path, place = catalog.place(offset)
            product = first_written(as_frame(documents.slice(number, 1)), "product")
            raise cli.UserError(
                f"{path}: byte {place}: product {product}: {fault};"
                " give each product one, or change the config key group_field"
            ) from None
    return groups


def unlearnt_categories(documents: pa.Table, is_valid: np.ndarray) -> list[Written]:
    """The categories all of whose products are in the valid part, by their numbers."""
    category_ids = numbers(documents, "category_id")
    unlearnt = np.setdiff1d(category_ids, category_ids[~is_valid])
    if not len(unlearnt):
        return []
    found = as_frame(selected(documents, np.isin(category_ids, unlearnt)))
    return written(found.drop_duplicates("category_id").sort_values("category_id"), "category").tolist()


def write_indexes(
    index: Path, is_valid: np.ndarray, train: Path, valid: Path, offsets: np.ndarray | None = None
) -> None:
    """Write the index of each part: its rows of the catalog's.

    Args:
        index: of the catalog.
        is_valid: whether (bool) each document is in the valid part.
        offsets: of each document (int64) in the file of its part, where it has one: the rows have these then.
    """
    document, last = -1, None
    with index_writer(train) as train_writer, index_writer(valid) as valid_writer:
        for rows in iter_index(index):
            before = numbers(rows, "doc_offset")
            documents = document + np.cumsum(starts_document(before, last))
            document, last = documents[-1], before[-1]
            if offsets is not None:
                in_part = offsets[documents]
                image_offsets = numbers(rows, "image_offset") + in_part - before
                rows = with_numbers(rows, {"doc_offset": in_part, "image_offset": image_offsets})  # noqa: PLW2901
            is_in_valid = is_valid[documents]
            train_writer.write_table(selected(rows, ~is_in_valid))
            valid_writer.write_table(selected(rows, is_in_valid))
