"""Write what a run reached, as the first page of its report.

In: the catalog's indexes, what they left out, classes.csv, what was configured (JSON: models with network and dataset),
the metrics of each model's last epoch, the evaluations with their tables of products, the folder of the jobs' benchmark
files. Out: reStructuredText, which `snakemake --report` shows.

Example:
    python scripts/summarize_run.py --catalog catalog --train-index index/train.parquet \
        --test-index index/test.parquet --rejects index/train.rejects.csv index/test.rejects.csv \
        --classes classes.csv --configured configured.json \
        --last-epochs models/M01/0015.json models/M02/0013.json \
        --evaluations evaluation/*.json --products evaluation/*.parquet --benchmarks benchmarks --output summary.rst
"""

import argparse
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import cli
from catalog.classes import read_classes
from catalog.index import read_index
from catalog.rejects import Reject, counted, read_rejects
from figures.benchmarks import read_benchmarks
from figures.epochs import read_epochs
from figures.evaluations import (
    NOTHING_COMMON,
    by_level,
    measured,
    on_common_products,
    passes,
    read_evaluations,
    read_right,
)
from loading.formats import in_words, other_kinds
from plan.drawing import hours_text
from postprocessing.steps import labels_taken


def pictures_text(kinds: pd.Series, rejects: dict[str, list[Reject]]) -> list[str]:
    """What of the catalog is not used as it is: a paragraph on pictures encoded anew, one on what was left out.

    Args:
        kinds: of the training pictures.
        rejects: by the name of the catalog's file.
    """
    left_out = "; ".join(f"in {name}.bson {counted(found)}" for name, found in rejects.items() if found)
    anew = in_words(other_kinds(kinds))
    paragraphs = [f"Encoded anew in the records: {anew}."] * bool(anew)
    return paragraphs + [f"Left out of the catalog: {left_out}."] * bool(left_out)


def catalog_text(name: str, train: pd.Series, test: pd.Series, classes: int) -> str:
    """How large the catalog is; from the product id of each picture."""
    return (
        f"The catalog ``{name}`` has {train.nunique():,} training products with {len(train):,} pictures in {classes:,}"
        f" categories, and {test.nunique():,} test products with {len(test):,} pictures."
    )


def ensemble_text(name: str, evaluation: dict) -> str:
    """What an ensemble reached."""
    return (
        f"``{name}`` of {evaluation['members']} members is right on **{share_text(evaluation)}** that no member trained"
        f" on, after {labels_taken(evaluation)} took the label that they have in the train parts; on"
        f" {share_text(evaluation['steps']['networks'] | {'products': evaluation['products']})} by the networks alone."
    )


def levels_text(name: str, evaluation: dict) -> str:
    """What an ensemble reached at each level of the category tree."""
    levels = "; ".join(
        f"{each['name']} {100 * each['accuracy']:.1f} % of the products, {100 * each['macro']:.1f} % as the mean over"
        f" its {each['categories']:,} categories"
        for each in by_level(evaluation)
    )
    return f"By level of the category tree, ``{name}`` is right on: {levels}."


def model_text(name: str, model: dict, evaluation: dict) -> str:
    """What the best model or head reached."""
    networks = evaluation["steps"]["networks"] | {"products": evaluation["products"]}
    if "network" in model:
        what = f"``{model['network']}``, dataset {model['dataset']}"
    else:
        what = f"a head of {model['of']} on features of {', '.join(model['models'])}"
    return (
        f"Of the single models, ``{name}`` ({what}) has the most products"
        f" right by the network alone: {share_text(networks)}."
    )


def share_text(measure: dict) -> str:
    """An accuracy with its interval and the number of products."""
    low, high = (100 * bound for bound in measure["interval"])
    share = 100 * measure["accuracy"]
    return f"{share:.1f} % of {measure['products']:,} products (95 % interval {low:.1f} to {high:.1f})"


def ensemble_table(evaluations: dict[str, dict], common: dict[str, pd.DataFrame], configured: dict) -> str:
    """A row per measured ensemble: its passes, and what it reaches; the last column is of the same products for all."""
    count = len(next(iter(common.values())))
    head = ["ensemble", "passes", "networks alone", "labelled", "95 % interval of labelled", "products"]
    head += [f"networks alone, same {count:,} products"]
    rows = [
        [
            *(f"``{name}``", str(passes(name, evaluation, configured))),
            *(f"{100 * evaluation['steps']['networks']['accuracy']:.1f}", f"{100 * evaluation['accuracy']:.1f}"),
            "{:.1f} to {:.1f}".format(*(100 * bound for bound in evaluation["interval"])),
            f"{evaluation['products']:,}",
            f"{100 * common[name].networks.mean():.1f}" if count else "none",
        ]
        for name, evaluation in evaluations.items()
    ]
    return csv_table("Products right, in %, and the passes of each picture through networks", head, rows)


