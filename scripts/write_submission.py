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
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import NO_CLASS, read_classes
from catalog.index import read_index
from postprocessing import steps
from postprocessing.means import Mean
from postprocessing.pictures import Members
from postprocessing.products import most_frequent_category
from postprocessing.shards import Shards


def all_products(index: pd.DataFrame, rejects: pd.DataFrame) -> np.ndarray:
    """Ids of the catalog's products in its order, rejected ones with a readable id among them."""
    indexed = index.drop_duplicates("doc_offset")[["doc_offset", "product_id"]]
    rejected = rejects.dropna(subset="product_id").rename(columns={"offset": "doc_offset"})
    both = pd.concat([indexed, rejected[indexed.columns]]).sort_values("doc_offset", kind="stable")
    return both.product_id.astype(np.int64).drop_duplicates().to_numpy()


def check_sample(sample: Path, product_ids: np.ndarray) -> None:
    """Compare the ids with those of a sample submission.

    Raises:
        cli.UserError: an id is missing or too many, or there are none; names it.
    """
    try:
        wanted = pd.read_csv(sample, usecols=["_id"], dtype=np.int64)._id.to_numpy()
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise cli.UserError(f"{sample}: no column _id of whole numbers: {reason}; mend or remove it") from error
    for ids, others, words in (
        (wanted, product_ids, "is not in the catalog"),
        (product_ids, wanted, "is not asked for"),
    ):
        extra = np.setdiff1d(ids, others)
        if len(extra):
            raise cli.UserError(f"{sample}: product {extra[0]} {words} ({len(extra)} such products)")


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    classes = read_classes(args.classes)
    index, known = read_index(args.index), read_index(args.known)
    images = read_index(args.images)
    product_ids = all_products(index, pd.read_csv(args.rejects))
    if args.sample_submission:
        check_sample(args.sample_submission, product_ids)
    processing = steps.PostProcessing(classes, steps.choices(args))
    pictures = processing.image_set(index, images, known)
    ensemble = Members([(pictures, Shards(args.probabilities, len(images), len(classes)))], Mean("arithmetic", [1.0]))
    labelled, final = steps.scored()[-1], steps.names()[-1]
    products = processing.categorize(index, ensemble, known, after=[labelled])
    categories = products.set_index("product_id")[final]
    submission = categories.reindex(product_ids, fill_value=most_frequent_category(known))
    with cli.written_whole(args.output) as (output,):
        output.write_bytes(zipped(submission.rename("category_id").rename_axis("_id").to_csv().encode()))
    cli.summary(
        f"{len(submission)} products: {(pictures.labels[labelled] != NO_CLASS).sum()} of {len(index)} pictures known,"
        f" {(products[final] != products[labelled]).sum()} products changed by what is known of products,"
        f" {len(submission) - len(products)} without pictures, in {time.monotonic() - start:.1f} s"
    )


def zipped(content: bytes) -> bytes:
    """A .gz without time and name, so that equal submissions are equal files.

    zlib writes the same header under every Python; what the module gzip says of the system depends on its version.
    """
    return zlib.compress(content, level=9, wbits=zlib.MAX_WBITS | 16)


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--known", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    steps.add_options(parser)
    parser.add_argument("--sample-submission", type=Path, help="ids to check against")
    parser.add_argument("--probabilities", type=Path, nargs="+", required=True, help="shards in order")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
