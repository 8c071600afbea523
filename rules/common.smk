import atexit
import contextlib
import functools
import json
from pathlib import Path

import snakemake.rules

import cli
from terminal import retries
from workflow import artifacts, catalogs, checks, configuration, drivers, image_sets, inputs, models
from workflow import options, overlays, published, reasons, recipes, tables
from workflow.outputs import DIGEST, DUMP, OUTPUTS, SEEDS, catalog_of

# Snakemake looks at a function's signature anew for each job: a seventh of a dry run of thousands.
snakemake.common.get_function_params = functools.cache(snakemake.common.get_function_params)
snakemake.rules.get_function_params = snakemake.common.get_function_params


def or_end(function, *arguments):
    """What a function returns; its fault ends the workflow with one line."""
    try:
        return function(*arguments)
    except (cli.UserError, OSError) as error:
        sys.exit(cli.fail(cli.words(error)))


config = or_end(overlays.of_workflow, workflow, config, BASE)
MODELS, ENSEMBLES = config["models"], config["ensembles"]
BEFORE_TRAINING = len(MODELS) + 1  # priority of what is ready beside training, so that a finished model answers at once
IMAGE = BASE / "shelfmark.sif"
IS_MODULE = not workflow.modifier.is_main_snakefile()  # of another workflow, which asks for whatever it uses
SCRIPTS = options.scripts_folder(BASE)


wildcard_constraints:
    digest=DIGEST,  # of the recipe of what a job makes
    images_digest=DIGEST,  # of that of the pictures that are predicted
    catalog=rf"({configuration.any_of(image_sets.catalogs(config))})(\.{DUMP})?",  # or one of several dumps of it
    part="train|valid",  # of a split
    seed=SEEDS,  # of a split
    dataset=configuration.any_of(config["datasets"]),
    model=configuration.any_of(MODELS),
    epoch=r"\d{4}",  # as the published files have it
    images=configuration.any_of(images.name for images in image_sets.all_of(config)),
    shard=r"\d{4}",  # counted from 0000
    weights=configuration.any_of(models.PACKAGED_WEIGHTS),  # that a Python package brings
    head=configuration.any_of(config["heads"]),
    ensemble=configuration.any_of(ENSEMBLES),
    batch=configuration.any_of(images.called for images in image_sets.answered(config)),
    evaluated=configuration.any_of([*recipes.members(config), *ENSEMBLES]),


def results(path):
    return f"{config['results']}/{path}"


def outputs(rule):
    """The outputs of a rule; what they hold is in scripts/workflow/artifacts.py."""
    return {name: results(path) for name, path in OUTPUTS[rule].items()}


def logs(path):
    return results(f"logs/{path}.log")


def benchmarks(path):
    return results(f"benchmarks/{path}.tsv")


# Look-ups: what this configuration leads to, and which of it this run makes.


@functools.cache
def made():
    """Everything that this configuration leads to, known when the first job is looked at."""
    return or_end(catalogs.artifacts_of, config)


def artifact_of(wildcards):
    """What the job with these wildcards makes."""
    return or_end(made().of, dict(wildcards.items()))


@functools.cache
def missing():
    """The artifacts that this run has to make; what a job's own process has to make is its job."""
    settings = workflow.dag_settings
    if not workflow.is_main_process:
        return inputs.of_jobs(made(), (job.wildcards_dict for job in settings.target_jobs))
    if IS_MODULE:
        or_end(drivers.check_triggers, settings)
        return inputs.missing(made(), artifacts.target_names(config))
    or_end(drivers.check_targets, settings)
    return inputs.missing(made(), settings.targets)


def is_ours(job):
    """Whether a job makes an artifact of this configuration; another workflow's does not."""
    return made().get(job.wildcards_dict) is not None


def planned_jobs():
    """Snakemake's jobs of this run that make artifacts."""
    return filter(is_ours, workflow.dag.needrun_jobs(exclude_finished=False))


def planned():
    """The artifacts that Snakemake makes in this run: those of missing() that it was asked for."""
    return inputs.of_jobs(made(), (job.wildcards_dict for job in planned_jobs()))


def why():
    """The reason for each job of a run, by wildcards."""
    return {frozenset(artifact.wildcards.items()): reason for artifact, reason in reasons.reasons(missing())}


def source(name):
    """The input function for what an artifact is made from; ancient, as what a file holds is known by its name."""
    return lambda wildcards: ancient(inputs.source(artifact_of(wildcards), name, missing()))


def target(name):
    """The input function of a target."""
    return lambda wildcards: ancient(made().target(name))


def option(name, item):
    """The params function for an option whose value is an input file that may be absent."""
    return lambda wildcards, input: options.file(name, input[item])


# Before the first job, and at the end of a dry run


def take_over():
    """Check what a job would stumble over in hours, and make what lies in the folder of results belong to this run."""
    folder, asked = Path(config["results"]), planned()
    or_end(checks.check_run, workflow, IMAGE, made(), asked)
    lock = or_end(drivers.become, workflow, folder, asked)
    shell._process_args["pass_fds"] = (*shell._process_args.get("pass_fds", ()), lock)  # its jobs hold it, too
    or_end(published.prepare, folder, made(), asked)
    or_end(retries.forget, planned_jobs())


@atexit.register
def note_missing_checkpoints():
    """Name them at the end of a dry run that succeeds, and of a plan, which is drawn from one."""
    with contextlib.chdir(workflow.workdir_init):  # Snakemake has left --directory by then
        if workflow.dryrun and workflow.scheduler and (found := checks.missing_checkpoints(made(), planned())):
            print(f"note: {catalogs.list_missing_checkpoints(found)}", file=sys.stderr)
