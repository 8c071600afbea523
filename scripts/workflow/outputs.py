"""The files of each rule, as Snakemake's patterns below the results.

{digest} is that of the recipe of what the rule makes. What has a stable name for people (published.py) lies by-recipe.
"""

from collections.abc import Iterable

DIGEST = "[0-9a-f]{10}"  # a regular expression
DUMP = "[A-Za-z0-9][A-Za-z0-9_.-]*"  # a name of one of several dumps, the same
SEEDS = r"\d+(?:\.\d+)?"  # of splits: "1.2" is fold 2 of seed 1; the same
JOINED = "-joined"  # the end of a name in paths, where it is of several dumps together

OUTPUTS = {
    "generate_catalog": {
        "train": "catalog-{digest}/train.bson",
        "test": "catalog-{digest}/test.bson",
        "names": "catalog-{digest}/category_names.csv",
        "truth": "catalog-{digest}/test_categories.csv",
    },
    "index_catalog": {
        "index": "index/{catalog}-{digest}.parquet",
        "rejects": "index/{catalog}-{digest}.rejects.csv",
    },
    "join_indexes": {
        "index": f"index/{{catalog}}{JOINED}-{{digest}}.parquet",
        "rejects": f"index/{{catalog}}{JOINED}-{{digest}}.rejects.csv",
    },
    "label_categories": {"classes": "classes-{digest}.csv"},
    "split_catalog": {
        "train": "split/{seed}-{digest}/train.bson",
        "train_index": "split/{seed}-{digest}/train.parquet",
        "valid": "split/{seed}-{digest}/valid.bson",
        "valid_index": "split/{seed}-{digest}/valid.parquet",
    },
    "split_dumps": {
        "train_index": "split/{seed}-dumps-{digest}/train.parquet",
        "valid_index": "split/{seed}-dumps-{digest}/valid.parquet",
    },
    "pack_records": {
        "records": "records/{dataset}-{digest}/{part}.rec",
        "offsets": "records/{dataset}-{digest}/{part}.idx",
        "summary": "records/{dataset}-{digest}/{part}.json",
    },
    "list_images": {"images": "images/{images}-{digest}.parquet"},
    "convert_weights": {"params": "pretrained/{weights}-{digest}.params"},
    "train_epochs": {
        "params": "models/{model}/{epoch}-{digest}.params",
        "states": "models/{model}/{epoch}-{digest}.states",
        "metrics": "models/{model}/{epoch}-{digest}.json",
    },
    "predict_images": {
        "probabilities": "probabilities/{images}-{images_digest}/{model}-{digest}/{shard}.npy",
        "undecodable": "probabilities/{images}-{images_digest}/{model}-{digest}/{shard}.undecodable.csv",
    },
    "extract_features": {
        "features": "features/{images}-{images_digest}/{model}-{digest}/{shard}.npy",
        "undecodable": "features/{images}-{images_digest}/{model}-{digest}/{shard}.undecodable.csv",
    },
    "predict_with_features": {
        "probabilities": "probabilities/{images}-{images_digest}/{model}-{digest}/{shard}.npy",
        "features": "features/{images}-{images_digest}/{model}-{digest}/{shard}.npy",
        "undecodable": "probabilities/{images}-{images_digest}/{model}-{digest}/{shard}.undecodable.csv",
    },
    "train_head": {"params": "heads/{head}-{digest}.params", "metrics": "heads/{head}-{digest}.json"},
    "apply_head": {"probabilities": "probabilities/{images}-{images_digest}/{head}-{digest}/{shard}.npy"},
    "learn_weights": {"learned": "weights/{ensemble}-{digest}.json"},
    "average_models": {"probabilities": "ensemble/{images}/{ensemble}-{digest}/{shard}.npy"},
    "write_submission": {"submission": "by-recipe/submission/{digest}/{ensemble}.csv.gz"},
    "evaluate_predictions": {
        "evaluation": "by-recipe/evaluation/{digest}/{evaluated}.json",
        "products": "by-recipe/evaluation/{digest}/{evaluated}.parquet",
    },
    "calibrate_answers": {
        "calibration": "calibration/{ensemble}-{digest}.json",
        "products": "calibration/{ensemble}-{digest}.parquet",
    },
    "choose_thresholds": {"thresholds": "thresholds/{ensemble}-{digest}.json"},
    "write_answers": {
        "parquet": "by-recipe/answers/{digest}/{batch}.parquet",
        "csv": "by-recipe/answers/{digest}/{batch}.csv.gz",
    },
    "write_review": {
        "csv": "by-recipe/review/{digest}/{batch}.csv",
        "page": "by-recipe/review/{digest}/{batch}.html",
    },
    "tabulate_evaluations": {
        "csv": "by-recipe/evaluation/{digest}/summary.csv",
        "text": "by-recipe/evaluation/{digest}/summary.txt",
    },
    "summarize_run": {"summary": "by-recipe/report/{digest}/summary.rst"},
    "tabulate_models": {"table": "by-recipe/report/{digest}/models.html"},
    "draw_learning_curves": {
        "figure": "by-recipe/report/{digest}/learning-curves.svg",
        "table": "by-recipe/report/{digest}/epochs.tsv",
    },
    "draw_evaluations": {
        "sizes": "by-recipe/report/{digest}/sizes.svg",
        "levels": "by-recipe/report/{digest}/levels.svg",
        "calibration": "by-recipe/report/{digest}/calibration.svg",
    },
    "draw_answers": {"figure": "by-recipe/report/{digest}/answers.svg"},
    "tabulate_answers": {"table": "by-recipe/report/{digest}/answers.html"},
    "show_confusions": {"page": "by-recipe/report/{digest}/confusions.html"},
    "audit_labels": {
        "labels": "by-recipe/audit/{digest}/labels.csv",
        "page": "by-recipe/audit/{digest}/labels.html",
    },
    "rank_subsets": {"page": "by-recipe/report/{digest}/subsets.html"},
    "draw_categories": {"figure": "by-recipe/report/{digest}/categories.svg"},
    "draw_times": {"figure": "by-recipe/report/{digest}/times.svg"},
    "draw_plan": {"figure": "by-recipe/report/{digest}/plan.svg"},
}
# The rules that bring pictures through a network, by what they keep of it: probabilities, features.
PASSES = {
    (True, False): "predict_images",
    (False, True): "extract_features",
    (True, True): "predict_with_features",
}
# What an epoch that has not ended may have left (training/progress.py); no rule's output, and gone when it ends.
PARTS = "models/{model}/{epoch}-{digest}.part-{batches}.{kind}"

# Large files that only serve to make others, by rule: what is finished does not need them any more.
INTERMEDIATE = {
    "split_catalog": ("train", "valid"),
    "pack_records": ("records", "offsets"),
    "predict_images": ("probabilities",),
    "extract_features": ("features",),
    "predict_with_features": ("probabilities", "features"),
    "apply_head": ("probabilities",),
    "average_models": ("probabilities",),
}


def dump_name(catalog: str, dump: str) -> str:
    """What one of several dumps of train, test or a batch is called in paths."""
    return f"{catalog}.{dump}"


def catalog_of(name: str) -> str:
    """train, test or a batch, of its own name or that of one of its dumps."""
    return name.partition(".")[0]


def without_digests(wildcards: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The wildcards that say something to a reader."""
    return {name: value for name, value in wildcards if not name.endswith("digest")}
