# Answers for people, of test products and of batches: calibrated, accepted where they keep a precision, else for review.


rule calibrate_answers:
    input:
        valid=source("valid"),
        train=source("train"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
        learned=source("learned"),
    output:
        **outputs("calibrate_answers"),
    log:
        logs("calibrate_answers/{ensemble}-{digest}"),
    benchmark:
        benchmarks("calibrate_answers/{ensemble}-{digest}")
    params:
        splits=lambda wildcards: options.splits(made(), wildcards.ensemble),
        members=lambda wildcards: options.members(made(), wildcards.ensemble),
        mean=lambda wildcards: options.mean(made(), wildcards.ensemble),
        labels=options.labels(config),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("calibrate_answers"),
        mem_mb=memory("calibrate_answers"),
    conda:
        "../envs/data.yaml"
    message:
        "Calibrate the answers of {wildcards.ensemble}"
    shell:
        f"python {SCRIPTS}/calibrate_answers.py"
        " {params.splits} {params.members} --classes {input.classes:q}"
        " {params.mean} {params.labels}"
        " --output {output.calibration:q} --products {output.products:q} 2> {log:q}"


rule choose_thresholds:
    input:
        products=source("products"),
    output:
        **outputs("choose_thresholds"),
    log:
        logs("choose_thresholds/{ensemble}-{digest}"),
    benchmark:
        benchmarks("choose_thresholds/{ensemble}-{digest}")
    params:
        precision=options.precision(config),
    priority: BEFORE_TRAINING
    localrule: True
    conda:
        "../envs/data.yaml"
    message:
        "Choose which answers of {wildcards.ensemble} are accepted"
    shell:
        f"python {SCRIPTS}/choose_thresholds.py"
        " --products {input.products:q} {params.precision} --output {output.thresholds:q} 2> {log:q}"


rule write_answers:
    input:
        index=source("index"),
        rejects=source("rejects"),
        images=source("images"),
        known=source("known"),
        classes=source("classes"),
        calibration=source("calibration"),
        thresholds=source("thresholds"),
        probabilities=source("probabilities"),
        of_products=source("of_products"),
        catalog=source("catalog"),
    output:
        **outputs("write_answers"),
    log:
        logs("write_answers/{batch}-{digest}"),
    benchmark:
        benchmarks("write_answers/{batch}-{digest}")
    params:
        labels=options.labels(config),
        thresholds=option("--thresholds", "thresholds"),
        names=lambda wildcards, input: options.names(config, input.catalog),
        answers=lambda wildcards: options.answers(
            made(), config["answers"]["ensemble"], image_sets.called(wildcards.batch)
        ),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("write_answers"),
        mem_mb=memory("write_answers"),
    conda:
        "../envs/data.yaml"
    message:
        "Write the answers of {wildcards.batch}"
    shell:
        f"python {SCRIPTS}/write_answers.py"
        " --index {input.index:q} --rejects {input.rejects:q}"
        " --images {input.images:q} --known {input.known:q} --classes {input.classes:q}"
        " {params.labels} --calibration {input.calibration:q} {params.thresholds}"
        " {params.answers} {params.names} --parquet {output.parquet:q} --csv {output.csv:q} 2> {log:q}"


rule write_review:
    input:
        answers=source("answers"),
        classes=source("classes"),
        index=source("index"),
        catalog=source("catalog"),
    output:
        **outputs("write_review"),
    log:
        logs("write_review/{batch}-{digest}"),
    benchmark:
        benchmarks("write_review/{batch}-{digest}")
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("write_review"),
        mem_mb=memory("write_review"),
    conda:
        "../envs/report.yaml"
    message:
        "Show what of {wildcards.batch} is for review"
    shell:
        f"python {SCRIPTS}/write_review.py"
        " --answers {input.answers:q} --classes {input.classes:q}"
        " --index {input.index:q} --catalog {input.catalog:q}"
        " --csv {output.csv:q} --page {output.page:q} 2> {log:q}"
