"""List the products of the training catalog whose category is most probably wrong: what to mend first.

Three kinds of evidence. `copies`: a picture of the product is, byte for byte, one of products of another category, and
as many of them or more have that one. `prediction`: models that the product took no part in, nor in their ancestors,
are as sure of another category as they are, on average, of that category's own products (the off-diagonal of the
confident joint: Northcutt, Jiang and Chuang, Confident Learning, 2021). It looks at products that some model keeps for
validation; models are tempered (postprocessing/learning.py) and averaged. `features`: to a network, a picture of the
product looks the same as one of another category (postprocessing/lookalikes.py).

In: as for learn_weights.py, of all models; the index of train.bson and the catalog; where there are any, features of
pictures of train.bson and the lists of these. Out: a CSV with a row per product and kind, those of several kinds first;
and a page with pictures of the first ones of each kind.

Example:
    python scripts/audit_labels.py --split 1 split/1/valid.parquet images/valid-1.parquet \
        --member M09 1 probabilities/valid-1/M09/0000.npy --classes classes.csv --index index/train.parquet \
        --catalog catalog/train.bson --output audit/labels.csv --page audit/labels.html
"""

import argparse
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import full_names, read_classes, written_categories
from catalog.copies import MD5, picture_numbers
from catalog.ids import written
from catalog.index import read_index
from figures import examples
from figures.pages import markup_table, page, paragraph
from postprocessing.learning import TEMPERATURES, best_temperature
from postprocessing.lookalikes import lookalikes
from postprocessing.means import tempered
from postprocessing.products import product_blocks, product_means, product_starts
from postprocessing.shards import Shards
from postprocessing.valid import Valid, add_options, read

COPIES, PREDICTION, FEATURES = "copies", "prediction", "features"
LEAST_SURE = 0.5  # probability of another category that contradicts the label at least
FEW_PRODUCTS = 5  # of a category, whose own threshold would follow from chance
TEMPERED_BY = 20_000  # products at most
SHOWN = 30  # products of each kind on the page
COUNTS = ["products_with_category", "products_with_suggested", "categories_of_picture"]
PROBABILITIES = ["probability_of_category", "probability_of_suggested", "threshold", "models"]
OF_COPIES = ["kind", "product_id", "category_id", "suggested_category_id", "image", "picture_md5", *COUNTS]
OF_FEATURES = ["similarity", "like_product_id", "like_image"]
COLUMNS = [*OF_COPIES, *PROBABILITIES, *OF_FEATURES]
HEAD = ("product, and its category", "what it may be, and examples of it", "why")


def conflicting_copies(index: pd.DataFrame) -> pd.DataFrame:
    """OF_COPIES: products with a picture that as many products of another category have as of their own, or more.

    A picture counts once for each product that has it. A product has one row: of the picture that most speaks against
    its category.
    """
    (numbers,) = picture_numbers(index)
    rows = index[["product_id", "category_id", "image", *MD5]].assign(number=numbers)
    rows = rows.drop_duplicates(["number", "product_id"])
    categories = rows.groupby("number").category_id.nunique()
    rows = rows[rows.number.isin(categories.index[categories > 1])]
    counts = rows.groupby(["number", "category_id"]).size().rename("products").reset_index()
    pairs = counts.merge(counts, on="number", suffixes=("", "_other"))
    pairs = pairs[(pairs.category_id != pairs.category_id_other) & (pairs.products_other >= pairs.products)]
    found = rows.merge(pairs, on=["number", "category_id"])
    order = ["products_other", "products", "category_id_other"]
    found = found.sort_values(order, ascending=[False, True, True], kind="stable").drop_duplicates("product_id")
    names = {"category_id_other": "suggested_category_id", "products": COUNTS[0], "products_other": COUNTS[1]}
    md5 = [f"{high:016x}{low:016x}" for high, low in zip(found.md5_hi, found.md5_lo, strict=True)]
    known = {"kind": COPIES, "picture_md5": md5, COUNTS[2]: found.number.map(categories)}
    return found.rename(columns=names).assign(**known)[OF_COPIES]


def honest_predictions(valid: Valid) -> pd.DataFrame:
    """What models say of products that they can be measured on, a row each: what most models say together.

    Columns: product_id; label and best, classes; of_label and of_best, their probabilities; models, how many said it.
    """
    temperatures = []
    for member in valid.members:
        index = valid.common([member], TEMPERED_BY)
        temperatures.append(TEMPERATURES[best_temperature(member.likelihoods(index, valid.classes(index)))])
    found = [_said(valid, chosen, temperatures) for chosen in valid.groups()]
    rows = pd.concat(found).sort_values("models", ascending=False, kind="stable")
    return rows.drop_duplicates("product_id", ignore_index=True)


