# Ensembles, their submissions, and what models and ensembles reach on valid sets.


# Like an epoch's recipe: a job above the members' may have to run.
rule write_ensemble_settings:
    output:
        settings=results("ensemble/test/{ensemble}/settings.json"),
    log:
        logs("write_ensemble_settings/{ensemble}"),
    conda:
        "../envs/data.yaml"
    params:
        settings=ensemble_settings,
    message:
        "Write what averages of {wildcards.ensemble} depend on"
    shell:
        "printf '%s\\n' {params.settings:q} 2> {log:q} > {output.settings:q}.part && mv {output.settings:q}.part {output.settings:q}"


rule average_models:
    input:
        settings=results("ensemble/test/{ensemble}/settings.json"),
        members=lambda wildcards: expand(
            results("probabilities/test/{model}/{{shard}}.npy"),
            model=ENSEMBLES[wildcards.ensemble]["models"],
        ),
    output:
        probabilities=results("ensemble/test/{ensemble}/{shard}.npy"),
    log:
        logs("average_models/{ensemble}-{shard}"),
    benchmark:
        benchmarks("average_models/{ensemble}-{shard}")
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        runtime=average_minutes,
        mem_mb=average_memory,
    params:
        mean=lambda wildcards: ENSEMBLES[wildcards.ensemble]["mean"],
        weights=ensemble_weights,
    message:
        "Average the models of {wildcards.ensemble}, shard {wildcards.shard}"
    shell:
        "python scripts/average_models.py --mean {params.mean} {params.weights}"
        " --threads {threads} --output {output.probabilities:q} {input.members:q} 2> {log:q}"


rule write_submission:
    input:
        index=results("index/test.parquet"),
        rejects=results("index/test.rejects.csv"),
        images=results("images/test.parquet"),
        known=results("index/train.parquet"),
        classes=results("classes.csv"),
        sample=sample_submission(),
        probabilities=expand(results("ensemble/test/{{ensemble}}/{shard}.npy"), shard=shards()),
    output:
        submission=results("submission/{ensemble}.csv.gz"),
    log:
        logs("write_submission/{ensemble}"),
    benchmark:
        benchmarks("write_submission/{ensemble}")
    conda:
        "../envs/data.yaml"
    resources:
        runtime=submission_minutes,
        mem_mb=submission_memory,
    params:
        code=sources.fingerprint("write_submission.py"),
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
        valid=evaluated_splits("split/{seed}/valid.parquet"),
        train=evaluated_splits("split/{seed}/train.parquet"),
        images=evaluated_splits("images/valid-{seed}.parquet"),
        probabilities=evaluated_probabilities,
        classes=results("classes.csv"),
    output:
        evaluation=results("evaluation/{evaluated}.json"),
        products=results("evaluation/{evaluated}.parquet"),
    log:
        logs("evaluate_predictions/{evaluated}"),
    benchmark:
        benchmarks("evaluate_predictions/{evaluated}")
    conda:
        "../envs/data.yaml"
    resources:
        runtime=evaluation_minutes,
        mem_mb=evaluation_memory,
    params:
        code=sources.fingerprint("evaluate_predictions.py"),
        splits=split_options,
        members=member_options,
        mean=lambda wildcards: evaluated_ensemble(wildcards)["mean"],
        weights=ensemble_weights,
        picture_md5=config["postprocessing"]["picture_md5"],
        product_md5="on" if config["postprocessing"]["product_md5"] else "off",
    message:
        "Measure {wildcards.evaluated} on products that no member trained on"
    shell:
        "python scripts/evaluate_predictions.py {params.splits} {params.members} --classes {input.classes:q}"
        " --mean {params.mean} {params.weights} --picture-md5 {params.picture_md5}"
        " --product-md5 {params.product_md5} --output {output.evaluation:q} --products {output.products:q} 2> {log:q}"
