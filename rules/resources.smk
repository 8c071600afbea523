# What jobs request of a cluster, by the estimates of scripts/costs/. Values of a site (partitions, account, GPU model)
# are in profiles/slurm/.

from costs import requests
from costs.estimator import Estimator
from costs.sizes import catalog_size


@functools.cache
def estimator():
    return Estimator(config, catalog_size(config))


def minutes(rule):
    """The resource function for the run time of a rule's jobs."""
    return lambda wildcards, attempt: requests.minutes(estimator().seconds(rule, dict(wildcards.items())), attempt)


def memory(rule):
    """The resource function for the memory of a rule's jobs, in MiB."""
    return lambda wildcards, attempt: requests.mebibytes(estimator().memory(rule, dict(wildcards.items())), attempt)


def check_gpus():
    """End a run before its first job where one asks for more GPUs than the run was given by --resources gpu=N."""
    if "gpu" not in workflow.resource_settings.resources:
        return
    asked = {}
    for artifact in planned():
        if artifact.rule == "train_epochs":
            model = artifact.wildcards["model"]
            asked[f"models.{model}.gpus"] = MODELS[model]["gpus"]
        elif artifact.rule == "predict_images":
            asked["prediction.gpus"] = config["prediction"]["gpus"]
    or_end(requests.check_gpus, dict(sorted(asked.items())), workflow.global_resources["gpu"].value)
