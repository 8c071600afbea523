"""Draw a small product catalog in the published form, for the demo and the tests.

A product shows one thing: an outline (level 1) in a colour (level 2) with a pattern (level 3), on 1 to 4
pictures (180x180 JPEG). As published catalogs do, it has imbalanced categories, exact copies of pictures
across products and across train and test, some under several categories (a placeholder among them), and
products that are listed again under another id.

Out: train.bson, test.bson, category_names.csv and test_categories.csv (the test products' true categories)
in the output folder.

REVISION goes into every recipe: raise it when another catalog is drawn from the same numbers.

Example:
    python scripts/generate_catalog.py --train-products 800 --test-products 200 --seed 1 --output-folder demo
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bson
import cv2
import numpy as np
import pandas as pd

import cli

REVISION = 1

SIDE = 180  # pixels
JPEG_QUALITY = 85
NOISE = 8.0  # standard deviation of the grain, of 255
OUTLINES = ("CIRCLE", "SQUARE", "TRIANGLE", "CROSS")
COLOURS = {"RED": (0, 200, 200), "GREEN": (60, 200, 170), "BLUE": (115, 200, 200)}  # hue, saturation, value
PATTERNS = ("PLAIN", "STRIPED")
PICTURES_PER_PRODUCT = (0.55, 0.25, 0.12, 0.08)  # probabilities of 1 to 4
IMBALANCE = 0.8  # category k of n is drawn with weight (k + 1) ** -IMBALANCE
SHARED_PICTURE = 0.15  # products that also show a picture of an earlier product of their category
CONFLICTING_PICTURE = 0.03  # ... of any earlier product
PLACEHOLDER = 0.03  # products that also show the "no photo" picture
LISTED_AGAIN = 0.05  # products that repeat all pictures of an earlier product of their category


@dataclass(frozen=True)
class Category:
    """A leaf of the category tree."""

    id: int
    outline: str
    colour: str
    pattern: str


@dataclass(frozen=True)
class Product:
    """A product with its pictures as JPEG bytes."""

    id: int
    category: Category
    pictures: list[bytes]


def categories(rng: np.random.Generator) -> list[Category]:
    """All categories, sorted by names; ids are in another order, as published."""
    leaves = sorted(itertools.product(OUTLINES, COLOURS, PATTERNS))
    ids = 1_000_000_000 + 37 * rng.permutation(len(leaves))
    return [Category(int(number), *leaf) for number, leaf in zip(ids, leaves, strict=True)]


def draw_picture(category: Category, rng: np.random.Generator) -> bytes:
    """Draw a category's thing at a random place, size, angle and light; returns a JPEG."""
    light, dark = np.sort(rng.uniform(90, 250, 2))[::-1]
    ramp = np.linspace(light, dark, SIDE, dtype=np.float32)
    picture = np.repeat(np.repeat(ramp[:, None], SIDE, 1)[:, :, None], 3, 2)
    hue, saturation, value = COLOURS[category.colour]
    thing = np.array([[[hue + rng.integers(-8, 9), saturation, value]]])
    shift = np.array([0, *rng.integers(-50, 51, 2)])
    thing = np.clip(thing + shift, 0, (179, 255, 255)).astype(np.uint8)
    colour = cv2.cvtColor(thing, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = rng.uniform(0.38, 0.62, 2) * SIDE
    radius = rng.uniform(0.22, 0.36) * SIDE
    angle = rng.uniform(0, 2 * np.pi)
    _fill_outline(mask, category.outline, centre, radius, angle)
    if category.pattern == "STRIPED":
        positions = np.arange(SIDE) / (0.09 * SIDE)
        phase = positions[:, None] * np.cos(angle) + positions * np.sin(angle)
        mask[np.floor(phase).astype(int) % 2 == 0] //= 4
    opacity = mask[:, :, None].astype(np.float32) / 255
    grain = NOISE * rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
    picture = picture * (1 - opacity) + colour * opacity + grain
    return _encode(np.clip(picture, 0, 255).astype(np.uint8))


def _fill_outline(mask: np.ndarray, outline: str, centre: np.ndarray, radius: float, angle: float) -> None:
    if outline == "CIRCLE":
        cv2.circle(mask, centre.astype(int).tolist(), int(radius), 255, cv2.FILLED, cv2.LINE_AA)
        return
    arm = 1 / 3
    corners = {
        "SQUARE": [(1, 1), (1, -1), (-1, -1), (-1, 1)],
        "TRIANGLE": [(1, 0), (-0.7, 1), (-0.7, -1)],
        "CROSS": [
            *[(1, arm), (arm, arm), (arm, 1), (-arm, 1), (-arm, arm), (-1, arm)],
            *[(-1, -arm), (-arm, -arm), (-arm, -1), (arm, -1), (arm, -arm), (1, -arm)],
        ],
    }[outline]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array(corners) @ rotation * radius + centre
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255, cv2.LINE_AA)


