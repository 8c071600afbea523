# Ensembles, their submissions, and what models and ensembles reach on valid sets.


rule learn_weights:
    input:
        valid=source("valid"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
    output:
        **outputs("learn_weights"),
    log:
        logs("learn_weights/{ensemble}-{digest}"),
    benchmark:
        benchmarks("learn_weights/{ensemble}-{digest}")
    params:
        members=lambda wildcards: options.said_of_valid(made(), ENSEMBLES[wildcards.ensemble]["models"]),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("learn_weights"),
        mem_mb=memory("learn_weights"),
    conda:
        "../envs/data.yaml"
    message:
        "Learn how much each member of {wildcards.ensemble} counts"
    shell:
        f"python {SCRIPTS}/learn_weights.py"
        " {params.members} --classes {input.classes:q} --output {output.learned:q} 2> {log:q}"


rule average_models:
    input:
        members=source("members"),
        learned=source("learned"),
    output:
        **outputs("average_models"),
    log:
        logs("average_models/{images}-{ensemble}-{digest}-{shard}"),
    benchmark:
        benchmarks("average_models/{images}-{ensemble}-{digest}-{shard}")
    params:
        mean=lambda wildcards: options.averaged(made(), wildcards.ensemble),
    priority: BEFORE_TRAINING
    threads: 2
    resources:
        runtime=minutes("average_models"),
        mem_mb=memory("average_models"),
    conda:
        "../envs/data.yaml"
    message:
        "Average the models of {wildcards.ensemble} on {wildcards.images}, shard {wildcards.shard}"
    shell:
        f"python {SCRIPTS}/average_models.py"
        " {params.mean}"
        " --threads {threads} --output {output.probabilities:q} {input.members:q} 2> {log:q}"


rule write_submission:
    input:
        index=source("index"),
        rejects=source("rejects"),
        images=source("images"),
        known=source("known"),
        classes=source("classes"),
        sample=source("sample"),
        probabilities=source("probabilities"),
        of_products=source("of_products"),
    output:
        **outputs("write_submission"),
    log:
        logs("write_submission/{ensemble}-{digest}"),
    benchmark:
        benchmarks("write_submission/{ensemble}-{digest}")
    params:
        labels=options.labels(config),
        answers=lambda wildcards: options.answers(made(), wildcards.ensemble, image_sets.TEST),
        sample=option("--sample-submission", "sample"),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("write_submission"),
        mem_mb=memory("write_submission"),
    conda:
        "../envs/data.yaml"
    message:
        "Write the submission of {wildcards.ensemble}"
    shell:
        f"python {SCRIPTS}/write_submission.py"
        " --index {input.index:q} --rejects {input.rejects:q}"
        " --images {input.images:q} --known {input.known:q} --classes {input.classes:q}"
        " {params.labels} {params.sample}"
        " {params.answers} --output {output.submission:q} 2> {log:q}"


rule evaluate_predictions:
    input:
        valid=source("valid"),
        train=source("train"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
        learned=source("learned"),
    output:
        **outputs("evaluate_predictions"),
    log:
        logs("evaluate_predictions/{evaluated}-{digest}"),
    benchmark:
        benchmarks("evaluate_predictions/{evaluated}-{digest}")
    params:
        splits=lambda wildcards: options.splits(made(), wildcards.evaluated),
        members=lambda wildcards: options.members(made(), wildcards.evaluated),
        mean=lambda wildcards: options.mean(made(), wildcards.evaluated),
        labels=options.labels(config),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("evaluate_predictions"),
        mem_mb=memory("evaluate_predictions"),
    conda:
        "../envs/data.yaml"
    message:
        "Measure {wildcards.evaluated} on products that no member and no ancestor trained on"
    shell:
        f"python {SCRIPTS}/evaluate_predictions.py"
        " {params.splits} {params.members} --classes {input.classes:q}"
        " {params.mean} {params.labels}"
        " --output {output.evaluation:q} --products {output.products:q} 2> {log:q}"
