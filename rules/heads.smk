# Heads: small networks that learn from the features of others, and what they say of an image set, shard by shard.


rule train_head:
    input:
        index=source("index"),
        images=source("images"),
        classes=source("classes"),
        features=source("features"),
    output:
        **outputs("train_head"),
    log:
        logs("train_head/{head}-{digest}"),
    benchmark:
        benchmarks("train_head/{head}-{digest}")
    params:
        head=lambda wildcards: options.head(config, wildcards.head),
        hidden=lambda wildcards: config["heads"][wildcards.head]["hidden"],
        seed=config["training"]["seed"],
    priority: BEFORE_TRAINING
    threads: config["training"]["threads"]
    resources:
        runtime=minutes("train_head"),
        mem_mb=memory("train_head"),
    conda:
        "../envs/data.yaml"
    message:
        "Train head {wildcards.head}"
    shell:
        f"python {SCRIPTS}/train_head.py"
        " {params.head} --hidden {params.hidden} --seed {params.seed}"
        " --index {input.index:q} --images {input.images:q} --classes {input.classes:q}"
        " --features {input.features:q}"
        " --params {output.params:q} --metrics {output.metrics:q} 2> {log:q}"


rule apply_head:
    input:
        params=source("params"),
        index=source("index"),
        images=source("images"),
        features=source("features"),
    output:
        **outputs("apply_head"),
    log:
        logs("apply_head/{images}-{images_digest}-{head}-{digest}-{shard}"),
    benchmark:
        benchmarks("apply_head/{images}-{images_digest}-{head}-{digest}-{shard}")
    params:
        head=lambda wildcards: options.head(config, wildcards.head),
        shards=config["prediction"]["shards"],
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("apply_head"),
        mem_mb=memory("apply_head"),
    conda:
        "../envs/data.yaml"
    message:
        "Predict {wildcards.images} with head {wildcards.head}, shard {wildcards.shard}"
    shell:
        f"python {SCRIPTS}/apply_head.py"
        " {params.head} --head {input.params:q} --index {input.index:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards} --features {input.features:q}"
        " --output {output.probabilities:q} 2> {log:q}"