def placeholder() -> bytes:
    """The picture of products without a photo."""
    picture = np.full((SIDE, SIDE, 3), 235, np.uint8)
    cv2.putText(picture, "no photo", (30, 97), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (120, 120, 120), 2, cv2.LINE_AA)
    return _encode(picture)


def _encode(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def products(count: int, leaves: list[Category], rng: np.random.Generator) -> Iterator[Product]:
    """Draw products in random order of categories; every category has at least one."""
    weights = (np.arange(len(leaves)) + 1.0) ** -IMBALANCE
    drawn = rng.choice(rng.permutation(len(leaves)), count, p=weights / weights.sum())
    drawn[: len(leaves)] = rng.permutation(len(leaves))[:count]
    ids = np.sort(rng.choice(20 * count, count, replace=False)) + 1
    earlier: list[Product] = []
    no_photo = placeholder()
    for number, leaf in zip(ids, drawn, strict=True):
        product = Product(int(number), leaves[leaf], _pictures(leaves[leaf], earlier, no_photo, rng))
        earlier.append(product)
        yield product


def _pictures(category: Category, earlier: list[Product], no_photo: bytes, rng: np.random.Generator) -> list[bytes]:
    alike = [product for product in earlier if product.category == category]
    if alike and rng.random() < LISTED_AGAIN:
        return alike[rng.integers(len(alike))].pictures
    count = 1 + rng.choice(len(PICTURES_PER_PRODUCT), p=PICTURES_PER_PRODUCT)
    pictures = [draw_picture(category, rng) for _ in range(count)]
    if alike and rng.random() < SHARED_PICTURE:
        pictures[-1] = alike[rng.integers(len(alike))].pictures[0]
    elif earlier and rng.random() < CONFLICTING_PICTURE:
        pictures[-1] = earlier[rng.integers(len(earlier))].pictures[0]
    elif count > 1 and rng.random() < PLACEHOLDER:
        pictures[-1] = no_photo
    return pictures


def document(product: Product, with_category: bool) -> bytes:
    """A product as a BSON document of the published form."""
    fields = {"_id": product.id}
    if with_category:
        fields["category_id"] = product.category.id
    fields["imgs"] = [{"picture": picture} for picture in product.pictures]
    return bson.encode(fields)


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--train-products", type=int, required=True)
    parser.add_argument("--test-products", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-folder", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    rng = np.random.default_rng(args.seed)
    leaves = categories(rng)
    total = args.train_products + args.test_products
    names = ("train.bson", "test.bson", "category_names.csv", "test_categories.csv")
    targets = [args.output_folder / name for name in names]
    with cli.written_whole(*targets) as (train_path, test_path, names_path, truth_path):
        # Train and test are drawn as one sequence and dealt at random, so that copies join the two.
        in_train = rng.permutation(total) < args.train_products
        truth = []
        with (
            train_path.open("wb") as train,
            test_path.open("wb") as test,
            cli.progress(total, "product", "drawing") as bar,
        ):
            for product, is_train in zip(products(total, leaves, rng), in_train, strict=True):
                (train if is_train else test).write(document(product, with_category=is_train))
                if not is_train:
                    truth.append((product.id, product.category.id))
                bar.update()
        levels = [(leaf.id, leaf.outline, leaf.colour, leaf.pattern) for leaf in leaves]
        level_names = [f"category_level{level}" for level in (1, 2, 3)]
        pd.DataFrame(levels, columns=["category_id", *level_names]).to_csv(names_path, index=False)
        pd.DataFrame(truth, columns=["_id", "category_id"]).to_csv(truth_path, index=False)
    seconds = time.monotonic() - start
    cli.summary(f"{total} products of {len(leaves)} categories drawn in {seconds:.1f} s to {args.output_folder}")


if __name__ == "__main__":
    cli.run(main)
