# Shelfmark: from a product catalog's dump to a submission, by an ensemble of CNNs.
# Each rule file is a chapter; rules/common.smk holds paths, wildcards and look-ups.
#
# How the configuration comes together (scripts/workflow/overlays.py and configuration.py):
# 1. config.yaml, beside this file.
# 2. On top of it, the configfile that each profile names: --profile profiles/demo brings profiles/demo/overlay.yaml.
# 3. On top of these, the files of --configfile, in the order of the command line.
# 4. On top of these, the values of --config.
# 5. Keys that are null by now are dropped. The rest is checked against config.schema.yaml, whose defaults fill in the
#    keys that are not given.
# 6. Of the models and ensembles, those stay that the key `only` leaves.
# A workflow that uses this one as a module gives what follows from steps 1 to 4, by `config:` (docs/module.md).

from snakemake.utils import min_version

min_version("9.27")

import os
import sys
from pathlib import Path

BASE = Path(os.path.abspath(workflow.current_basedir.get_path_or_uri(secret_free=True)))
sys.path.insert(0, str(BASE / "scripts"))

from terminal import handler

handler.take_over(workflow)


configfile: str(BASE / "config.yaml")


include: "rules/common.smk"


# Where jobs run under --sdm apptainer (docs/cluster.md). Snakemake refuses an image below a folder with a space in its name.
if checks.runs_in_containers(workflow.deployment_settings):

    container: str(IMAGE)


include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/heads.smk"
include: "rules/ensemble.smk"
include: "rules/daily.smk"
include: "rules/report.smk"


published.keep_current(workflow, made, take_over)
if workflow.is_main_process:  # the process of a cluster's job would run it again itself, in the same time
    retries.heed_faults(is_ours)


rule all:
    default_target: not IS_MODULE
    input:
        target("all"),


# Parts of all, by name: snakemake ... -- train_M04
for part in artifacts.target_names(config)[1:]:

    rule:
        name:
            part
        input:
            target(part),


onsuccess:
    handler.finish(workflow)


onerror:
    handler.record(workflow)
