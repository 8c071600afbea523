"""What people look at: tables and figures of the whole run."""

from workflow import recipes, sources
from workflow.answers import Answers
from workflow.artifact import Artifact, Shelf
from workflow.daily import Daily
from workflow.data import Data
from workflow.image_sets import ImageSet
from workflow.models import Models

# Beside the programs.
PUBLISHED_MODELS, PUBLISHED_ENSEMBLES = "published/models.csv", "published/ensembles.csv"


def tables(
    config: dict, data: Data, models: Models, answers: Answers, daily: Daily, shelf: Shelf
) -> dict[str, Artifact]:
    """Tables and figures, by rule."""
    evaluated = {name: each.digest for name, each in answers.evaluations.items()}
    trained = {model: epochs[-1].digest for model, epochs in models.epochs.items()}
    submitted = {name: each.digest for name, each in answers.submissions.items()}
    evaluations = {
        "evaluations": [each.files["evaluation"] for each in answers.evaluations.values()],
        "products": [each.files["products"] for each in answers.evaluations.values()],
    }
    submissions = {"submissions": [each.files["submission"] for each in answers.submissions.values()]}
    last_epochs = {"last_epochs": [epochs[-1].files["metrics"] for epochs in models.epochs.values()]}
    heads = {"heads": [head.files["metrics"] for head in answers.heads.values()]}
    index = {"index": data.index["train"].files["index"]}
    classes = {"classes": data.classes.files["classes"]}
    both = {name: data.index[name].files["index"] for name in ("train", "test")}
    rejects = {"rejects": [data.index[name].files["rejects"] for name in both]}
    largest = answers.evaluations[recipes.largest_ensemble(config)]
    configured, planned = recipes.configured(config), recipes.planned_parts(config)
    names = list(evaluated)  # a recipe's digest does not hold the order of keys, and rows follow it
    evaluations_drawn = {"names": names, "evaluations": evaluated}
    recipes_and_sources = {
        "tabulate_evaluations": ({"configured": configured, **evaluations_drawn}, evaluations),
        "summarize_run": (
            {
                "configured": configured,
                "index": {name: data.index[name].recipe for name in both},
                "models": trained,
                **evaluations_drawn,
                "submissions": submitted,
            },
            both | rejects | classes | last_epochs | evaluations | submissions,
        ),
        "tabulate_models": (
            {
                "configured": configured,
                "published": [sources.content(path) for path in (PUBLISHED_MODELS, PUBLISHED_ENSEMBLES)],
                "index": data.index["train"].recipe,
                "models": trained,
                **evaluations_drawn,
            },
            last_epochs | heads | evaluations | index | classes,
        ),
        "draw_learning_curves": ({"models": trained}, last_epochs),
        "draw_evaluations": ({"ensembles": list(config["ensembles"]), **evaluations_drawn}, evaluations),
        "show_confusions": (
            {"classes": data.classes.recipe, "evaluation": largest.digest},
            {"evaluation": largest.files["evaluation"], "catalog": data.catalog["train"]} | index | classes,
        ),
        "draw_categories": ({"classes": data.classes.recipe}, index | classes),
        "draw_times": (
            {**evaluations_drawn, "submissions": submitted},
            submissions | {"evaluations": evaluations["evaluations"]},
        ),
        "draw_plan": ({"names": names, "configured": planned}, {}),
    }
    if daily.calibration:
        recipes_and_sources |= _of_answers(config, daily)
    return _added(recipes_and_sources, shelf)


def asked_tables(config: dict, data: Data, models: Models, answers: Answers, shelf: Shelf) -> dict[str, Artifact]:
    """What is made only where it is asked for, by rule: it needs what all models say of their valid products."""
    said, files = answers.said_of_valid(recipes.trained(config))
    last = [epochs[-1] for epochs in models.epochs.values()]
    metrics = {"last_epochs": [epoch.files["metrics"] for epoch in last]}
    trained = {"trained": [epoch.digest for epoch in last]}
    of_train = {"index": data.index["train"].files["index"], "catalog": data.catalog["train"]}
    alike, of_features = _features_of_train(config, data, answers)
    audited = said | {"classes": data.classes.recipe, "index": data.index["train"].recipe} | alike
    ranked = (said | trained, files | metrics)
    return _added({"rank_subsets": ranked, "audit_labels": (audited, files | of_train | of_features)}, shelf)


def _features_of_train(config: dict, data: Data, answers: Answers) -> tuple[dict, dict]:
    """A model's features of all pictures of a split, where a head asks for them: for a recipe, and files.

    A frozen model's where there is one: training tells apart what looks the same.
    """
    for images, model in sorted(answers.features, key=lambda each: each[1] in recipes.trained(config)):
        parts = [images, ImageSet(images.seed)]
        if images.part == "train" and all((part, model) in answers.features for part in parts):
            shards = [shard for part in parts for shard in answers.features[part, model]]
            files = {
                "feature_images": [data.images[part].files["images"] for part in parts],
                "features": [shard.files["features"] for shard in shards],
            }
            return {"features": list(dict.fromkeys(shard.digest for shard in shards))}, files
    return {}, {"feature_images": [], "features": []}


def _added(recipes_and_sources: dict[str, tuple[dict, dict]], shelf: Shelf) -> dict[str, Artifact]:
    return {
        rule: shelf.add(rule, recipe | {"code": sources.fingerprint(f"{rule}.py")}, made_from)
        for rule, (recipe, made_from) in recipes_and_sources.items()
    }


def _of_answers(config: dict, daily: Daily) -> dict[str, tuple[dict, dict]]:
    """The figure and the table of answers, where an ensemble answers."""
    answered = {images.called: answers.digest for images, answers in daily.answers.items()}
    calibrated = {"calibration": daily.calibration.digest}
    thresholds = daily.thresholds
    return {
        "draw_answers": (calibrated | config.get("accept", {}), {"products": daily.calibration.files["products"]}),
        "tabulate_answers": (
            {
                **calibrated,
                "thresholds": thresholds and thresholds.digest,
                "names": list(answered),
                "answers": answered,
            },
            {
                "calibration": daily.calibration.files["calibration"],
                "thresholds": thresholds.files["thresholds"] if thresholds else [],
                "answers": [answers.files["parquet"] for answers in daily.answers.values()],
            },
        ),
    }