def csv_table(title: str, head: list[str], rows: list[list[str]]) -> str:
    """A table of reStructuredText."""
    lines = [", ".join(f'"{cell}"' for cell in row) for row in [head, *rows]]
    return "\n".join([f".. csv-table:: {title}", "   :header-rows: 1", "", *(f"   {line}" for line in lines)])


def requests_table(jobs: pd.DataFrame) -> str:
    """A row per rule whose jobs made requests: what the largest of them asked for, and what the largest used."""
    asking = jobs.dropna(subset=["runtime", "mem_mb"])
    largest = asking.groupby("rule").agg(
        jobs=("s", "size"), runtime=("runtime", "max"), s=("s", "max"), mem_mb=("mem_mb", "max"), rss=("max_rss", "max")
    )
    rows = [
        [
            f"``{rule}``",
            *(f"{each.jobs:,.0f}", f"{each.runtime:,.0f}", f"{each.s / 60:,.1f}", f"{each.mem_mb:,.0f}"),
            "" if math.isnan(each.rss) else f"{each.rss:,.0f}",
        ]
        for rule, each in largest.iterrows()
    ]
    head = ["rule", "jobs", "minutes asked", "minutes used", "MiB asked", "MiB used"]
    return csv_table("What jobs ask of a cluster and what they used, each the largest of a rule", head, rows)


def time_text(epochs: pd.DataFrame, jobs: pd.DataFrame, written: datetime) -> str:
    """How long it took, and when this was written."""
    trained = f"{len(epochs):,} epochs of {epochs.model.nunique()} models trained for"
    return (
        f"{trained} {hours_text(epochs.train_seconds.sum() / 3600)} together; the {len(jobs):,} jobs of all runs into"
        f" this folder took {hours_text(jobs.s.sum() / 3600)}, many side by side."
        f" Written on {written:%d %B %Y, %H:%M} UTC."
    )


def as_page(paragraphs: Iterable[str]) -> str:
    """The page; Snakemake reads it as a template of Jinja, in which no name may mean anything."""
    title = "What this run reached"
    return "\n\n".join(["{% raw %}", f"{title}\n{'=' * len(title)}", *paragraphs, "{% endraw %}"]) + "\n"


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--train-index", type=Path, required=True)
    parser.add_argument("--test-index", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, nargs=2, required=True, metavar=("TRAIN", "TEST"))
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--configured", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--last-epochs", type=Path, nargs="*", required=True)
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, nargs="+", required=True)
    parser.add_argument("--benchmarks", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    train, test = (read_index(path, ["product_id", "kind"]) for path in (args.train_index, args.test_index))
    rejects = dict(zip(("train", "test"), map(read_rejects, args.rejects), strict=True))
    found = measured(read_evaluations(args.evaluations))
    common = on_common_products(read_right(args.products))
    models = args.configured["models"] | args.configured["heads"]
    singles = {name: found[name] for name in models if name in found}
    ensembles = {name: found[name] for name in args.configured["ensembles"] if name in found}
    paragraphs = [catalog_text(args.catalog, train.product_id, test.product_id, len(read_classes(args.classes)))]
    paragraphs += pictures_text(train.kind, rejects)
    if ensembles:
        largest = max(ensembles, key=lambda name: ensembles[name]["members"])
        paragraphs += [ensemble_text(largest, ensembles[largest]), ensemble_table(ensembles, common, args.configured)]
        paragraphs.append(levels_text(largest, ensembles[largest]))
    else:
        paragraphs.append(f"No ensemble could be measured: {NOTHING_COMMON}.")
    if singles:
        best = max(singles, key=lambda name: singles[name]["steps"]["networks"]["accuracy"])
        paragraphs.append(model_text(best, models[best], singles[best]))
    jobs = read_benchmarks(args.benchmarks)
    paragraphs += [time_text(read_epochs(args.last_epochs), jobs, datetime.now(UTC)), requests_table(jobs)]
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(as_page(paragraphs))
    cli.summary(f"{len(models)} models and {len(ensembles)} ensembles summarized in {args.output}")


if __name__ == "__main__":
    cli.run(main)
