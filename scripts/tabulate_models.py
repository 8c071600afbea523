"""Tabulate models and ensembles, beside the published ones where the catalog is the published one.

In: what was configured (JSON: models with network, dataset and epochs; heads; ensembles with their members), each
model's metrics of its last epoch, those of heads, the evaluations with their tables of products, the index of
train.bson and classes.csv, by which the published catalog is known, and the published figures. Out: an HTML page.

Example:
    python scripts/tabulate_models.py --configured configured.json --last-epochs models/M01/0023.json \
        --heads heads/H1.json --evaluations evaluation/M01.json --products evaluation/M01.parquet \
        --index index/train.parquet --classes classes.csv --published-models scripts/published/models.csv \
        --published-ensembles scripts/published/ensembles.csv --output models.html
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

import cli
from catalog.classes import read_classes
from figures.epochs import read_epochs
from figures.evaluations import (
    LABELLED,
    MEANS,
    NETWORKS_ALONE,
    PASSES_ARE,
    WITH_MIRROR,
    WITHOUT_MIRROR,
    by_level,
    measured,
    on_common_products,
    passes,
    read_evaluations,
    read_right,
)
from figures.pages import NONE, page, paragraph, percent, table
from heads.notes import notes
from postprocessing.steps import labels_taken

PUBLISHED_PICTURES, PUBLISHED_CLASSES = 12_371_293, 5_270  # of train.bson


def is_published(pictures: int, classes: int) -> bool:
    """Whether a catalog with so many training pictures and classes is the published one."""
    return (pictures, classes) == (PUBLISHED_PICTURES, PUBLISHED_CLASSES)


def model_rows(
    models: dict[str, dict],
    last_epochs: pd.DataFrame,
    evaluations: dict[str, dict],
    common: dict[str, pd.DataFrame],
    passes_by_name: dict[str, int],
    published: pd.DataFrame | None,
) -> list[dict[str, object]]:
    """One row per configured model, cells by head; with published columns where published models are given.

    Args:
        last_epochs: figures.epochs.COLUMNS by model.
        common: by name, whether each product that all have in common is right.
        passes_by_name: of a picture.
    """
    rows = []
    for name, model in models.items():
        theirs = published_model(name, published)
        last = last_epochs.loc[name]
        rows.append(
            {
                **{"model": name, "network": model["network"], "dataset": model["dataset"], "epochs": model["epochs"]},
                **theirs["epochs"],
                f"{WITHOUT_MIRROR}, %": percent(last.valid_top1),
                **theirs["accuracy"],
                **product_cells(evaluations[name], common[name], passes_by_name[name]),
                "training, pictures/s": f"{last.train_images_per_second:,.0f}",
                **theirs["speed"],
            }
        )
    return rows


def head_rows(
    heads: dict[str, dict],
    evaluations: dict[str, dict],
    common: dict[str, pd.DataFrame],
    passes_by_name: dict[str, int],
) -> list[dict[str, object]]:
    """One row per head, cells by column title."""
    return [
        {
            **{
                "head": name,
                "on features of": ", ".join(head["models"]),
                "of": head["of"],
                "hidden units": head["hidden"],
            },
            **product_cells(evaluations[name], common[name], passes_by_name[name]),
        }
        for name, head in heads.items()
    ]


def head_notes(heads: dict[str, dict], metrics: Iterable[Path]) -> list[str]:
    """A paragraph for each head that took a fallback when it learned; of the metrics of heads in the same order."""
    found = ((name, notes(json.loads(path.read_text()))) for name, path in zip(heads, metrics, strict=True))
    return [paragraph(f"{name}: {'; '.join(texts)}.") for name, texts in found if texts]


def published_model(name: str, published: pd.DataFrame | None) -> dict[str, dict]:
    """The published cells of a model, by what they stand beside; dashes for a model that was not published."""
    if published is None:
        return {"epochs": {}, "accuracy": {}, "speed": {}}
    theirs = published.set_index("model").to_dict("index").get(name, {})
    return {
        "epochs": {"epochs, published": theirs.get("epochs", NONE)},
        "accuracy": {f"{WITHOUT_MIRROR}, published, %": percent(theirs.get("valid_picture_accuracy"))},
        "speed": {"pictures/s, published (8 GPUs)": theirs.get("images_per_second", NONE)},
    }


def ensemble_rows(
    ensembles: dict[str, list[str]],
    evaluations: dict[str, dict],
    common: dict[str, pd.DataFrame],
    passes_by_name: dict[str, int],
    published: pd.DataFrame | None,
) -> list[dict[str, object]]:
    """One row per ensemble, cells by head; with the score of the same members where published ones are given."""
    rows = []
    for name, members in ensembles.items():
        row = {"ensemble": name, "members": ", ".join(members)}
        row |= product_cells(evaluations[name], common[name], passes_by_name[name])
        if published is not None:
            score = published_score(members, evaluations[name]["product_md5"], published)
            row["private score, published, %"] = percent(score)
        rows.append(row)
    return rows


def published_score(members: list[str], product_md5: str, published: pd.DataFrame) -> float | None:
    """The score of the same members; of the same rule for known products where both were published."""
    same = published[published.members.map(lambda names: set(names.split()) == set(members))]
    same = same.sort_values("product_md5", key=lambda rules: rules == product_md5)
    return None if same.empty else float(same.private_score.iloc[-1])


def product_cells(evaluation: dict, common: pd.DataFrame, cost: int) -> dict[str, object]:
    """What evaluate_predictions.py measured, the same on the products that all have in common, and the cost."""
    count = evaluation["products"]
    low, high = evaluation["interval"] if count else (None, None)
    return {
        f"{WITH_MIRROR}, %": percent(evaluation["picture"]["top1"] if count else None),
        f"{NETWORKS_ALONE}, %": percent(evaluation["steps"]["networks"]["accuracy"] if count else None),
        f"{LABELLED}, %": percent(evaluation["accuracy"] if count else None),
        "95 % interval of labelled": f"{100 * low:.1f} to {100 * high:.1f}" if count else NONE,
        "products measured": f"{count:,}",
        f"same {len(common):,} products: networks alone, %": percent(
            None if common.empty else float(common.networks.mean())
        ),
        "passes": cost,
    }


def learned_rows(evaluations: dict[str, dict]) -> list[dict[str, object]]:
    """One row per ensemble whose weights were learned: who counts how much, and what decided it."""
    return [
        {
            "ensemble": name,
            "weights (temperatures)": ", ".join(
                f"{model} {weight:.2f} ({temperature:.2f})"
                for model, weight, temperature in zip(
                    learned["models"],
                    learned["combination"]["weights"],
                    learned["combination"]["temperatures"],
                    strict=True,
                )
                if weight
            ),
            "taken": learned["combination"]["taken"],
            "decided by": "; ".join(
                f"{', '.join(group['models'])}: {group['products']:,} products" for group in learned["groups"]
            ),
            "products that all members share": f"{learned['common_products']:,}",
            "note": learned["note"] or NONE,
        }
        for name, evaluation in evaluations.items()
        if (learned := evaluation.get("learned"))
    ]


def learned_table(rows: list[dict[str, object]]) -> list[str]:
    """A paragraph and the table of learned_rows; nothing where no ensemble learns."""
    text = (
        "Weights that were learned, of the members that count; the others are not asked. A temperature above 1 makes a"
        " member less confident, one below 1 more. What an ensemble reaches was measured on each product with weights"
        " that were learned without it."
    )
    return [paragraph(text), table(rows, text_columns=6)] if rows else []


def level_rows(evaluations: dict[str, dict]) -> list[dict[str, object]]:
    """One row per measured model and ensemble, cells by head: the mean over products and over categories per level."""
    return [
        {"model or ensemble": name}
        | {
            f"{each['name']} ({each['categories']:,}), {words}, %": percent(each[mean])
            for each in by_level(evaluation)
            for mean, words in MEANS.items()
        }
        for name, evaluation in measured(evaluations).items()
    ]


def level_table(rows: list[dict[str, object]], labelled: str) -> list[str]:
    """A paragraph and the table of level_rows; nothing where no product could be measured."""
    text = (
        f"Products right at each level of the category tree after {labelled} took their label: the mean over products,"
        " and the mean over the categories of that level, where rare ones count as much as frequent ones. In brackets:"
        " the categories of the measured products."
    )
    return [paragraph(text), table(rows, text_columns=1)] if rows else []


def explanation(labelled: str) -> str:
    """What the heads mean."""
    return paragraph(
        "Without mirror: the valid part's records after the last epoch; a dataset of first copies has each picture"
        " once. With mirror: the valid part's pictures by the mean of picture and mirror, as they are"
        f" predicted. Labelled: {labelled} took the label that they have in the train parts. Models of different"
        f" splits can be compared on the same products alone, those that no model trained on. {PASSES_ARE}"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--configured", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--last-epochs", type=Path, nargs="*", required=True)
    parser.add_argument("--heads", type=Path, nargs="*", required=True, help="metrics of the heads, as configured")
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, nargs="+", required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--published-models", type=Path, required=True)
    parser.add_argument("--published-ensembles", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    models, heads, ensembles = (args.configured[section] for section in ("models", "heads", "ensembles"))
    last_epochs = read_epochs(args.last_epochs).groupby("model").tail(1).set_index("model")
    evaluations = read_evaluations(args.evaluations)
    common = on_common_products(read_right(args.products))
    passes_by_name = {name: passes(name, each, args.configured) for name, each in evaluations.items()}
    title, published_models, published_ensembles = "Models and ensembles", None, None
    if is_published(pq.read_metadata(args.index).num_rows, len(read_classes(args.classes))):
        title += " beside the published ones"
        published_models, published_ensembles = map(pd.read_csv, (args.published_models, args.published_ensembles))
    labelled = labels_taken(next(iter(evaluations.values())))
    of_models = model_rows(models, last_epochs, evaluations, common, passes_by_name, published_models)
    of_heads = head_rows(heads, evaluations, common, passes_by_name)
    html = page(
        title,
        explanation(labelled),
        *(table(rows, text_columns=3) for rows in (of_models, of_heads) if rows),
        *head_notes(heads, args.heads),
        table(ensemble_rows(ensembles, evaluations, common, passes_by_name, published_ensembles), text_columns=2),
        *learned_table(learned_rows(evaluations)),
        *level_table(level_rows(evaluations), labelled),
    )
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(html)
    cli.summary(f"{len(models)} models and {len(ensembles)} ensembles tabulated in {args.output}")


if __name__ == "__main__":
    cli.run(main)
