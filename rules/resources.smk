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
