# Shelfmark: from a product catalog's dump to a submission, by an ensemble of CNNs.
# Each rule file is a chapter; rules/common.smk holds paths, wildcards and look-ups.


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/ensemble.smk"
include: "rules/report.smk"


onstart:
    check_pretrained_weights()
    check_gpus()
    become_the_driver()


# Seconds of work each: nothing for a queue.
localrules:
    all,
    write_recipe,
    write_prediction_settings,
    write_ensemble_settings,
    label_categories,
    build_network,
    tabulate_models,
    tabulate_evaluations,
    draw_learning_curves,
    draw_evaluations,
    draw_times,
    draw_plan,


rule all:
    default_target: True
    input:
        catalog_digests(),
        submissions(),
        evaluations(),
        tables(),
