"""The published rules of post-processing, told again over documents, dictionaries and one picture at a time."""

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd


def md5(picture: bytes) -> bytes:
    return hashlib.md5(picture, usedforsecurity=False).digest()


def pictures_of(product: dict) -> list[bytes]:
    return [image["picture"] for image in product["imgs"]]


def picture_set(product: dict) -> frozenset[bytes]:
    return frozenset(map(md5, pictures_of(product)))


def by_picture(images: Path, probabilities: np.ndarray) -> dict[bytes, np.ndarray]:
    """MD5 -> vector of each picture of an image list, whose vectors are given in its order."""
    rows = pd.read_parquet(images)
    digests = [
        hi.to_bytes(8) + lo.to_bytes(8) for hi, lo in zip(rows.md5_hi.tolist(), rows.md5_lo.tolist(), strict=True)
    ]
    return dict(zip(digests, probabilities.astype(np.float64), strict=True))


class Rules:
    """What known products say of others.

    Args:
        known: documents with category_id.
        category_ids: in the order of classes.
        mode: of known pictures: unique, majority or off.
    """

    def __init__(self, known: list[dict], category_ids: list[int], mode: str):
        self.category_ids, self.mode = category_ids, mode
        self.pictures, self.sets = defaultdict(Counter), defaultdict(set)
        self.products = Counter(product["category_id"] for product in known)
        for product in known:
            self.sets[picture_set(product)].add(product["category_id"])
            for digest in map(md5, pictures_of(product)):
                self.pictures[digest][product["category_id"]] += 1
        self.totals = sum(self.pictures.values(), Counter())

    def picture_label(self, digest: bytes) -> int | None:
        """The category that a picture's known copies give it."""
        counts = self.pictures.get(digest, Counter())
        if self.mode == "unique" and len(counts) == 1:
            return next(iter(counts))
        if self.mode == "majority" and counts:
            return max(counts, key=lambda category: (counts[category], self.totals[category], -category))
        return None

    def picture_vectors(self, product: dict, probabilities: dict[bytes, np.ndarray]) -> list[np.ndarray]:
        """A vector per picture of a product: its label, or what a network says (zeros where it did not decode)."""
        vectors = []
        for digest in map(md5, pictures_of(product)):
            label = self.picture_label(digest)
            is_class = np.equal(self.category_ids, label).astype(float)
            vectors.append(probabilities[digest] if label is None else is_class)
        return vectors

    def best_category(self, vectors: list[np.ndarray]) -> int:
        """The category with the highest sum over the pictures that decoded, else the most frequent one."""
        decoded = [vector for vector in vectors if vector.any()]
        if not decoded:
            return min(self.products, key=lambda category: (-self.products[category], category))
        return self.category_ids[int(np.argmax(sum(decoded)))]

    def overridden(self, product: dict, category: int) -> int:
        """The category of the known products with the same pictures, where they have exactly one."""
        categories = self.sets.get(picture_set(product), set())
        return next(iter(categories)) if len(categories) == 1 else category
