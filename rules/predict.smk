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
    priority: BEFORE_TRAINING
    conda:
        mxnet_env([config["prediction"]["gpus"]])
    threads: config["prediction"]["threads"]
    resources:
        gpu=config["prediction"]["gpus"],
        nodes=1,
        runtime=prediction_minutes,
        mem_mb=prediction_memory,
    params:
        network=lambda wildcards: json.dumps(recipes.network_spec(config, wildcards.model)),
        image=lambda wildcards: json.dumps(recipes.image(config, wildcards.model)),
        shards=config["prediction"]["shards"],
        batch_size=config["prediction"]["batch_size"],
        gpus=config["prediction"]["gpus"],
        engine=config["prediction"]["engine"],
    message:
        "Predict {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    shell:
        "python scripts/predict_images.py --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " --network {params.network:q} --image {params.image:q} --params {input.params:q}"
        " --batch-size {params.batch_size} --decoders {threads} --gpus {params.gpus}"
        " --engine {params.engine}"
        " --output {output.probabilities:q} 2> {log:q}"
