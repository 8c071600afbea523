# A model's network and its epochs, one node each.


rule build_network:
    input:
        classes=results("classes.csv"),
    output:
        symbol=results("models/{model}/symbol.json"),
    log:
        logs("build_network/{model}"),
    benchmark:
        benchmarks("build_network/{model}")
    conda:
        "../envs/mxnet-cpu.yaml"
    params:
        code=sources.fingerprint("build_network.py"),
        network=lambda wildcards: json.dumps(recipes.network_spec(config, wildcards.model)),
        image=lambda wildcards: json.dumps(recipes.image(config, wildcards.model)),
    message:
        "Build the network of {wildcards.model}"
    shell:
        "python scripts/build_network.py --network {params.network:q} --classes {input.classes:q}"
        " --image {params.image:q} --output {output.symbol:q} 2> {log:q}"


rule convert_weights:
    output:
        params=results("pretrained/{weights}-0000.params"),
    log:
        logs("convert_weights/{weights}"),
    benchmark:
        benchmarks("convert_weights/{weights}")
    conda:
        "../envs/mxnet-cpu.yaml"
    params:
        code=sources.fingerprint("convert_weights.py"),
        weights=lambda wildcards: packaged_weights(wildcards.weights),
        network=lambda wildcards: json.dumps(recipes.numbers(config["networks"][wildcards.weights])),
    message:
        "Convert the published weights of {wildcards.weights}"
    shell:
        "python scripts/convert_weights.py {params.weights:q} --network {params.network:q}"
        " --output {output.params:q} 2> {log:q}"


# The recipe stands in a file that depends on no other job: Snakemake does not look at a job's own changes while a
# job above it has to run, however ancient the files between them are.
rule write_recipe:
    output:
        recipe=results("models/{model}/{epoch}.recipe.json"),
    log:
        logs("write_recipe/{model}-{epoch}"),
    conda:
        "../envs/data.yaml"
    params:
        recipe=epoch_recipe,
    message:
        "Write the recipe of {wildcards.model}, epoch {wildcards.epoch}"
    shell:
        "printf '%s\\n' {params.recipe:q} 2> {log:q} > {output.recipe:q}.part && mv {output.recipe:q}.part {output.recipe:q}"


rule train_epochs:
    input:
        recipe=results("models/{model}/{epoch}.recipe.json"),
        train=ancient(training_records("train.rec")),
        train_offsets=ancient(training_records("train.idx")),
        valid=ancient(training_records("valid.rec")),
        classes=ancient(results("classes.csv")),
        start=epoch_start,
        states=epoch_states,
    output:
        params=results("models/{model}/{epoch}.params"),
        states=results("models/{model}/{epoch}.states"),
        metrics=results("models/{model}/{epoch}.json"),
    log:
        logs("train_epochs/{model}-{epoch}"),
    benchmark:
        benchmarks("train_epochs/{model}-{epoch}")
    group:
        leg
    conda:
        mxnet_env(model["gpus"] for model in MODELS.values())
    threads: config["training"]["threads"]
    resources:
        gpu=lambda wildcards: MODELS[wildcards.model]["gpus"],
        nodes=1,
        runtime=training_minutes,
        mem_mb=training_memory,
    params:
        start=start_option,
        states=option("--states", "states"),
        superseded=superseded_states,
        gpus=training_gpus,
    message:
        "Train {wildcards.model}, epoch {wildcards.epoch}"
    shell:
        "python scripts/train_epochs.py --recipe {input.recipe:q}"
        " --first-epoch {wildcards.epoch} --last-epoch {wildcards.epoch}"
        " --train {input.train:q} --valid {input.valid:q} --classes {input.classes:q}"
        " {params.start} {params.states} {params.superseded}"
        " --output-folder $(dirname {output.params:q}) --threads {threads} --gpus {params.gpus}"
        " 2> {log:q}"