def _said(valid: Valid, chosen: list[int], temperatures: list[float]) -> pd.DataFrame:
    index = valid.common([valid.members[number] for number in chosen])
    starts, truth = product_starts(index), valid.classes(index)
    label, best = truth[starts], np.empty(len(starts), np.int64)
    of_label, of_best = np.empty((2, len(starts)), np.float32)
    rows = {number: valid.members[number].rows(index) for number in chosen}
    for products, pictures in product_blocks(starts, len(index)):
        total = np.zeros((products.stop - products.start, len(valid.categories)), np.float32)
        for number in chosen:
            vectors = tempered(valid.members[number].read(rows[number][pictures]), temperatures[number])
            total += product_means(vectors, starts[products] - pictures.start) / np.float32(len(chosen))
        best[products], of_best[products] = total.argmax(axis=1), total.max(axis=1)
        of_label[products] = np.take_along_axis(total, label[products, None], axis=1)[:, 0]
    columns = {"label": label, "best": best, "of_label": of_label, "of_best": of_best}
    return pd.DataFrame({"product_id": index.product_id.to_numpy()[starts], **columns, "models": len(chosen)})


def thresholds(said: pd.DataFrame, classes: int) -> np.ndarray:
    """How sure models are on average of each class's own products, LEAST_SURE at least; of a class with few, of all."""
    sums = np.bincount(said.label, weights=said.of_label, minlength=classes)
    counts = np.bincount(said.label, minlength=classes)
    everywhere = sums.sum() / max(counts.sum(), 1)
    return np.maximum(np.where(counts >= FEW_PRODUCTS, sums / np.maximum(counts, 1), everywhere), LEAST_SURE)


def contradicted(said: pd.DataFrame, categories: np.ndarray) -> pd.DataFrame:
    """Products whose prediction contradicts their category: COLUMNS without what copies have."""
    threshold = thresholds(said, len(categories))[said.best]
    found = said.assign(threshold=threshold)[(said.best != said.label) & (said.of_best >= threshold)]
    names = dict(zip(("of_label", "of_best"), PROBABILITIES, strict=False))
    ids = {"category_id": categories[found.label], "suggested_category_id": categories[found.best]}
    return found.rename(columns=names).assign(**ids, kind=PREDICTION)


def audit(index: pd.DataFrame, valid: Valid, listed: list[Path], features: list[Path]) -> pd.DataFrame:
    """COLUMNS, what is most probably wrong first: products with more kinds of evidence, then each kind by strength.

    Args:
        listed: lists of the pictures that have features.
        features: shards of these, list by list.
    """
    evidence = [conflicting_copies(index)]
    if valid.members:
        evidence.append(contradicted(honest_predictions(valid), valid.categories))
    if features:
        evidence.append(alike(index, listed, features))
    found = pd.concat(evidence).reindex(columns=COLUMNS)
    margin = found.probability_of_suggested - found.probability_of_category
    order = pd.DataFrame(
        {
            "kinds": found.groupby("product_id").kind.transform("nunique"),
            "kind": found.kind.map({PREDICTION: 2, COPIES: 1, FEATURES: 0}),
            "strength": margin.fillna(found[COUNTS[1]] - found[COUNTS[0]]).fillna(found.similarity),
        }
    )
    rows = order.reset_index(drop=True).sort_values(list(order), ascending=False, kind="stable").index
    return found.iloc[rows].reset_index(drop=True)


def alike(index: pd.DataFrame, listed: list[Path], features: list[Path]) -> pd.DataFrame:
    """Products with a picture that looks like one of another category."""
    pictures = pd.concat([read_index(path, MD5) for path in listed], ignore_index=True)
    found = lookalikes(index, pictures, Shards(features, len(pictures)))
    return found.assign(kind=FEATURES, like_product_id=found.like_product_id.astype("Int64"))  # others have none


