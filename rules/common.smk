import atexit
import contextlib
import functools
import importlib.util
import json
import math
import os
import shlex
from pathlib import Path

import snakemake.common
import snakemake.rules
from snakemake.settings.types import DeploymentMethod

BASE = Path(workflow.basedir)
IMAGE = BASE / "shelfmark.sif"

import cli
from workflow import (
    artifacts,
    catalogs,
    configuration,
    drivers,
    overlays,
    published,
    reasons,
    recipes,
)
from workflow.outputs import DIGEST, OUTPUTS

# Snakemake looks at a function's signature anew for each job: a seventh of a dry run of thousands.
snakemake.common.get_function_params = functools.cache(snakemake.common.get_function_params)
snakemake.rules.get_function_params = snakemake.common.get_function_params


wildcard_constraints:
    digest=DIGEST,
    images_digest=DIGEST,
    catalog="train|test",
    part="train|valid",
    seed=r"\d+",
    dataset="[A-Z]",
    model=r"M\d\d",
    epoch=r"\d{4}",
    images=r"test|valid-\d+",
    shard=r"\d{4}",
    weights="|".join(artifacts.PACKAGED_WEIGHTS),
    ensemble="[A-Za-z0-9][A-Za-z0-9_-]*",
    evaluated="[A-Za-z0-9][A-Za-z0-9_-]*",


def results(path):
    return f"{config['results']}/{path}"


def outputs(rule):
    """The outputs of a rule; what they hold is in scripts/workflow/artifacts.py."""
    return {name: results(path) for name, path in OUTPUTS[rule].items()}


def logs(path):
    return results(f"logs/{path}.log")


def benchmarks(path):
    return results(f"benchmarks/{path}.tsv")


def or_end(function, *arguments):
    """What a function returns; its fault ends the workflow with one line."""
    try:
        return function(*arguments)
    except cli.UserError as error:
        sys.exit(cli.fail(str(error)))
    except OSError as error:
        sys.exit(cli.fail(f"{error.filename}: {error.strerror}"))


def checked_configuration():
    """The configuration with its defaults."""
    # Commands name scripts/ from the working directory, so that a printed one can be run by hand.
    if not Path("scripts").exists():
        raise cli.UserError(
            f"{Path.cwd()}: run snakemake in {BASE}; catalog and results may lie elsewhere (config keys)"
        )
    checked = configuration.complete(overlays.put_on_top(workflow, config), BASE / "config.schema.yaml")
    if workflow.check_envvars:  # which is not so where the rules are only read: snakemake --lint
        catalogs.check_files(Path(checked["catalog"]), "generate_catalog" in checked)
    return checked


config = or_end(checked_configuration)
MODELS = config["models"]
ENSEMBLES = config["ensembles"]
BEFORE_TRAINING = len(MODELS) + 1  # priority of what is ready beside training, so that a finished model answers at once


# What this configuration leads to, and which of it this run makes: known when the first job is looked at.


@functools.cache
def made():
    """Everything that this configuration leads to."""
    return or_end(catalogs.artifacts_of, config)


def artifact_of(wildcards):
    """What the job with these wildcards makes."""
    return or_end(made().of, dict(wildcards.items()))


@functools.cache
def missing():
    """The artifacts that this run has to make; what a job's own process has to make is its job."""
    if not workflow.is_main_process:
        return {artifact_of(job.wildcards_dict) for job in workflow.dag_settings.target_jobs}
    or_end(drivers.check_targets, workflow.dag_settings)
    targets = workflow.dag_settings.targets or {"all"}
    names = artifacts.target_names(config)
    if not workflow.modifier.is_main_snakefile():  # another workflow asks, for whatever it uses
        targets = names
    files = [path for name in names if name in targets for path in made().target(name)]
    files += [path if os.path.isabs(path) else os.path.relpath(path) for path in set(targets) - set(names)]
    return set(made().missing(files))


def why():
    """The reason for each job of a run, by wildcards."""
    return {frozenset(artifact.wildcards.items()): reason for artifact, reason in reasons.reasons(missing())}


def source(name):
    """The input function for what an artifact is made from.

    All is ancient, as what a file holds is known by its name. What does not run asks for nothing that is gone.
    """

    def paths(wildcards):
        artifact = artifact_of(wildcards)
        found = artifact.sources[name]
        return ancient(found if artifact in missing() else list(filter(os.path.exists, found)))

    return paths


def option(name, item):
    """The params function for an option whose value is an input file that may be absent."""
    return lambda wildcards, input: f"{name} {shlex.quote(str(input[item]))}" if input[item] else ""


def target(name):
    """The input function of a target."""
    return lambda wildcards: ancient(made().target(name))


# What rules ask of a configuration


def image_options(model):
    """How predict_images brings pictures to the size of a model's network."""
    image = recipes.image(config, model)
    return f"--image-size {image['size']} --resize {recipes.resize(image)}"


def mxnet_env(gpus):
    """The conda environment of a rule whose jobs use these numbers of GPUs."""
    return f"../envs/mxnet-{'cu112' if any(gpus) else 'cpu'}.yaml"


def record_filters(wildcards):
    """The options of pack_records; conflicts are dropped from what models learn, never from what measures them."""
    recipe = artifact_of(wildcards).recipe
    filters = ["--first-copies-only"] * recipe["first_copies_only"]
    filters += ["--drop-conflicts"] * (recipe["drop_conflicts"] and wildcards.part == "train")
    return " ".join(filters)


def recipe_file(wildcards):
    return str(artifact_of(wildcards).recipe_file)


