"""Write answers for people: a row per product with its category, how sure that is, and what decided.

The steps are those of a submission, so each product has the category that it has there. Probabilities are calibrated.
With thresholds, a row also says at which level of the category tree the answer is accepted, and what it is there; with
a field of names, how people call the product.

In: the index of the products and its rejects, the list of predicted pictures and their probabilities (shards in
order), the index of the known products, classes.csv, the calibration; the thresholds and the
products' dumps where there are any. Out: the same table as Parquet and as .csv.gz.

Example:
    python scripts/write_answers.py --index index/test.parquet --rejects index/test.rejects.csv \
        --images images/test.parquet --known index/train.parquet --classes classes.csv --picture-md5 unique \
        --product-md5 on --probabilities ensemble/0000.npy --calibration calibration.json \
        --thresholds thresholds.json --parquet answers.parquet --csv answers.csv.gz
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

import cli
from catalog.classes import LEVELS, first_levels, full_names, joined
from catalog.ids import number_of
from catalog.known import Known
from catalog.names import product_names
from catalog.rejects import WHOLE_PRODUCT, Reject
from catalog.tables import zipped
from postprocessing import answered, levels, steps
from postprocessing.acceptance import Judgements, Thresholds
from postprocessing.calibration import Calibration
from postprocessing.judging import DECIDED_BY, NOTHING, judge
from postprocessing.pictures import Members
from postprocessing.products import product_starts

BEST = 5  # categories that are told of each product
NAME = "name"  # the column


def judged_products(
    processing: steps.PostProcessing,
    index: pd.DataFrame,
    members: Members,
    known: Known,
    calibration: Calibration,
) -> pd.DataFrame:
    """A row per product of an index: product_id, class, what decided, pictures, the best classes with probabilities.

    By level of the category tree, it has the best node and its probability.
    """
    classes = processing.classes
    nodes = levels.deepest_first(classes)
    count = min(BEST, len(classes))
    blocks = []
    for judged in judge(processing, index, members, known):
        probabilities = calibration.probabilities(judged)
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
        sure = np.take_along_axis(probabilities, best, axis=1)
        block = {"class": judged.classes, "decided_by": judged.decided_by, "pictures": judged.pictures}
        block |= {f"best_{number}": best[:, number - 1] for number in range(1, count + 1)}
        block |= {f"sure_{number}": sure[:, number - 1] for number in range(1, count + 1)}
        for level, node in nodes.items():
            block[f"{level}_node"], block[f"{level}_sure"] = levels.best(probabilities, judged.classes, node)
        blocks.append(pd.DataFrame(block))
    products = index.product_id.to_numpy()[product_starts(index)]
    return pd.concat(blocks, ignore_index=True).assign(product_id=products)


def of_catalog(found: pd.DataFrame, ids: pd.Index, fallback: int) -> pd.DataFrame:
    """judged_products() of a catalog's products, by their numbers; one without a picture has the fallback class."""
    found = found.set_index("product_id").reindex(ids)
    of_nothing = dict.fromkeys(found.columns, 0) | {"class": fallback, "decided_by": DECIDED_BY.index(NOTHING)}
    types = {name: np.float32 if "sure" in name else np.int64 for name in found}
    return found.fillna(of_nothing).astype(types)


def picture_counts(index: pd.DataFrame, rejects: list[Reject]) -> Counter:
    """Pictures by product (its number): those of the index, and those that it lacks because they do not decode."""
    counts = Counter(index.product_id.tolist())
    rejected = (product for _, product, image, _ in rejects if product is not None and image != WHOLE_PRODUCT)
    counts.update(map(number_of, rejected))
    return counts


def answers(found: pd.DataFrame, ids: pd.Series, pictures: Counter, classes: pd.DataFrame) -> pd.DataFrame:
    """The table of answers, a row per product of a catalog.

    Args:
        found: of of_catalog.
        ids: the products as people have them, by their numbers.
        pictures: of each product, by its number.
        classes: as in classes.csv.
    """
    taken, category = found["class"].to_numpy(), classes.category.to_numpy()
    all_pictures = np.array([pictures[number] for number in ids.index.tolist()], np.int64)
    sure = found[f"{levels.CATEGORY}_sure"].to_numpy()
    best = {
        **{f"category_{number}": told(found, number, category) for number in numbers(found)},
        **{f"probability_{number}": found[f"sure_{number}"].to_numpy() for number in numbers(found)},
    }
    return pd.DataFrame(
        {
            "product": of_one_type(ids.to_numpy()),
            "category": of_one_type(category[taken]),
            **{level: classes[level].to_numpy()[taken] for level in LEVELS},
            "probability": sure,
            "margin": sure - next_best(found),
            "decided_by": np.array(DECIDED_BY, object)[found.decided_by],
            "pictures_used": found.pictures.to_numpy(),
            "pictures_not_decoded": all_pictures - found.pictures.to_numpy(),
            **dict(sorted(best.items(), key=lambda column: column[0].rpartition("_")[2])),
        }
    )


