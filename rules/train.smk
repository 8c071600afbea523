# A model's epochs, one node each, and the public weights that some start from.


rule convert_weights:
    output:
        **outputs("convert_weights"),
    log:
        logs("convert_weights/{weights}-{digest}"),
    benchmark:
        benchmarks("convert_weights/{weights}-{digest}")
    params:
        weights=lambda wildcards: or_end(options.packaged_weights, wildcards.weights),
        network=lambda wildcards: json.dumps(recipes.numbers(config["networks"][wildcards.weights])),
    priority: BEFORE_TRAINING
    localrule: True
    conda:
        "../envs/data.yaml"
    message:
        "Convert the published weights of {wildcards.weights}"
    shell:
        f"python {SCRIPTS}/convert_weights.py"
        " {params.weights:q} --network {params.network:q}"
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
        taught_images=source("taught_images"),
        taught=source("taught"),
    output:
        **outputs("train_epochs"),
    log:
        logs("train_epochs/{model}-{epoch}-{digest}"),
    benchmark:
        benchmarks("train_epochs/{model}-{epoch}-{digest}")
    params:
        recipe=lambda wildcards: str(artifact_of(wildcards).recipe_file),
        start=lambda wildcards, input: options.start(config, wildcards.model, int(wildcards.epoch), input.start),
        states=option("--states", "states"),
        metrics=option("--metrics-before", "metrics"),
        teacher=lambda wildcards, input: options.teacher(input.taught_images, input.taught),
        superseded=lambda wildcards: options.superseded_states(made(), wildcards.model, int(wildcards.epoch)),
        stage=lambda wildcards, resources: options.file("--stage", resources.get("stage")),
        minutes=lambda wildcards, resources: "" if workflow.is_main_process else f"--minutes {resources.runtime}",
        gpus=lambda wildcards: MODELS[wildcards.model]["gpus"],
        deterministic="--deterministic" if config["training"]["deterministic"] else "",
    priority: lambda wildcards: recipes.turn(MODELS, wildcards.model)
    group:
        lambda wildcards: recipes.leg(wildcards.model, int(wildcards.epoch), fused_epochs(wildcards))
    threads: config["training"]["threads"]
    resources:
        gpu=lambda wildcards: MODELS[wildcards.model]["gpus"],
        nodes=1,
        runtime=epoch_minutes,
        mem_mb=memory("train_epochs"),
    conda:
        lambda wildcards: options.environment(MODELS[wildcards.model])
    message:
        "Train {wildcards.model}, epoch {wildcards.epoch}"
    shell:
        f"python {SCRIPTS}/train_epochs.py"
        " --recipe {params.recipe:q} --first-epoch {wildcards.epoch}"
        " --train {input.train:q} --valid {input.valid:q} --classes {input.classes:q}"
        " {params.start} {params.states} {params.metrics} {params.teacher} {params.superseded} {params.stage} {params.minutes}"
        " --outputs {output.params:q} --threads {threads} --gpus {params.gpus} {params.deterministic} 2> {log:q}"
