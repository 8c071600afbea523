"""List the pictures of an image set that need a forward pass: each distinct one, once, in the catalog's order.

A picture whose copies among the known products have exactly one category is not listed unless --picture-md5 is off:
its label is known. The modes unique and majority list the same pictures.

REVISION goes into the settings of predictions: raise it when other pictures or other columns are listed.

In: the index of the image set and of the known products. Out: a .parquet with md5_hi, md5_lo, product_id,
product_text, image, doc_offset, image_offset, image_size of each listed picture's first copy.

Example:
    python scripts/list_images.py --index index/test.parquet --known index/train.parquet --picture-md5 unique \
        --output images/test.parquet
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.copies import MD5, first_copies
from catalog.index import read_index
from catalog.joins import single_categories
from catalog.known import Known, read_known
from catalog.layout import NO_CATEGORY

REVISION = 3

COLUMNS = [*MD5, "product_id", "product_text", "image", "doc_offset", "image_offset", "image_size"]


def needs_forward_pass(index: pd.DataFrame, known: Known, picture_md5: str) -> np.ndarray:
    """Mark (bool) the rows of an index that are listed."""
    if picture_md5 == "off":
        return first_copies(index)
    # Of copies some may be labelled and others not: a product in both indexes is not among its own known ones.
    is_listed = single_categories(index, known) == NO_CATEGORY
    is_listed[is_listed] = first_copies(index[is_listed])
    return is_listed


def main() -> None:
    args = parse_args()
    index = read_index(args.index, COLUMNS)
    known = read_known([args.known], index)
    rows = index[needs_forward_pass(index, known, args.picture_md5)].reset_index(drop=True)
    with cli.written_whole(args.output) as (output,):
        rows[COLUMNS].to_parquet(output, index=False)
    saved = len(index) - len(rows)
    cli.summary(
        f"{len(index)} pictures need {len(rows)} forward passes: {saved} saved ({saved / len(index):.1%}),"
        f" {len(index) - first_copies(index).sum()} of them copies inside the set"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--known", type=Path, required=True)
    parser.add_argument("--picture-md5", choices=("unique", "majority", "off"), required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