def as_written(found: pd.DataFrame, index: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """The rows with ids as people have them, names of categories, and whole numbers as such."""
    firsts = index.drop_duplicates("product_id")
    ids = pd.Series(written(firsts, "product").to_numpy(), index=firsts.product_id, dtype=object)
    names = full_names(classes)
    columns = {name: found[name].map(ids) for name in ("product_id", "like_product_id")}
    columns |= {name: found[name].astype("Int64") for name in ("image", "like_image", *COUNTS, "models")}
    columns |= {name: found[name].round(4) for name in (*PROBABILITIES[:3], "similarity")}
    for name in ("category_id", "suggested_category_id"):
        columns |= {name: written_categories(found[name], classes), name.replace("_id", ""): found[name].map(names)}
    return found.assign(**columns)


def why(row: pd.Series) -> str:
    if row.kind == COPIES:
        own, other, categories = row[COUNTS]
        return (
            f"this picture is in {other:.0f} products of that category and {own:.0f} of its own;"
            f" {categories:.0f} categories have it"
        )
    if row.kind == FEATURES:
        return f"cosine {row.similarity:.2f} with a picture of that category"
    return (
        f"by {row.models:.0f} of the models: {100 * row.probability_of_suggested:.0f} % that category,"
        f" {100 * row.probability_of_category:.0f} % its own"
    )


def pictures_of(found: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """A picture of each product, the one that speaks against its category, else the first; rows of the index."""
    wanted = dict(zip(found.product_id, found.image, strict=True))
    rows = index[index.product_id.isin(wanted)]
    is_meant = rows.product_id.map(wanted) == rows.image
    return rows.assign(is_meant=is_meant).sort_values("is_meant", ascending=False).drop_duplicates("product_id")


def examples_beside(chosen: pd.DataFrame, found: pd.DataFrame, index: pd.DataFrame) -> tuple[pd.DataFrame, list[list]]:
    """Pictures (rows of the index) of what products may be, and for each of these whose it is shown beside.

    That which looks like it, or examples of the category.
    """
    if chosen.like_product_id.notna().all():
        like = chosen.like_product_id.astype(np.int64)
        return pictures_of(chosen.assign(product_id=like, image=chosen.like_image), index), [[each] for each in like]
    of_others = index[~index.product_id.isin(found.product_id)]
    rows = examples.example_rows(of_others, set(chosen.suggested_category_id))
    of_category = rows.groupby("category_id").product_id.agg(list).to_dict()
    return rows, [of_category.get(category, []) for category in chosen.suggested_category_id]


def shown(found: pd.DataFrame, catalog: list[Path], index: pd.DataFrame, classes: pd.DataFrame) -> list[str]:
    """The parts of the page: a table of the first products of each kind, with pictures."""
    names, parts = full_names(classes), []
    for kind in (PREDICTION, COPIES, FEATURES):
        chosen = found[found.kind == kind][:SHOWN]
        pictures = examples.captioned_pictures(catalog, pictures_of(chosen, index))
        of_others, beside = examples_beside(chosen, found, index)
        pictures_beside = examples.captioned_pictures(catalog, of_others)
        rows = [
            (
                f"{escape(names[row.category_id])}<br>{pictures[row.product_id]}",
                f"{escape(names[row.suggested_category_id])}<br>{''.join(pictures_beside[each] for each in others)}",
                escape(why(row)),
            )
            for (_, row), others in zip(chosen.iterrows(), beside, strict=True)
        ]
        count = int((found.kind == kind).sum())
        parts.append(paragraph(f"By {kind}: {count:,} products, the first {len(rows)} of them."))
        if rows:
            parts.append(markup_table(HEAD, rows, text_columns=3))
    return parts


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    add_options(parser)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parser.add_argument("--feature-images", type=Path, nargs="+", default=[], help="lists of pictures with features")
    parser.add_argument("--features", type=Path, nargs="+", default=[], help="shards in order, list by list")
    parser.add_argument("--output", type=Path, required=True, help="CSV")
    parser.add_argument("--page", type=Path, required=True, help="HTML")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    classes = read_classes(args.classes)
    index = read_index(args.index, [*examples.COLUMNS, "image", *MD5])
    found = audit(index, read(args), args.feature_images, args.features)
    table = as_written(found, index, classes)
    html = page("Labels that may be wrong", *shown(found, args.catalog, index, classes))
    with cli.written_whole(args.output, args.page) as (csv, shown_page):
        table.to_csv(csv, index=False)
        shown_page.write_text(html)
    counts = found.kind.value_counts()
    cli.summary(
        f"{found.product_id.nunique()} products may have a wrong category: {counts.get(PREDICTION, 0)} by prediction,"
        f" {counts.get(COPIES, 0)} by copies, {counts.get(FEATURES, 0)} by features; in {args.output}"
    )


if __name__ == "__main__":
    cli.run(main)
