# What jobs request of a cluster, by the estimates of scripts/costs/. Values of a site (partitions, account, GPU model, the
# longest run time and the largest memory) are in profiles/slurm/.

from costs import requests
from costs.estimator import Estimator
from costs.sizes import catalog_size

MODIFIER = workflow.modifier  # of the names of rules, where another workflow uses this one as a module


@functools.cache
def estimator():
    return Estimator(config, catalog_size(config), Path(results("models")))


def limit(rule, resource):
    """What the site grants a job of a rule at most, by a resource of that name; None where its profile does not say."""
    most = workflow.get_rule(MODIFIER.modify_rulename(rule)).resources.get(resource)
    if most.is_evaluable():  # snakemake takes whatever is no whole number for an expression
        raise cli.UserError(f"{resource} of {rule}: give the site's limit as a whole number (docs/cluster.md)")
    return most.value


def minutes(rule):
    """The resource function for the run time of a rule's jobs."""
    return lambda wildcards, attempt: requests.minutes(
        estimator().seconds(rule, dict(wildcards.items())), attempt, limit(rule, "max_runtime")
    )


def epoch_minutes(wildcards, attempt):
    """The run time of an epoch, beside the others of its job."""
    most = limit("train_epochs", "max_runtime")
    seconds = estimator().seconds("train_epochs", dict(wildcards.items()))
    return requests.minutes(seconds, attempt, most and most // fused_epochs(wildcards))


def fused_epochs(wildcards):
    """Epochs that one job trains of a model."""
    seconds = estimator().seconds("train_epochs", dict(wildcards.items()))
    return requests.fused_epochs(seconds, config["training"]["epochs_per_job"], limit("train_epochs", "max_runtime"))


def memory(rule):
    """The resource function for the memory of a rule's jobs, in MiB."""
    return lambda wildcards, attempt: requests.mebibytes(
        estimator().memory(rule, dict(wildcards.items())), attempt, limit(rule, "max_mem_mb")
    )
