# A model's probabilities on an image set, shard by shard.


rule predict_images:
    input:
        catalog=ancient(image_set_catalog),
        images=ancient(results("images/{images}.parquet")),
        symbol=ancient(results("models/{model}/symbol.json")),
        params=lambda wildcards: last_params(wildcards.model),
    output:
        probabilities=results("probabilities/{images}/{model}/{shard}.npy"),
        undecodable=results("probabilities/{images}/{model}/{shard}.undecodable.csv"),
    log:
        logs("predict_images/{images}-{model}-{shard}"),
    benchmark:
        benchmarks("predict_images/{images}-{model}-{shard}")
    conda:
        MXNET_ENV
    threads: config["prediction"]["threads"]
    resources:
        gpu=config["prediction"]["gpus"],
    params:
        image=json.dumps(config["image"]),
        network=lambda wildcards: json.dumps(recipes.network_spec(config, wildcards.model)),
        image_set=lambda wildcards: image_set_identity(wildcards.images),
        shards=config["prediction"]["shards"],
        batch_size=config["prediction"]["batch_size"],
        revision=sources.revision("predict_images.py"),
    message:
        "Predict {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    shell:
        "python scripts/predict_images.py --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " --symbol {input.symbol:q} --params {input.params:q} --image {params.image:q}"
        " --batch-size {params.batch_size} --decoders {threads}"
        " --output {output.probabilities:q} 2> {log:q}"