def numbers(found: pd.DataFrame) -> list[int]:
    """Of the best categories that are told."""
    return [number for number in range(1, BEST + 1) if f"best_{number}" in found]


def told(found: pd.DataFrame, number: int, category: np.ndarray) -> np.ndarray:
    """The id (text) of each product's best category of that number; empty where its probability is 0."""
    texts = np.array(list(map(str, category)), object)
    return np.where(found[f"sure_{number}"] > 0, texts[found[f"best_{number}"]], "")


def next_best(found: pd.DataFrame) -> np.ndarray:
    """The probability of the best category beside the one that is taken."""
    if "best_2" not in found:
        return np.zeros(len(found), np.float32)
    return np.where(found.best_1 == found["class"], found.sure_2, found.sure_1)


def of_one_type(ids: np.ndarray) -> np.ndarray:
    """Ids as integers where all are, else as texts."""
    return ids.astype(np.int64) if all(isinstance(each, int | np.integer) for each in ids) else ids.astype(str)


def accepted(found: pd.DataFrame, limits: dict, classes: pd.DataFrame) -> pd.DataFrame:
    """At which level each product's answer is accepted (empty: none, it is for review), and the names of it there.

    Args:
        found: of of_catalog.
        limits: of choose_thresholds.py.
    """
    names, tops = limits["levels"], first_levels(classes).to_numpy()[found["class"]]
    judgements = Judgements(found[[f"{name}_sure" for name in names]].to_numpy(), tops)
    at = Thresholds(limits["of_others"], limits["own"]).accepting(judgements)
    level, answer = np.full((2, len(found)), "", object)
    for position, name in enumerate(names):
        rows = np.flatnonzero(at == position)
        level[rows] = name
        answer[rows] = names_of_nodes(name, classes)[found[f"{name}_node"].to_numpy()[rows]]
    return pd.DataFrame({"accepted": level, "answer": answer})


def names_of_nodes(level: str, classes: pd.DataFrame) -> np.ndarray:
    """The joined names (object) of each node of a level."""
    node = levels.nodes(classes)[level]
    _, firsts = np.unique(node, return_index=True)
    if level == levels.CATEGORY:
        return np.array(list(full_names(classes).values()), object)
    depth = LEVELS.index(level) + 1
    return np.array([joined(names) for names in classes[LEVELS[:depth]].iloc[firsts].itertuples(index=False)], object)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    asked = answered.read(args)
    classes, ids = asked.classes, asked.ids
    found = json.loads(args.calibration.read_text())
    calibration = Calibration(found["temperature"], found["shares_right"])
    judged = judged_products(asked.processing, asked.index, asked.members, asked.known, calibration)
    rows = of_catalog(judged, ids.index, asked.processing.fallback(asked.known))
    table = answers(rows, ids, picture_counts(asked.index, asked.rejects), classes)
    if args.thresholds:
        table = table.join(accepted(rows, json.loads(args.thresholds.read_text()), classes))
    if args.name_field:
        names = product_names(args.catalog, args.name_field, asked.index, asked.rejects)
        table.insert(1, NAME, names.reindex(ids.index, fill_value="").to_numpy())
    with cli.written_whole(args.parquet, args.csv) as (parquet, csv):
        table.to_parquet(parquet, compression="zstd", index=False)
        csv.write_bytes(zipped(table.to_csv(index=False, float_format="%.4f").encode()))
    counts = ", ".join(f"{count} by {what}" for what, count in table.decided_by.value_counts().items())
    review = f", {(table.accepted == '').sum()} for review" if args.thresholds else ""
    cli.summary(f"{len(table)} products answered: {counts}{review}, in {time.monotonic() - start:.1f} s")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    answered.add_options(parser)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--thresholds", type=Path, help="without them nothing is accepted or refused")
    parser.add_argument("--name-field", help="of the products' documents; without it answers have no names")
    parser.add_argument("--catalog", type=Path, nargs="+", help="the dumps of the products in order, for their names")
    parser.add_argument("--parquet", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
