"""What the benchmarks measure beside the programs of scripts/: catalogs, synthetic indexes and joins, probabilities.

A process of its own makes them, since the peak memory of a benchmark's process would count for those that it starts.

Example:
    python benchmarks/workloads.py catalog train.bson 1000000000 4700
    python benchmarks/workloads.py index synthetic.parquet 12400000
    python benchmarks/workloads.py index labelled.parquet 3100000 12400000
    python benchmarks/workloads.py join synthetic.parquet "known pictures" labelled.parquet
    python benchmarks/workloads.py probabilities M01.npy 10000
"""

import bisect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import bson
import cv2
import numpy as np

import generate_catalog
from catalog import copies, joins
from catalog.index import as_table, encoded_texts, read_columns, read_index, write_index
from catalog.known import read_known
from catalog.layout import ROW, TEXTS

CATEGORIES = 500
DRAWN_PICTURES = 300
DRAWN_SIZE = 9950  # bytes of a drawn picture, on average
SIDES = range(16, 1000)  # pixels
COPIES = 0.37
PICTURES_PER_PRODUCT = (0.52, 0.28, 0.13, 0.07)  # probabilities of 1 to 4: 1.75 on average
PUBLISHED_ROWS = 12_371_293
PUBLISHED_PRODUCTS = 7_069_896
PUBLISHED_CATEGORIES = 5270
DRAWN_AT_A_TIME = 4096  # products
ROWS_AT_A_TIME = 1000


def make_catalog(path: Path, size: int, picture_size: int = DRAWN_SIZE) -> None:
    """Write a catalog of about `size` bytes, of pictures of about `picture_size` bytes.

    They are a few drawn ones with a number behind their end.
    """
    rng = np.random.default_rng(1)
    leaves = generate_catalog.categories(rng)
    drawn = [generate_catalog.draw_picture(leaves[n % len(leaves)], rng) for n in range(DRAWN_PICTURES)]
    if picture_size != DRAWN_SIZE:
        side = bisect.bisect_left(SIDES, picture_size, key=lambda side: mean_size(drawn[::10], side))
        drawn = [with_sides(picture, SIDES[side]) for picture in drawn]
    product_id = pictures = written = 0
    with path.open("wb") as file:
        while written < size:
            counts = 1 + rng.choice(4, DRAWN_AT_A_TIME, p=PICTURES_PER_PRODUCT)
            is_copy = iter((rng.random(4 * DRAWN_AT_A_TIME) < COPIES).tolist())
            category_ids = (1000 + rng.integers(CATEGORIES, size=DRAWN_AT_A_TIME)).tolist()
            for count, category_id in zip(counts.tolist(), category_ids, strict=True):
                images = []
                for _ in range(count):
                    number = int(rng.integers(pictures)) if pictures and next(is_copy) else pictures
                    pictures = max(pictures, number + 1)
                    picture = drawn[number * 7919 % DRAWN_PICTURES] + number.to_bytes(8, "little")
                    images.append({"picture": picture})
                product_id += 1
                written += file.write(bson.encode({"_id": product_id, "category_id": category_id, "imgs": images}))


def mean_size(jpegs: list[bytes], side: int) -> float:
    """Bytes of these JPEGs with other sides, on average."""
    return sum(len(with_sides(jpeg, side)) for jpeg in jpegs) / len(jpegs)


def with_sides(jpeg: bytes, side: int) -> bytes:
    """A JPEG of other sides (pixels), but as much grain."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, generate_catalog.JPEG_QUALITY])[1].tobytes()


def synthetic_index(path: Path, rows: int, first: int = 0) -> None:
    """Write an index of random rows with the published shares of copies and of pictures per product.

    Its own products and pictures have numbers from `first` on; copies are of any picture with a smaller one.
    """
    rng = np.random.default_rng(1)
    products = rows * PUBLISHED_PRODUCTS // PUBLISHED_ROWS
    product = np.sort(np.r_[np.arange(products), rng.integers(products, size=rows - products)])
    begins = np.r_[True, product[1:] != product[:-1]]
    places = np.arange(rows)
    image = places - np.maximum.accumulate(np.where(begins, places, 0))
    is_copy = rng.random(rows) < COPIES
    picture = np.where(is_copy, rng.integers(first + rows, size=rows), first + places).astype(np.uint64)
    sizes = rng.integers(2000, 12000, rows)
    index = np.zeros(rows, ROW)
    index["product_id"], index["image"], index["image_size"] = first + product, image, sizes
    index["category_id"] = rng.integers(PUBLISHED_CATEGORIES, size=products)[product]
    index["doc_offset"], index["doc_size"], index["image_offset"] = product * 12_000, 12_000, product * 12_000 + 100
    index["md5_hi"], index["md5_lo"] = (picture * np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F))
    write_index(as_table(index, {name: [encoded_texts(None, rows)] for name in TEXTS}), path)


def join(path: Path, name: str, labelled: Path) -> None:
    """Find the first copies of an index, or label another one by it, reading included."""
    if name == "first copies":
        copies.first_copies(read_columns(path, copies.MD5))
        return
    rule = {"known pictures": joins.single_categories, "product hashes": joins.known_product_categories}[name]
    index = read_index(labelled, ["product_id", *copies.MD5])
    rule(index, read_known([path], index))


def random_probabilities(path: Path, rows: int) -> None:
    """Write float16 (rows, classes), peaked as a network's: most are below the smallest normal number."""
    rng = np.random.default_rng(1)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, PUBLISHED_CATEGORIES))
    for start in range(0, rows, ROWS_AT_A_TIME):
        powers = np.exp(3 * rng.standard_normal(array[start : start + ROWS_AT_A_TIME].shape, np.float32))
        array[start : start + ROWS_AT_A_TIME] = powers / powers.sum(axis=1, keepdims=True)
    array.flush()


def main() -> None:
    work, path, value, *more = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    if work == "catalog":
        make_catalog(path, int(value), *map(int, more))
    elif work == "index":
        synthetic_index(path, int(value), *map(int, more))
    elif work == "probabilities":
        random_probabilities(path, int(value))
    else:
        join(path, value, *map(Path, more))


if __name__ == "__main__":
    main()
