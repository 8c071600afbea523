# A model's probabilities on an image set, shard by shard.


rule predict_images:
    input:
        catalog=source("catalog"),
        images=source("images"),
        symbol=source("symbol"),
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
        runtime=minutes("predict_images"),
        mem_mb=memory("predict_images"),
    params:
        image=lambda wildcards: image_options(wildcards.model),
        shards=config["prediction"]["shards"],
        batch_size=config["prediction"]["batch_size"],
        gpus=config["prediction"]["gpus"],
    message:
        "Predict {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    shell:
        "python scripts/predict_images.py --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " --symbol {input.symbol:q} --params {input.params:q} {params.image}"
        " --batch-size {params.batch_size} --decoders {threads} --gpus {params.gpus}"
        " --output {output.probabilities:q} 2> {log:q}"
