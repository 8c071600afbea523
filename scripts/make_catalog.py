"""Turn your own pictures into a catalog.

In: a folder tree, or a CSV with a row per picture. A tree is one of two:

    Fruits/Apples/Gala/basket-17/front.jpg    --folder-per-product: the picture's folder is the product, the one to
                                              three folders above it are its category
    Fruits/Apples/17.jpg                      --picture-per-product: every picture is a product, the one to three
                                              folders above it are its category

Which one it is follows from how many pictures and folders lie side by side, and is shown with examples before anything
is written; --test is read as --train is, unless its folders hold far more pictures. Either option decides for both
parts, or for `train` or `test` alone. Pictures directly in the test folder are a product each; the categories of a test
tree are ignored.

The CSV's columns are path (taken from the CSV's folder), product, category_level1 and, as wanted, category_level2,
category_level3 and group (a shop, a photographer: the config key `group_field: group` keeps its products together).
Levels that are not given repeat the last. --test-fraction draws the test products from --train.

Out, in the output folder: train.bson, test.bson and category_names.csv; products.csv, which product has which `_id`;
left_out.csv, every file that was not taken, with the reason; with --test-fraction also test_categories.csv, the drawn
products' categories, against which score_submission.py scores a submission. An `_id` follows from the product's name
alone, its path below the folder given or the column product: a name that is a number of up to 14 digits is the `_id`,
any other has 15 digits of its hash. A picture that is a JPEG of 180x180 goes in as it is; any other is turned upright,
cropped to the square at its centre, resized and encoded anew, with white where it is transparent.

Example:
    python scripts/make_catalog.py --train photos --test-fraction 0.1 --output-folder catalog
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import bson
import pandas as pd

import cli
from catalog.classes import NAMES, joined
from catalog_making.files import readable
from catalog_making.lists import GROUP
from catalog_making.pictures import catalog_picture, silence_decoders
from catalog_making.products import Product, check_ids, draw_test
from catalog_making.sources import describe, read_source
from catalog_making.trees import Layout

PARTS = ("train", "test")


def document(product: Product, fields: dict, bad: dict[Path, str]) -> bytes | None:
    """The product as BSON, with the fields given; None where none of its pictures can be read.

    Args:
        bad: pictures that cannot be read are added, with the line that says why.
    """
    pictures = []
    for path in product.pictures:
        try:
            pictures.append({"picture": catalog_picture(path)})
        except cli.UserError as error:
            bad[path] = str(error)
    return bson.encode({"_id": product.id, **fields, "imgs": pictures}) if pictures else None


def write_documents(path: Path, products: Iterable[tuple[Product, dict]], bad: dict[Path, str], bar) -> list[Product]:
    """Write products with their fields; returns those that have a picture that can be read."""
    written = []
    with path.open("wb") as file:
        for product, fields in products:
            content = document(product, fields, bad)
            if content is not None:
                file.write(content)
                written.append(product)
            bar.update(len(product.pictures))
    return written


def train_fields(product: Product, category_ids: dict[tuple[str, ...], int]) -> dict:
    """What a document of train.bson holds beside the pictures."""
    return {"category_id": category_ids[product.category]} | ({} if product.group is None else {GROUP: product.group})


def stop_for(bad: dict[Path, str]) -> None:
    """End with all bad pictures named.

    Raises:
        cli.UserError: always.
    """
    if len(bad) > 1:
        cli.summary("\n".join(bad.values()))
        raise cli.UserError(f"{len(bad):,} pictures cannot be used, named above; mend them, or see --skip-bad")
    raise cli.UserError(f"{next(iter(bad.values()))}; replace it, take it out, or see --skip-bad")


def products_table(parts: dict[str, list[Product]]) -> pd.DataFrame:
    """Which product has which `_id`, and where it lies."""
    rows = [
        (product.id, product.short_name, part, readable(str(product.path)))
        for part, products in parts.items()
        for product in products
    ]
    return pd.DataFrame(rows, columns=["_id", "product", "part", "path"])


def layout_choices(args: argparse.Namespace) -> dict[str, Layout | None]:
    """The layout that the options name for each part.

    Raises:
        cli.UserError: they name both for a part.
    """
    named = {
        Layout.FOLDERS: PARTS if args.folder_per_product == "both" else (args.folder_per_product,),
        Layout.PICTURES: PARTS if args.picture_per_product == "both" else (args.picture_per_product,),
    }
    choices = {part: [layout for layout, parts in named.items() if part in parts] for part in PARTS}
    for part, layouts in choices.items():
        if len(layouts) > 1:
            raise cli.UserError(f"--{layouts[0]} and --{layouts[1]} both decide for {part}; name one of them for it")
    return {part: layouts[0] if layouts else None for part, layouts in choices.items()}


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="FOLDER_OR_CSV")
    test = parser.add_mutually_exclusive_group(required=True)
    test.add_argument("--test", type=Path, metavar="FOLDER_OR_CSV")
    test.add_argument("--test-fraction", type=fraction, metavar="F")
    for layout in Layout:
        parser.add_argument(f"--{layout}", nargs="?", const="both", choices=(*PARTS, "both"))
    parser.add_argument("--skip-bad", action="store_true", help="leave out pictures that cannot be read")
    parser.add_argument("--output-folder", type=Path, required=True)
    return parser.parse_args()


def fraction(text: str) -> float:
    """An argument between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def read_parts(args: argparse.Namespace) -> tuple[list[Product], list[Product], dict[Path, str]]:
    """The training and the test products, and the files that were not taken; says what was found."""
    layouts = layout_choices(args)
    sources = {"train": read_source(args.train, "train", layouts["train"])}
    if args.test:
        sources["test"] = read_source(args.test, "test", layouts["test"], sources["train"])
    for part, source in sources.items():
        cli.summary("\n".join(describe(source, part)))
    left_out = {path: reason for source in sources.values() for path, reason in source.left_out.items()}
    train = sources["train"].products
    if args.test:
        return train, sources["test"].products, left_out
    train, test = draw_test(train, args.test_fraction)
    if not test:
        raise cli.UserError(
            f"{args.train}: no products to spare for --test-fraction {args.test_fraction};"
            " every category keeps one product for training"
        )
    return train, test, left_out


