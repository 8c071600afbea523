"""Write the products whose answers are not accepted, the most doubtful first: as a table, and as a page with pictures.

The page holds everything that it shows, so it works without a network and can be sent on. Products come into it a
screen at a time, and its pictures are small. It takes MOST products; the table has all.

In: the answers with what is accepted, classes.csv, the products' catalog and its index. Out: .csv and .html.

Example:
    python scripts/write_review.py --answers answers.parquet --classes classes.csv --catalog new.bson \
        --index index/batch-new.parquet --csv review.csv --page review.html
"""

import argparse
import base64
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import jinja2
import numpy as np
import pandas as pd

import cli
from catalog.classes import full_names, read_classes
from catalog.ids import number_in
from catalog.index import read_index
from catalog.pictures import iter_pictures
from loading.pixels import decoded

MOST = 10_000  # products of a page
PICTURES = 3  # of a product, at most
SIDE = 112  # pixels of a picture's longer edge
QUALITY = 60  # of WebP: a picture takes about 2 kB
TEMPLATE = Path(__file__).with_name("figures") / "review.html"


def for_review(answers: pd.DataFrame) -> pd.DataFrame:
    """The answers that are not accepted, the most doubtful first."""
    return (
        answers[answers.accepted == ""].sort_values("probability", kind="stable").drop(columns=["accepted", "answer"])
    )


def with_names(review: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The table with the name of each of the best categories before its probability.

    Args:
        names: by category id as text.
    """
    table = review.copy()
    for number in best_numbers(review):
        column = table.columns.get_loc(f"probability_{number}")
        table.insert(column, f"name_{number}", table[f"category_{number}"].map(names).fillna(""))
    return table


def best_numbers(answers: pd.DataFrame) -> list[str]:
    return [name.rpartition("_")[2] for name in answers.columns if name.startswith("category_")]


def thumbnails(catalog: list[Path], index: pd.DataFrame, products: list[int]) -> dict[int, list[str]]:
    """The first pictures of products (their numbers), small, as the text of data URLs."""
    rows = index[index.product_id.isin(products)]
    rows = rows[rows.groupby("product_id").cumcount() < PICTURES]
    found: dict[int, list[str]] = {}
    with cli.progress(len(rows), "picture", "drawing") as bar:
        for product, picture in zip(rows.product_id.tolist(), iter_pictures(catalog, rows), strict=True):
            found.setdefault(product, []).append(thumbnail(decoded(picture)))
            bar.update(1)
    return found


def thumbnail(pixels: np.ndarray) -> str:
    """A picture (height, width, 3) RGB as WebP in base64, its longer edge SIDE pixels or fewer."""
    height, width, _ = pixels.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".webp", small[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return base64.b64encode(encoded).decode()


def shown(table: pd.DataFrame, pictures: dict[int, list[str]]) -> Iterator[dict]:
    """What the page knows of each product.

    Args:
        table: of with_names.
        pictures: of thumbnails.
    """
    numbers = best_numbers(table)
    for row in table.to_dict("records"):
        best = [
            [row[f"category_{number}"], row[f"name_{number}"], round(float(row[f"probability_{number}"]), 4)]
            for number in numbers
            if row[f"category_{number}"]
        ]
        yield {
            "product": str(row["product"]),
            "name": row.get("name", ""),
            "top": row["level1"],
            "by": row["decided_by"],
            "probability": round(float(row["probability"]), 4),
            "used": row["pictures_used"],
            "lost": row["pictures_not_decoded"],
            "best": best,
            "pictures": pictures.get(number_in(str(row["product"])), []),
        }


def page(name: str, products: list[dict], count: int, answered: int) -> str:
    """The page of some products for review, of count in all, of so many answered."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(TEMPLATE.name).render(
        name=name, products=products, count=count, answered=answered, side=SIDE
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--page", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    classes = read_classes(args.classes)
    full = full_names(classes)
    names = {str(each): full[number] for number, each in zip(classes.category_id, classes.category, strict=True)}
    answers = pd.read_parquet(args.answers)
    table = with_names(for_review(answers), names)
    on_page = table[:MOST]
    numbers = [number_in(str(product)) for product in on_page["product"]]
    index = read_index(args.index, ["product_id", "product_text", "image_offset", "image_size"])
    products = list(shown(on_page, thumbnails(args.catalog, index, numbers)))
    with cli.written_whole(args.csv, args.page) as (csv, html):
        table.to_csv(csv, index=False, float_format="%.4f")
        html.write_text(page(args.answers.stem, products, len(table), len(answers)), encoding="utf-8")
    cli.summary(f"{len(table)} of {len(answers)} products for review, {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    cli.run(main)
