# Shelfmark: from a product catalog's dump to a submission, by an ensemble of CNNs.
# Each rule file is a chapter; rules/common.smk holds paths, wildcards and look-ups.

import sys

sys.path.insert(0, f"{workflow.basedir}/scripts")

from workflow import terminal

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
    become_the_driver()


onsuccess:
    terminal.finish(workflow)


# Seconds of work each: nothing for a queue.
localrules:
    all,
    write_recipe,
    write_prediction_settings,
    write_ensemble_settings,
    label_categories,
    build_network,
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
        catalog_digests(),
        submissions(),
        evaluations("json"),
        tables(),


# Parts of all, by name: snakemake ... -- train_M04


rule records:
    input:
        expand(
            results("records/{dataset}/{part}.rec"), dataset=recipes.trained_datasets(config), part=["train", "valid"]
        ),


rule train:
    input:
        [last_params(model) for model in MODELS],


for model in MODELS:

    rule:
        name:
            f"train_{model}"
        input:
            last_params(model),


rule predict:
    input:
        [probabilities(images, model) for model in MODELS for images in recipes.predicted_sets(config, model)],


rule evaluate:
    input:
        evaluations("json"),
        results("evaluation/summary.txt"),


rule submit:
    input:
        submissions(),


rule report:
    input:
        tables(),
