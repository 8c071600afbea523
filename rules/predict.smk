# What a model gives of an image set, shard by shard: probabilities, features for heads, or both from the same pass.

PASSES = image_sets.passes(config)


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
        weights=lambda wildcards, input: options.weights(config, wildcards.model, input.params),
        outputs=lambda wildcards, output: options.outputs(output),
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
    wildcard_constraints:
        images=configuration.any_pass(PASSES, "predict_images"),
    shell:
        f"python {SCRIPTS}/predict_images.py"
        " --catalog {input.catalog:q} --images {input.images:q}"
        " --shard {wildcards.shard} --shards {params.shards}"
        " {params.network} --params {params.weights:q}"
        " --batch-size {params.batch_size} --decoders {threads} --engine {params.engine} --gpus {params.gpus}"
        " {params.outputs} 2> {log:q}"


use rule predict_images as extract_features with:
    output:
        **outputs("extract_features"),
    log:
        logs("extract_features/{images}-{images_digest}-{model}-{digest}-{shard}"),
    benchmark:
        benchmarks("extract_features/{images}-{images_digest}-{model}-{digest}-{shard}")
    message:
        "Extract features of {wildcards.images} with {wildcards.model}, shard {wildcards.shard}"
    wildcard_constraints:
        images=configuration.any_pass(PASSES, "extract_features"),


use rule predict_images as predict_with_features with:
    output:
        **outputs("predict_with_features"),
    log:
        logs("predict_with_features/{images}-{images_digest}-{model}-{digest}-{shard}"),
    benchmark:
        benchmarks("predict_with_features/{images}-{images_digest}-{model}-{digest}-{shard}")
    message:
        "Predict {wildcards.images} and extract features with {wildcards.model}, shard {wildcards.shard}"
    wildcard_constraints:
        images=configuration.any_pass(PASSES, "predict_with_features"),
