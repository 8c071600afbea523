"""Tabulate models and ensembles beside the published ones.

In: what was configured (JSON: models with network, dataset and epochs; ensembles with their members), each
model's metrics of its last epoch, the evaluations, and the published figures. Out: an HTML page.

Example:
    python scripts/tabulate_models.py --configured configured.json --last-epochs models/M01/0023.json \
        --evaluations evaluation/M01.json --published-models scripts/published/models.csv \
        --published-ensembles scripts/published/ensembles.csv --output models.html
"""

import argparse
import json
from pathlib import Path

import pandas as pd

import cli
from figures.evaluations import read_evaluations
from figures.pages import NONE, page, percent, table

MODEL_HEAD = (
    *("model", "network", "dataset", "epochs", "epochs published"),
    *("valid pictures %", "published %", "valid products %", "with MD5 %", "measured on"),
    *("pictures/s", "published (8 GPUs)"),
)
ENSEMBLE_HEAD = ("ensemble", "members", "valid products %", "with MD5 %", "measured on", "published private score %")


def model_rows(
    models: dict[str, dict], metrics: dict[str, dict], evaluations: dict[str, dict], published: pd.DataFrame
) -> list[tuple]:
    """One row of MODEL_HEAD per configured model; published columns where a model has the published name."""
    known = published.set_index("model").to_dict("index")
    rows = []
    for name, model in models.items():
        theirs = known.get(name, {})
        train, valid = metrics[name]["train"], metrics[name]["valid"]
        rows.append(
            (
                *(name, model["network"], model["dataset"], model["epochs"], theirs.get("epochs", NONE)),
                *(percent(valid["top1"]), percent(theirs.get("valid_picture_accuracy"))),
                *_product_columns(evaluations[name]),
                *(f"{train['images_per_second']:,.0f}", theirs.get("images_per_second", NONE)),
            )
        )
    return rows


def ensemble_rows(
    ensembles: dict[str, list[str]], evaluations: dict[str, dict], published: pd.DataFrame, product_md5: str
) -> list[tuple]:
    """One row of ENSEMBLE_HEAD per ensemble; the published score of the same members and MD5 rule."""
    same_rule = published[published.product_md5 == product_md5]
    scores = {frozenset(row.members.split()): row.private_score for row in published.itertuples()}
    scores |= {frozenset(row.members.split()): row.private_score for row in same_rule.itertuples()}
    return [
        (name, ", ".join(members), *_product_columns(evaluations[name]), percent(scores.get(frozenset(members))))
        for name, members in ensembles.items()
    ]


def _product_columns(evaluation: dict) -> tuple[str, str, str]:
    if not evaluation["products"]:
        return NONE, NONE, "0"
    networks = evaluation["steps"]["networks"]["accuracy"]
    return percent(networks), percent(evaluation["accuracy"]), f"{evaluation['products']:,}"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configured", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--last-epochs", type=Path, nargs="+", required=True)
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--published-models", type=Path, required=True)
    parser.add_argument("--published-ensembles", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    models, ensembles = args.configured["models"], args.configured["ensembles"]
    metrics = {path.parent.name: json.loads(path.read_text()) for path in args.last_epochs}
    evaluations = read_evaluations(args.evaluations)
    published_models, published_ensembles = map(pd.read_csv, (args.published_models, args.published_ensembles))
    rows = ensemble_rows(ensembles, evaluations, published_ensembles, args.configured["product_md5"])
    html = page(
        "Models and ensembles beside the published ones",
        table(MODEL_HEAD, model_rows(models, metrics, evaluations, published_models), text_columns=3),
        table(ENSEMBLE_HEAD, rows, text_columns=2),
    )
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(html)
    cli.summary(f"{len(models)} models and {len(ensembles)} ensembles tabulated in {args.output}")


if __name__ == "__main__":
    cli.run(main)
