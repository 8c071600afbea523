# Shelfmark: from a product catalog's dump to a submission, by an ensemble of CNNs.
# Each rule file is a chapter; rules/common.smk holds paths, wildcards and look-ups.

import sys

sys.path.insert(0, f"{workflow.basedir}/scripts")

from workflow import published, terminal

published.keep_current(workflow)
terminal.take_over(workflow)


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"


# Where jobs run under --sdm apptainer (docs/cluster.md); without that option nothing looks for it.
container: str(IMAGE)


include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/ensemble.smk"
include: "rules/report.smk"


onstart:
    check_rejects()
    check_pretrained_weights()
    check_gpus()
    check_image()
    take_over_results()


onsuccess:
    terminal.finish(workflow)


# Seconds of work each: nothing for a queue.
localrules:
    all,
    label_categories,
    convert_weights,
    tabulate_models,
    tabulate_evaluations,
    draw_learning_curves,
    draw_evaluations,
    summarize_run,
    draw_times,
    draw_plan,


rule all:
    default_target: True
    input:
        target("all"),


# Parts of all, by name: snakemake ... -- train_M04
for part in artifacts.target_names(config)[1:]:

    rule:
        name:
            part
        input:
            target(part),
