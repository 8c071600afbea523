"""The boxes of a plan and which of Snakemake's jobs belong to which box."""

import itertools
import string
from collections.abc import Iterable
from dataclasses import dataclass, field

from workflow import image_sets, recipes
from workflow.models import PACKAGED_WEIGHTS
from workflow.outputs import PASSES, catalog_of
from workflow.reasons import FOLLOWS

CATALOG, SPLIT, DATA, MODEL, PREDICTION, ENSEMBLE, RESULT = range(7)
COLUMN_TITLES = (
    *("Catalog", "Splits", "Datasets, image sets", "Models"),
    *("Predictions", "Ensembles", "Submissions, report"),
)

# The box that a rule's jobs belong to, by their wildcards.
BOX_OF_RULE = {
    "generate_catalog": "catalog-train",
    "index_catalog": "catalog-{catalog}",
    "join_indexes": "catalog-{catalog}",
    "label_categories": "classes",
    "split_catalog": "split-{seed}",
    "split_dumps": "split-{seed}",
    "pack_records": "dataset-{dataset}",
    "list_images": "images-{images}",
    "convert_weights": "weights-{weights}",
    "train_epochs": "model-{model}",
    **dict.fromkeys(PASSES.values(), "prediction-{model}"),
    "train_head": "prediction-{head}",
    "apply_head": "prediction-{head}",
    "learn_weights": "ensemble-{ensemble}",
    "average_models": "ensemble-{ensemble}",
    "write_submission": "submission-{ensemble}",
    "evaluate_predictions": "evaluation",
    "calibrate_answers": "calibration",
    "choose_thresholds": "calibration",
    "write_answers": "answers-{batch}",
    "write_review": "answers-{batch}",
    "tabulate_evaluations": "evaluation",
    "summarize_run": "evaluation",
    "tabulate_models": "evaluation",
    "draw_learning_curves": "evaluation",
    "draw_evaluations": "evaluation",
    "show_confusions": "evaluation",
    "audit_labels": "evaluation",
    "rank_subsets": "evaluation",
    "draw_answers": "evaluation",
    "tabulate_answers": "evaluation",
    "draw_categories": "evaluation",
    "draw_times": "evaluation",
    "draw_plan": "evaluation",
}


@dataclass(frozen=True)
class Job:
    """A job that Snakemake would run: its rule, its wildcards without digests, and why (workflow/reasons.py).

    `requests` are threads and Snakemake's resources: mem_mb, runtime (minutes), gpu, slurm_partition; none of a job
    that the driver does itself.
    """

    rule: str
    wildcards: dict[str, str]
    reason: str = ""
    requests: dict[str, object] = field(default_factory=dict)


@dataclass
class Box:
    """A group of jobs; sources are the keys of the boxes that it waits for."""

    key: str
    column: int
    title: str
    subtitle: str
    sources: list[str]
    jobs: list[Job] = field(default_factory=list)

    @property
    def will_run(self) -> bool:
        return bool(self.jobs)

    @property
    def status(self) -> str:
        """Done, or how many jobs will run and the first reason of their own."""
        if not self.jobs:
            return "done"
        count = f"{len(self.jobs)} job{'s' * (len(self.jobs) > 1)}"
        return f"{count}: {first_reason(self.jobs)}"


def build(config: dict) -> dict[str, Box]:
    """The boxes that a complete configuration leads to, column by column."""
    models, trained = list(config["models"]), recipes.trained(config)
    datasets = recipes.trained_datasets(config)
    seeds = dict.fromkeys(recipes.seed_of(config, model) for model in models)
    boxes = [
        Box("catalog-train", CATALOG, "train.bson", "catalog and index", []),
        Box("classes", CATALOG, "classes.csv", "category names", ["catalog-train"]),
        Box("catalog-test", CATALOG, "test.bson", "catalog and index", []),
    ]
    for images in image_sets.batches_of(config):
        boxes.append(Box(f"catalog-{images.name}", CATALOG, f"batch {images.batch}", "products and index", []))
    for seed in seeds:
        boxes.append(Box(f"split-{seed}", SPLIT, f"split {seed}", "train, valid", ["catalog-train"]))
    for dataset in datasets:
        split = f"split-{recipes.split_of(config['datasets'][dataset])}"
        boxes.append(Box(f"dataset-{dataset}", DATA, f"dataset {dataset}", "records", [split, "classes"]))
    for images in image_sets.all_of(config):
        if images.seed is not None:
            boxes.append(Box(f"images-{images.name}", DATA, images.name, "distinct pictures", [f"split-{images.seed}"]))
    boxes.append(
        Box("images-test", DATA, "test", "distinct pictures", ["catalog-test", "catalog-train"]),
    )
    for images in image_sets.batches_of(config):
        sources = [f"catalog-{images.name}", "catalog-train"]
        boxes.append(Box(f"images-{images.name}", DATA, images.name, "distinct pictures", sources))
    starts = dict.fromkeys(config["models"][model]["start"].get("pretrained") for model in models)
    for weights in starts:
        if weights in PACKAGED_WEIGHTS:
            boxes.append(Box(f"weights-{weights}", DATA, weights, "ImageNet weights", []))
    boxes += [_model_box(config, model) for model in models]
    passed = list(image_sets.passes(config))
    for model in models:
        sets = [images.name for images, each in passed if each == model]
        sources = [f"model-{model}", *(f"images-{images}" for images in sets)]
        title = f"{model} {'predicts' if model in trained else 'gives features'}"
        boxes.append(Box(f"prediction-{model}", PREDICTION, title, ", ".join(sets), sources))
    for name, head in config["heads"].items():
        sources = [f"prediction-{model}" for model in head["models"]]
        subtitle = f"learns from {_names(head['models'])}"
        boxes.append(Box(f"prediction-{name}", PREDICTION, f"{name}, a head of {head['of']}", subtitle, sources))
    # Submissions without averages last, so that the others stand beside their ensembles.
    of_ensembles = sorted((_ensemble_boxes(config, name) for name in config["ensembles"]), key=len, reverse=True)
    boxes += sorted(itertools.chain(*of_ensembles), key=lambda box: box.column)
    boxes += _answer_boxes(config)
    predictions = [f"prediction-{member}" for member in recipes.members(config)]
    boxes.append(Box("evaluation", RESULT, "evaluation, report", "of all models", predictions))
    return {box.key: box for box in boxes}


