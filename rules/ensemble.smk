# Ensembles, their submissions, and what models and ensembles reach on valid sets.


rule average_models:
    input:
        members=source("members"),
    output:
        **outputs("average_models"),
    log:
        logs("average_models/{ensemble}-{digest}-{shard}"),
    benchmark:
        benchmarks("average_models/{ensemble}-{digest}-{shard}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        runtime=minutes("average_models"),
        mem_mb=memory("average_models"),
    params:
        mean=lambda wildcards: ensemble_options(wildcards.ensemble),
    message:
        "Average the models of {wildcards.ensemble}, shard {wildcards.shard}"
    shell:
        "python scripts/average_models.py {params.mean}"
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
    output:
        **outputs("write_submission"),
    log:
        logs("write_submission/{ensemble}-{digest}"),
    benchmark:
        benchmarks("write_submission/{ensemble}-{digest}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/data.yaml"
    resources:
        runtime=minutes("write_submission"),
        mem_mb=memory("write_submission"),
    params:
        picture_md5=config["postprocessing"]["picture_md5"],
        product_md5="on" if config["postprocessing"]["product_md5"] else "off",
        sample=option("--sample-submission", "sample"),
    message:
        "Write the submission of {wildcards.ensemble}"
    shell:
        "python scripts/write_submission.py --index {input.index:q} --rejects {input.rejects:q}"
        " --images {input.images:q} --known {input.known:q} --classes {input.classes:q}"
        " --picture-md5 {params.picture_md5} --product-md5 {params.product_md5} {params.sample}"
        " --probabilities {input.probabilities:q} --output {output.submission:q} 2> {log:q}"


rule evaluate_predictions:
    input:
        valid=source("valid"),
        train=source("train"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
    output:
        **outputs("evaluate_predictions"),
    log:
        logs("evaluate_predictions/{evaluated}-{digest}"),
    benchmark:
        benchmarks("evaluate_predictions/{evaluated}-{digest}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/data.yaml"
    resources:
        runtime=minutes("evaluate_predictions"),
        mem_mb=memory("evaluate_predictions"),
    params:
        splits=split_options,
        members=member_options,
        mean=lambda wildcards: ensemble_options(wildcards.evaluated),
        picture_md5=config["postprocessing"]["picture_md5"],
        product_md5="on" if config["postprocessing"]["product_md5"] else "off",
    message:
        "Measure {wildcards.evaluated} on products that no member trained on"
    shell:
        "python scripts/evaluate_predictions.py {params.splits} {params.members} --classes {input.classes:q}"
        " {params.mean} --picture-md5 {params.picture_md5}"
        " --product-md5 {params.product_md5} --output {output.evaluation:q} --products {output.products:q} 2> {log:q}"
