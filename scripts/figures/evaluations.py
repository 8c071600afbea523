"""What evaluate_predictions.py writes, and the names of what it measures.

A measure has one name in every table and figure:

- pictures right, without mirror: single pictures, as training measures them after each epoch;
- pictures right, with mirror: single pictures by the mean of the picture and its mirror, as they are predicted;
- products right, networks alone: the mean of a product's pictures, with mirror;
- products right, labelled: the same, after known pictures and known products took their labels.

A product is right at a level of the category tree if the category predicted has the names of its own down to there.
The share is a mean over products, where frequent categories count most, or a mean over categories, which count alike.

Passes are what an answer costs.
"""

import functools
import json
from pathlib import Path

import pandas as pd

import cli
from costs.speeds import VIEWS
from postprocessing import steps

WITHOUT_MIRROR = "pictures right, without mirror"
WITH_MIRROR = "pictures right, with mirror"
NETWORKS_ALONE = "products right, networks alone"
LABELLED = "products right, labelled"
LEVEL_NAMES = {"level1": "level 1", "level2": "level 2", "level3": "level 3", "category": "category"}
MEANS = {"accuracy": "over products", "macro": "over categories"}
PASSES_ARE = "Passes: how often a network sees each picture that is predicted; a picture and its mirror are two."
FEW = 100  # products, of which a share is known to 10 points at best
NOTHING_COMMON = "no product is in the valid part of every split; raise the config key valid_fraction"


def read_evaluations(paths: list[Path]) -> dict[str, dict]:
    """Evaluations by model's or ensemble's name, in the order given."""
    return {path.stem: _read(path) for path in paths}


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise cli.UserError(f"{path}: not JSON: {error}; delete it and run again") from None


def measured(evaluations: dict[str, dict]) -> dict[str, dict]:
    """Those with at least one measured product."""
    return {name: evaluation for name, evaluation in evaluations.items() if evaluation["products"]}


def passes(name: str, evaluation: dict, configured: dict) -> int:
    """Forward passes of a picture through the networks that a model, a head or an ensemble asks.

    A network sees the picture and its mirror once, however many members ask it. A head adds no pass to those of its
    models, and a member that does not count, where weights are learned, is not asked.

    Args:
        configured: workflow.recipes.configured.
    """
    if "learned" in evaluation:
        learned = evaluation["learned"]
        pairs = zip(learned["models"], learned["combination"]["weights"], strict=True)
        members = [member for member, weight in pairs if weight]
    else:
        members = configured["ensembles"].get(name, [name])
    heads = configured["heads"]
    networks = {model for member in members for model in (heads[member]["models"] if member in heads else [member])}
    return VIEWS * len(networks)


def by_level(evaluation: dict) -> list[dict]:
    """What is right after all steps at each level: level, its name, categories, accuracy and macro."""
    last = steps.names()[-1]
    return [each | {"name": LEVEL_NAMES[each["level"]]} | each["steps"][last] for each in evaluation["by_level"]]


def read_right(paths: list[Path]) -> dict[str, pd.DataFrame]:
    """By model's or ensemble's name, whether each product (product_id) is right: bool columns networks and labelled."""
    return {path.stem: _right(path) for path in paths}


def _right(path: Path) -> pd.DataFrame:
    products = pd.read_parquet(path).set_index("product_id")
    return pd.DataFrame(
        {
            "networks": products[steps.NETWORKS] == products.category_id,
            "labelled": products[steps.names()[-1]] == products.category_id,
        }
    )


def on_common_products(right: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The rows of the products that all have in common, in the same order."""
    common = functools.reduce(pd.Index.intersection, (rows.index for rows in right.values()))
    return {name: rows.loc[common] for name, rows in right.items()}
