"""Show the categories that an ensemble confuses most, with pictures of both.

In: the ensemble's evaluation, classes.csv, train.bson and its index. Out: an HTML page with its pictures inside.

Example:
    python scripts/show_confusions.py --evaluation evaluation/ensemble-14.json --classes classes.csv \
        --catalog catalog/train.bson --index index/train.parquet --output confusions.html
"""

import argparse
import base64
from html import escape
from pathlib import Path

import pandas as pd

import cli
from catalog.classes import read_classes
from catalog.index import read_index
from catalog.pictures import iter_pictures
from figures.evaluations import read_evaluations
from figures.pages import page

PAIRS = 12
EXAMPLES = 3  # pictures per category


def example_rows(index: pd.DataFrame, category_ids: set[int]) -> pd.DataFrame:
    """The first pictures of EXAMPLES products of each category; rows of the index."""
    chosen = index[index.category_id.isin(category_ids) & (index.image == 0)]
    return chosen.groupby("category_id").head(EXAMPLES)


def example_pictures(catalog: Path, rows: pd.DataFrame) -> dict[int, list[bytes]]:
    """JPEG bytes by category id."""
    pictures: dict[int, list[bytes]] = {}
    content = iter_pictures(catalog, *(rows[name].to_numpy() for name in ("doc_offset", "doc_size", "image")))
    for category, jpeg in zip(rows.category_id, content, strict=True):
        pictures.setdefault(category, []).append(jpeg)
    return pictures


def pair_row(pair: dict, names: dict[int, str], pictures: dict[int, list[bytes]]) -> str:
    """A table row: how many products, and both categories with their pictures."""
    cells = [
        f"<td class=text>{escape(names[category])}<br>{''.join(map(_image, pictures.get(category, [])))}</td>"
        for category in (pair["category_id"], pair["predicted_category_id"])
    ]
    return f"<tr><td>{pair['products']:,}</td>{''.join(cells)}</tr>"


def _image(jpeg: bytes) -> str:
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    [(name, evaluation)] = read_evaluations([args.evaluation]).items()
    pairs = evaluation.get("confused_pairs", [])[:PAIRS]
    classes = read_classes(args.classes)
    levels = classes[["level1", "level2", "level3"]].agg(" / ".join, axis=1)
    names = dict(zip(classes.category_id, levels, strict=True))
    category_ids = {pair[key] for pair in pairs for key in ("category_id", "predicted_category_id")}
    columns = ["category_id", "image", "doc_offset", "doc_size"]
    pictures = example_pictures(args.catalog, example_rows(read_index(args.index, columns), category_ids))
    head = "<tr><th>products</th><th class=text>category</th><th class=text>taken for</th></tr>"
    rows = "\n".join(pair_row(pair, names, pictures) for pair in pairs)
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(page(f"{name}: what is confused most", f"<table>\n{head}\n{rows}\n</table>"))
    cli.summary(f"{len(pairs)} pairs of categories shown in {args.output}")


if __name__ == "__main__":
    cli.run(main)
