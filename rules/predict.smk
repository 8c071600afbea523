# A model's probabilities on an image set, shard by shard.


# Like an epoch's recipe, what a prediction depends on beside the model stands in a file above every other job.
rule write_prediction_settings:
    output:
        settings=results("probabilities/{images}/settings.json"),
    log:
        logs("write_prediction_settings/{images}"),
    conda:
        "../envs/data.yaml"
    params:
        settings=prediction_settings,
    message:
        "Write what predictions of {wildcards.images} depend on"
    shell:
        "printf '%s\\n' {params.settings:q} 2> {log:q} > {output.settings:q}.part && mv {output.settings:q}.part {output.settings:q}"


rule predict_images:
    input:
        settings=results("probabilities/{images}/settings.json"),
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
        mxnet_env([config["prediction"]["gpus"]])
    threads: config["prediction"]["threads"]
    resources:
        gpu=config["prediction"]["gpus"],
        nodes=1,
        runtime=prediction_minutes,
        mem_mb=prediction_memory,
    params:
        image=lambda wildcards: image_options(wildcards.model),
        shards=config["prediction"]["shards"],
        batch_size=prediction_batch_size,
        gpus=prediction_gpus,
    message:
        "Predict {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    shell:
        "python scripts/predict_images.py --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " --symbol {input.symbol:q} --params {input.params:q} {params.image}"
        " --batch-size {params.batch_size} --decoders {threads} --gpus {params.gpus}"
        " --output {output.probabilities:q} 2> {log:q}"