def _ensemble_boxes(config: dict, name: str) -> list[Box]:
    """An ensemble's averages, where members say what pictures are, and its submission."""
    members = _names(config["ensembles"][name]["models"])
    of_pictures = [f"prediction-{member}" for member in recipes.weighted_members(config, name)[0]]
    averages = [Box(f"ensemble-{name}", ENSEMBLE, name, members, of_pictures)] if of_pictures else []
    subtitle = "submission" if averages else f"submission of {members}"
    return [*averages, Box(f"submission-{name}", RESULT, f"{name}.csv.gz", subtitle, _said(config, name))]


def _said(config: dict, ensemble: str) -> list[str]:
    """The keys of what an ensemble answers from: the average of members of pictures, and members of products."""
    of_pictures, of_products = recipes.weighted_members(config, ensemble)
    averages = [f"ensemble-{ensemble}"] if of_pictures else []
    return [*averages, *(f"prediction-{member}" for member in of_products)]


def _answer_boxes(config: dict) -> list[Box]:
    """The calibration of the ensemble that answers, and what it answers."""
    ensemble = recipes.answering_ensemble(config)
    if ensemble is None:
        return []
    predictions = [f"prediction-{model}" for model in config["ensembles"][ensemble]["models"]]
    sources = [*_said(config, ensemble), "calibration"]
    answers = [
        Box(f"answers-{images.called}", RESULT, f"answers {images.called}", "for people", sources)
        for images in image_sets.answered(config)
    ]
    return [Box("calibration", ENSEMBLE, "calibration", f"of {ensemble}", predictions), *answers]


def _model_box(config: dict, name: str) -> Box:
    model = config["models"][name]
    epochs = recipes.epoch_count(model)
    sources = [f"dataset-{model['dataset']}"] if epochs else []
    start = model["start"].get("pretrained", "random weights")
    if start in PACKAGED_WEIGHTS:
        sources.append(f"weights-{start}")
    if source := model["start"].get("model"):
        sources.append(f"model-{source}")
        start = source
    teachers = recipes.teachers(config, name)
    sources += [f"ensemble-{teacher}" for teacher in teachers]
    taught = f", taught by {', '.join(teachers)}" if teachers else ""
    subtitle = f"{epochs} epoch{'s' * (epochs > 1)} from {start}{taught}" if epochs else f"frozen: {start}"
    return Box(f"model-{name}", MODEL, f"{name} {model['network']}", subtitle, sources)


def _names(models: list[str]) -> str:
    """M06 to M14 for names of one stem that are numbered without a gap, else a list."""
    names = sorted(models, key=_stem_and_number)
    stems, numbers = zip(*map(_stem_and_number, names), strict=True)
    if len(names) > 2 and len(set(stems)) == 1 and numbers == tuple(range(numbers[0], numbers[0] + len(names))):
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def _stem_and_number(name: str) -> tuple[str, int]:
    """A name without the digits at its end, and these as a number; -1 where there are none."""
    stem = name.rstrip(string.digits)
    return stem, int(name[len(stem) :] or -1)


def box_key(rule: str, wildcards: dict[str, str]) -> str:
    """The key of the box that a job belongs to.

    Raises:
        ValueError: no box is named for this rule.
    """
    if rule not in BOX_OF_RULE:
        raise ValueError(f"rule {rule}: in no box of the plan; add it to BOX_OF_RULE in scripts/plan/boxes.py")
    named = {name: catalog_of(value) if name == "catalog" else value for name, value in wildcards.items()}
    return BOX_OF_RULE[rule].format(**named)


def assign(boxes: dict[str, Box], jobs: Iterable[Job]) -> None:
    """Put each job into its box."""
    for job in jobs:
        boxes[box_key(job.rule, job.wildcards)].jobs.append(job)


def first_reason(jobs: list[Job]) -> str:
    """The first reason that lies in a job itself; else that what it is made from changes."""
    return next((job.reason for job in jobs if job.reason != FOLLOWS), FOLLOWS)
