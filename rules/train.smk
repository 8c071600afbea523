# A model's network and its epochs, one node each.


rule build_network:
    input:
        classes=source("classes"),
    output:
        **outputs("build_network"),
    log:
        logs("build_network/{model}-{digest}"),
    benchmark:
        benchmarks("build_network/{model}-{digest}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/mxnet-cpu.yaml"
    params:
        network=lambda wildcards: json.dumps(recipes.network_spec(config, wildcards.model)),
        image=lambda wildcards: json.dumps(recipes.image(config, wildcards.model)),
    message:
        "Build the network of {wildcards.model}"
    shell:
        "python scripts/build_network.py --network {params.network:q} --classes {input.classes:q}"
        " --image {params.image:q} --output {output.symbol:q} 2> {log:q}"


rule convert_weights:
    output:
        **outputs("convert_weights"),
    log:
        logs("convert_weights/{weights}-{digest}"),
    benchmark:
        benchmarks("convert_weights/{weights}-{digest}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/mxnet-cpu.yaml"
    params:
        weights=lambda wildcards: packaged_weights(wildcards.weights),
        network=lambda wildcards: json.dumps(recipes.numbers(config["networks"][wildcards.weights])),
    message:
        "Convert the published weights of {wildcards.weights}"
    shell:
        "python scripts/convert_weights.py {params.weights:q} --network {params.network:q}"
        " --output {output.params:q} 2> {log:q}"


rule train_epochs:
    input:
        train=source("train"),
        train_offsets=source("train_offsets"),
        valid=source("valid"),
        valid_offsets=source("valid_offsets"),
        classes=source("classes"),
        start=source("start"),
        states=source("states"),
        metrics=source("metrics"),
    output:
        **outputs("train_epochs"),
    log:
        logs("train_epochs/{model}-{epoch}-{digest}"),
    benchmark:
        benchmarks("train_epochs/{model}-{epoch}-{digest}")
    priority: turn
    group:
        leg
    conda:
        mxnet_env(model["gpus"] for model in MODELS.values())
    threads: config["training"]["threads"]
    resources:
        gpu=lambda wildcards: MODELS[wildcards.model]["gpus"],
        nodes=1,
        runtime=minutes("train_epochs"),
        mem_mb=memory("train_epochs"),
    params:
        recipe=recipe_file,
        start=start_option,
        states=option("--states", "states"),
        metrics=option("--metrics-before", "metrics"),
        superseded=superseded_states,
        gpus=lambda wildcards: MODELS[wildcards.model]["gpus"],
    message:
        "Train {wildcards.model}, epoch {wildcards.epoch}"
    shell:
        "python scripts/train_epochs.py --recipe {params.recipe:q} --first-epoch {wildcards.epoch}"
        " --train {input.train:q} --valid {input.valid:q} --classes {input.classes:q}"
        " {params.start} {params.states} {params.metrics} {params.superseded}"
        " --outputs {output.params:q} --threads {threads} --gpus {params.gpus} 2> {log:q}"
