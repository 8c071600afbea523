"""Write a submission: a category for every product of the test catalog, in the catalog's order.

The steps are those of postprocessing/steps.py; pictures are labelled after the mean over the ensemble's models. A
product without a picture that decodes takes the most frequent category.

In: the test index and its rejects, the list of predicted pictures and their probabilities (shards in order), the index
of the known (training) products, classes.csv. Out: .csv.gz with _id and category_id.

Example:
    python scripts/write_submission.py --index index/test.parquet --rejects index/test.rejects.csv \
        --images images/test.parquet --known index/train.parquet --classes classes.csv --picture-md5 unique \
        --product-md5 on --probabilities ensemble/0000.npy ensemble/0001.npy --output submission.csv.gz
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import NO_CLASS, written_categories
from catalog.ids import from_cell, numbers_of
from catalog.tables import zipped
from postprocessing import answered, steps


def check_sample(sample: Path, products: pd.Series) -> None:
    """Compare the products with those of a sample submission.

    Raises:
        cli.UserError: a product is missing or too many, or there are none; names it.
    """
    try:
        cells = pd.read_csv(sample, usecols=["_id"], dtype=str, keep_default_na=False)._id
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise cli.UserError(f"{sample}: no column _id: {reason}; mend or remove it") from error
    if (cells.str.strip() == "").any():
        raise cli.UserError(f"{sample}: an _id is empty; mend or remove it")
    known = set(products.index)
    wanted = pd.Series([from_cell(cell, known) for cell in cells])
    numbers = numbers_of(wanted.tolist())
    for extra, words in (
        (wanted[~np.isin(numbers, products.index)], "is not in the catalog"),
        (products[~products.index.isin(numbers)], "is not asked for"),
    ):
        if len(extra):
            raise cli.UserError(f"{sample}: product {extra.iloc[0]} {words} ({len(extra)} such products)")


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    asked = answered.read(args)
    index, known, ids = asked.index, asked.known, asked.ids
    if args.sample_submission:
        check_sample(args.sample_submission, ids)
    labelled, final = steps.scored()[-1], steps.names()[-1]
    is_known = asked.pictures.labels[labelled] != NO_CLASS
    products = asked.processing.categorize(index, asked.members, known, after=[labelled])
    categories = products.set_index("product_id")[final].reindex(ids.index, fill_value=known.most_frequent_category())
    submission = pd.DataFrame({"_id": ids, "category_id": written_categories(categories, asked.classes)})
    with cli.written_whole(args.output) as (output,):
        output.write_bytes(zipped(submission.to_csv(index=False).encode()))
    cli.summary(
        f"{len(submission)} products: {is_known.sum()} of {len(index)} pictures known,"
        f" {(products[final] != products[labelled]).sum()} products changed by what is known of products,"
        f" {len(submission) - len(products)} without pictures, in {time.monotonic() - start:.1f} s"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    answered.add_options(parser)
    parser.add_argument("--sample-submission", type=Path, help="ids to check against")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
