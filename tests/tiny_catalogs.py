"""Catalogs of a few products, built by the tests that need one."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd

import index_catalog
from catalog.index import write_index
from catalog.rejects import Reject


@functools.cache
def jpeg(number: int) -> bytes:
    """A small picture, another one for each number."""
    rng = np.random.default_rng(number)
    picture = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8), (36, 32), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80 + number % 3])[1].tobytes()


def draw(rng: np.random.Generator, height: int, width: int) -> bytes:
    """A picture of that size as a JPEG."""
    picture = cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def with_huge_sides(jpeg: bytes) -> bytes:
    """The JPEG with sides in its header that OpenCV refuses by an exception."""
    sides = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:sides] + b"\xff\xfe\xff\xfe" + jpeg[sides + 4 :]


def product(number: object, pictures: list[bytes], category_id: object = 10) -> dict:
    """The fields of a product's document."""
    category = {} if category_id is None else {"category_id": category_id}
    return {"_id": number, **category, "imgs": [{"picture": picture} for picture in pictures]}


def products(count: int, seed: int = 0) -> list[dict]:
    """Products of 1 to 4 pictures, of three categories, with copies inside and across categories."""
    rng = np.random.default_rng(seed)
    return [
        product(1 + 3 * number, [jpeg(int(n)) for n in rng.integers(0, 2 * count, 1 + rng.integers(4))],
                int(rng.choice([10, 20, 30])))
        for number in rng.permutation(count).tolist()
    ]  # fmt: skip


def write(path: Path, documents: list[dict | bytes]) -> Path:
    """Write a catalog of products' fields or raw bytes."""
    path.write_bytes(b"".join(part if isinstance(part, bytes) else bson.encode(part) for part in documents))
    return path


def answers_here(works: list) -> Iterator[bytes]:
    """In place of forks.answers_in_turn, where processes are not the point: to fork takes most of the time."""
    for work in itertools.cycle([work() for work in works]):
        try:
            yield next(work)
        except StopIteration:
            return


def index_of(
    path: Path, on_bad_product: str = "stop", processes: int = 1, with_categories: bool = True, **limits: float
) -> tuple[pd.DataFrame, list[Reject]]:
    """The index of a catalog, and what was left out."""
    options = index_catalog.Options(on_bad_product, with_categories)
    rows, rejects = index_catalog.index_catalog(path, options, processes, **limits)
    return rows.to_pandas(), rejects


def indexed(path: Path, on_bad_product: str = "stop", with_categories: bool | None = None) -> pd.DataFrame:
    """Index a catalog beside itself, as {name}.parquet, test.bson usually without categories; returns the index."""
    if with_categories is None:
        with_categories = path.stem != "test"
    rows, _ = index_catalog.index_catalog(path, index_catalog.Options(on_bad_product, with_categories), processes=1)
    write_index(rows, path.with_suffix(".parquet"))
    return rows.to_pandas()


def files_below(folder: Path) -> set[str]:
    """Names of all files of a folder, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