def start_option(wildcards, input):
    """The option for the weights that an epoch starts from: a file that a rule makes, else a public checkpoint."""
    if not input.start and int(wildcards.epoch) == 1 and "pretrained" in MODELS[wildcards.model]["start"]:
        return f"--start {shlex.quote(str(pretrained_weights(wildcards.model)))}"
    return option("--start", "start")(wildcards, input)


def turn(wildcards):
    """The priority of a model's training: models come in the order of the configuration, one whole before the next."""
    return len(MODELS) - list(MODELS).index(wildcards.model)


def superseded_states(wildcards):
    """The option by which an epoch removes optimizer states that no job needs any more."""
    model = wildcards.model
    epochs = recipes.superseded_epochs(MODELS[model], int(wildcards.epoch), config["training"])
    files = [made().epochs[model][epoch - 1].files["states"] for epoch in epochs]
    return shlex.join(["--superseded-states", *files]) if files else ""


def packaged_weights(name):
    """The weight file that a Python package brings."""
    package = importlib.util.find_spec(artifacts.PACKAGED_WEIGHTS[name])
    if package is None:
        sys.exit(
            cli.fail(
                f"{artifacts.PACKAGED_WEIGHTS[name]}: no such package, which brings {name}; install requirements.txt"
            )
        )
    [weights] = Path(package.submodule_search_locations[0], "models").glob("*.pth")
    return weights


def pretrained_weights(model):
    return Path(config["pretrained"]) / f"{MODELS[model]['start']['pretrained']}-0000.params"


def leg(wildcards):
    """The cluster job that an epoch belongs to, together with its neighbours (training.epochs_per_job)."""
    number = (int(wildcards.epoch) - 1) // config["training"]["epochs_per_job"]
    return f"{wildcards.model}-{number}"


def ensemble_options(name):
    ensemble = recipes.as_ensemble(config, name)
    weights = f" --weights {' '.join(map(str, ensemble['weights']))}" if "weights" in ensemble else ""
    return f"--mean {ensemble['mean']}{weights}"


def split_options(wildcards):
    """The options that name the splits which the members of an evaluation trained on."""
    found = made()
    options = []
    for seed in recipes.evaluated_seeds(config, wildcards.evaluated):
        split, images = found.splits[seed].files, found.images[f"valid-{seed}"].files
        options += ["--split", str(seed), split["valid_index"], split["train_index"], images["images"]]
    return shlex.join(options)


def member_options(wildcards):
    options = []
    for model in recipes.as_ensemble(config, wildcards.evaluated)["models"]:
        seed = recipes.seed_of(config, model)
        options += ["--member", str(seed), *made().probabilities(f"valid-{seed}", model)]
    return shlex.join(options)


# Before the first job


def check_image():
    """End a run before its first job where jobs are to run in a container image that nobody has built."""
    if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method and not IMAGE.exists():
        sys.exit(cli.fail(f"{IMAGE}: no such file; build it as docs/cluster.md says, or run without --sdm apptainer"))


def missing_checkpoints():
    """The public checkpoints that jobs of this run would start from and that are not there: file to models."""
    found = {}
    for model in MODELS:
        start = MODELS[model]["start"].get("pretrained")
        is_started = made().epochs[model][0] in missing()
        if is_started and start not in [None, *artifacts.PACKAGED_WEIGHTS]:
            if not (weights := pretrained_weights(model)).exists():
                found.setdefault(weights, []).append(model)
    return found


def check_rejects():
    """End a run before its first job where products were left out of an index that stays, and now may not be."""
    if config["on_bad_product"] == "stop":
        for index in made().index.values():
            if index not in missing():
                or_end(catalogs.check_rejects, Path(index.files["rejects"]))


def check_pretrained_weights():
    """End a run before its first job where public checkpoints of models that are to be trained are missing."""
    if found := missing_checkpoints():
        sys.exit(cli.fail(catalogs.list_missing_checkpoints(found)))


@atexit.register
def note_missing_checkpoints():
    """Name them at the end of a dry run that succeeds, and of a plan, which is drawn from one."""
    with contextlib.chdir(workflow.workdir_init):  # Snakemake has left --directory by then
        if workflow.dryrun and workflow.scheduler and (found := missing_checkpoints()):
            print(f"note: {catalogs.list_missing_checkpoints(found)}", file=sys.stderr)


def become_the_driver():
    """Refuse to be the second driver of these results; plan anew where others made some of what was planned."""
    folder = Path(config["results"])
    or_end(drivers.claim, folder)
    jobs_lock, has_waited = or_end(drivers.wait_for_orphans, folder)
    shell._process_args["pass_fds"] = (jobs_lock,)  # the jobs of this driver hold it, too
    if not workflow.local_exec and missing():
        has_waited |= or_end(drivers.take_over_jobs, folder, workflow.scheduler._executor.run_uuid)
    if has_waited or any(all(map(os.path.exists, artifact.files.values())) for artifact in missing()):
        os.chdir(workflow.rundir)  # which the arguments are relative to
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    drivers.tidy(folder)


def take_over_results():
    """Become their driver, and make what lies there belong to this run."""
    become_the_driver()
    or_end(prepare_results)


def prepare_results():
    """Take away what stands under stable names for another configuration, and write recipes of what is to be made."""
    for mark in Path(".snakemake/incomplete").glob("*"):  # of a driver that was killed; a file that is there is whole
        mark.unlink(missing_ok=True)
    published.withdraw(Path(config["results"]), made())
    published.publish(made().everything())
    for artifact in missing():
        artifacts.write_recipe(artifact)
