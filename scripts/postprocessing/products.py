"""Product level: the mean over a product's pictures, and what a product without any takes."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from catalog.ids import numbers_of, written
from catalog.rejects import Reject
from postprocessing.scores import is_scored

PICTURES_PER_BLOCK = 4096  # of 5,270 classes in float32: 86 MB


def all_products(index: pd.DataFrame, rejects: list[Reject]) -> pd.Series:
    """The catalog's products in its order, with rejected ones that have an id: number -> id as people have it."""
    indexed = index.drop_duplicates("doc_offset")
    products = written(indexed, "product").set_axis(indexed.product_id)
    if rejected := {offset: product for offset, product, *_ in rejects if product is not None}:
        ids = [*rejected.values()]
        offsets = np.concatenate([indexed.doc_offset, [*rejected]])
        products = pd.concat([products, pd.Series(ids, numbers_of(ids))]).iloc[np.argsort(offsets, kind="stable")]
    return products[~products.index.duplicated()]


def product_starts(index: pd.DataFrame) -> np.ndarray:
    """The row where each product of an index starts; a product's rows lie together."""
    product_ids = index.product_id.to_numpy()
    return np.flatnonzero(np.r_[True, product_ids[1:] != product_ids[:-1]]) if len(index) else np.empty(0, np.int64)


def rows_of_products(index: pd.DataFrame, whole: pd.DataFrame) -> np.ndarray:
    """The place (int64) of each row's product among those of a whole index, which has all products of the first."""
    products = whole.product_id.to_numpy()[product_starts(whole)]
    order = np.argsort(products)
    return order[np.searchsorted(products, index.product_id.to_numpy(), sorter=order)]


def product_blocks(starts: np.ndarray, pictures: int) -> Iterator[tuple[slice, slice]]:
    """Cut products into blocks of about PICTURES_PER_BLOCK pictures: slices of products and of their pictures."""
    ends = np.append(starts[1:], pictures)
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + PICTURES_PER_BLOCK, side="right")))
        yield slice(first, last), slice(int(starts[first]), int(ends[last - 1]))
        first = last


def product_means(vectors: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mean (products, classes) over each product's pictures that have pixels; zeros where none has.

    Args:
        vectors: (pictures, classes) float32; rows of zeros are passed over.
        starts: the first picture of each product.
    """
    sums = np.add.reduceat(vectors, starts, axis=0)
    counts = np.add.reduceat(is_scored(vectors).astype(np.float32), starts)
    return sums / np.maximum(counts, 1)[:, None]


def best_classes(scores: np.ndarray, fallback: int) -> np.ndarray:
    """The class (int64) with the highest score of each product; the fallback where there is none."""
    return np.where(is_scored(scores), scores.argmax(axis=1), fallback)