def write_catalog(
    args: argparse.Namespace, train: list[Product], test: list[Product], left_out: dict[Path, str]
) -> str:
    """Write all files of the catalog, or none; returns the counts in words.

    Raises:
        cli.UserError: pictures are bad and may not be left out, or none is left.
    """
    leaves = sorted({product.category for product in train})
    category_ids = {leaf: number for number, leaf in enumerate(leaves, start=1)}
    files = ["train.bson", "test.bson", "category_names.csv", "products.csv", "left_out.csv"]
    files += ["test_categories.csv"] * (not args.test)
    pictures = sum(len(product.pictures) for product in train + test)
    bad: dict[Path, str] = {}
    with cli.written_whole(*(args.output_folder / file for file in files)) as temporaries:
        train_path, test_path, names_path, products_path, left_out_path, *truth_path = temporaries
        with cli.progress(pictures, "picture", "writing") as bar:
            labelled = ((product, train_fields(product, category_ids)) for product in train)
            written_train = write_documents(train_path, labelled, bad, bar)
            written_test = write_documents(test_path, ((product, {}) for product in test), bad, bar)
        if bad and not args.skip_bad:
            stop_for(bad)
        if not (written_train and written_test):
            raise cli.UserError(f"{args.train}: no picture of train or none of test can be read; nothing is written")
        names = pd.DataFrame(leaves, columns=NAMES, index=category_ids.values())
        names.to_csv(names_path, index_label="category_id")
        products_table({"train": written_train, "test": written_test}).to_csv(products_path, index=False)
        reasons = [(readable(str(path)), reason) for path, reason in (left_out | bad).items()]
        pd.DataFrame(reasons, columns=["path", "reason"]).to_csv(left_out_path, index=False)
        for path in truth_path:
            truth = [(product.id, category_ids[product.category]) for product in written_test]
            pd.DataFrame(truth, columns=["_id", "category_id"]).to_csv(path, index=False)
    if bad:
        lost = len(train) + len(test) - len(written_train) - len(written_test)
        cli.warn(f"bad pictures left out: {len(bad):,} (left_out.csv); products that have no others: {lost:,}")
    if emptied := set(leaves) - {product.category for product in written_train}:
        cli.warn(f"categories without any product now: {cli.some(sorted(map(joined, emptied)))}")
    return (
        f"{len(written_train):,} training and {len(written_test):,} test products of {len(leaves):,} categories,"
        f" {pictures - len(bad):,} pictures"
    )


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    silence_decoders()
    train, test, left_out = read_parts(args)
    check_ids(train, test)
    counts = write_catalog(args, train, test, left_out)
    cli.summary(
        f"{counts}, written in {time.monotonic() - start:.1f} s to {args.output_folder};"
        " products.csv has each product's _id, left_out.csv what was not taken"
    )


if __name__ == "__main__":
    cli.run(main)
