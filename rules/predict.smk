# A model's probabilities on an image set, shard by shard.


rule predict_images:
    input:
        catalog=source("catalog"),
        images=source("images"),
        params=source("params"),
    output:
        **outputs("predict_images"),
    log:
        logs("predict_images/{images}-{images_digest}-{model}-{digest}-{shard}"),
    benchmark:
        benchmarks("predict_images/{images}-{images_digest}-{model}-{digest}-{shard}")
    params:
        network=lambda wildcards: options.network(config, wildcards.model),
        shards=config["prediction"]["shards"],
        batch_size=config["prediction"]["batch_size"],
        gpus=config["prediction"]["gpus"],
        engine=lambda wildcards: recipes.prediction(config, wildcards.model)["engine"],
    priority: BEFORE_TRAINING
    threads: config["prediction"]["threads"]
    resources:
        gpu=config["prediction"]["gpus"],
        nodes=1,
        runtime=minutes("predict_images"),
        mem_mb=memory("predict_images"),
    conda:
        lambda wildcards: options.environment(recipes.prediction(config, wildcards.model))
    message:
        "Predict {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    shell:
        f"python {SCRIPTS}/predict_images.py"
        " --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " {params.network} --params {input.params:q}"
        " --batch-size {params.batch_size} --decoders {threads} --engine {params.engine} --gpus {params.gpus}"
        " --probabilities {output.probabilities:q} 2> {log:q}"
