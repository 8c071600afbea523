"""The published rules of post-processing, told again over documents, dictionaries and one picture at a time."""

import hashlib
from collections import Counter, defaultdict

import numpy as np


def md5(picture: bytes) -> bytes:
    return hashlib.md5(picture, usedforsecurity=False).digest()


def pictures_of(product: dict) -> list[bytes]:
    return [image["picture"] for image in product["imgs"]]


def picture_dictionary(known: list[dict]) -> dict[bytes, Counter]:
    """How often each picture has which category."""
    counters = defaultdict(Counter)
    for product in known:
        for picture in pictures_of(product):
            counters[md5(picture)][product["category_id"]] += 1
    return dict(counters)


def picture_label(counts: Counter, totals: Counter, mode: str) -> int | None:
    """The category that a picture's known copies give it."""
    if mode == "unique" and len(counts) == 1:
        return next(iter(counts))
    if mode == "majority" and counts:
        return max(counts, key=lambda category: (counts[category], totals[category], -category))
    return None


def product_dictionary(known: list[dict]) -> dict[frozenset, set[int]]:
    """The categories of the products with the same set of pictures."""
    categories = defaultdict(set)
    for product in known:
        categories[frozenset(map(md5, pictures_of(product)))].add(product["category_id"])
    return dict(categories)


def picture_vectors(
    product: dict, probabilities: dict[bytes, np.ndarray], known: list[dict], mode: str, category_ids: list[int]
) -> list[np.ndarray]:
    """A vector per picture of a product: its label, or what a network says (NaN where it did not decode)."""
    counters = picture_dictionary(known)
    totals = sum(counters.values(), Counter())
    vectors = []
    for digest in map(md5, pictures_of(product)):
        label = picture_label(counters.get(digest, Counter()), totals, mode)
        vectors.append(probabilities.get(digest) if label is None else np.equal(category_ids, label).astype(float))
    return vectors


def best_category(vectors: list[np.ndarray], category_ids: list[int], known: list[dict]) -> int:
    """The category with the highest sum over the pictures that decoded, else the most frequent one."""
    decoded = [vector for vector in vectors if not np.isnan(vector).any()]
    if not decoded:
        products = Counter(product["category_id"] for product in known)
        return min(products, key=lambda category: (-products[category], category))
    return category_ids[int(np.argmax(sum(decoded)))]


def overridden(product: dict, category: int, known: list[dict]) -> int:
    """The category of the known products with the same pictures, where they have exactly one."""
    categories = product_dictionary(known).get(frozenset(map(md5, pictures_of(product))), set())
    return next(iter(categories)) if len(categories) == 1 else category
