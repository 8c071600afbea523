# From a catalog's dump to records: index, classes, splits, RecordIO.


rule generate_catalog:
    output:
        **outputs("generate_catalog"),
    log:
        logs("generate_catalog/{digest}"),
    benchmark:
        benchmarks("generate_catalog/{digest}")
    params:
        size=config.get("generate_catalog"),
    resources:
        runtime=minutes("generate_catalog"),
        mem_mb=memory("generate_catalog"),
    conda:
        "../envs/data.yaml"
    message:
        "Draw a catalog of products"
    shell:
        f"python {SCRIPTS}/generate_catalog.py"
        " --train-products {params.size[train_products]}"
        " --test-products {params.size[test_products]} --seed {params.size[seed]}"
        ' --output-folder "$(dirname {output.train:q})" 2> {log:q}'


rule index_catalog:
    input:
        catalog=source("catalog"),
    output:
        **outputs("index_catalog"),
    log:
        logs("index_catalog/{catalog}-{digest}"),
    benchmark:
        benchmarks("index_catalog/{catalog}-{digest}")
    params:
        on_bad_product=config["on_bad_product"],
        most_bad_products=config["most_bad_products"],
        categories=lambda wildcards: "" if catalog_of(wildcards.catalog) == "train" else "--without-categories",
    priority: 1000  # more than all that is ready beside it: jobs of one thread could keep it waiting for two for ever
    threads: 2
    resources:
        runtime=minutes("index_catalog"),
        mem_mb=memory("index_catalog"),
    conda:
        "../envs/data.yaml"
    message:
        "Index the pictures of {input.catalog}"
    shell:
        f"python {SCRIPTS}/index_catalog.py"
        " {input.catalog:q} --on-bad-product {params.on_bad_product} --most-bad-products {params.most_bad_products} {params.categories}"
        " --processes {threads} --output {output.index:q} --rejects {output.rejects:q} 2> {log:q}"


rule join_indexes:
    input:
        catalog=source("catalog"),
        indexes=source("indexes"),
        rejects=source("rejects"),
    output:
        **outputs("join_indexes"),
    log:
        logs("join_indexes/{catalog}-{digest}"),
    benchmark:
        benchmarks("join_indexes/{catalog}-{digest}")
    params:
        on_bad_product=config["on_bad_product"],
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("join_indexes"),
        mem_mb=memory("join_indexes"),
    conda:
        "../envs/data.yaml"
    message:
        "Join the indexes of the dumps of {wildcards.catalog}"
    shell:
        f"python {SCRIPTS}/join_indexes.py"
        " --catalog {input.catalog:q} --indexes {input.indexes:q} --dump-rejects {input.rejects:q}"
        " --on-bad-product {params.on_bad_product}"
        " --output {output.index:q} --rejects {output.rejects:q} 2> {log:q}"


rule label_categories:
    input:
        names=source("names"),
        index=source("index"),
    output:
        **outputs("label_categories"),
    log:
        logs("label_categories/{digest}"),
    benchmark:
        benchmarks("label_categories/{digest}")
    params:
        names=option("--names", "names"),
    priority: BEFORE_TRAINING
    localrule: True
    conda:
        "../envs/data.yaml"
    message:
        "Number the categories"
    shell:
        f"python {SCRIPTS}/label_categories.py"
        " {params.names} --index {input.index:q}"
        " --output {output.classes:q} 2> {log:q}"


rule split_catalog:
    input:
        catalog=source("catalog"),
        index=source("index"),
    output:
        **outputs("split_catalog"),
    log:
        logs("split_catalog/{seed}-{digest}"),
    benchmark:
        benchmarks("split_catalog/{seed}-{digest}")
    params:
        drawn=lambda wildcards: options.drawn(config, wildcards.seed),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("split_catalog"),
        mem_mb=memory("split_catalog"),
    conda:
        "../envs/data.yaml"
    message:
        "Split the training products with seed {wildcards.seed}"
    shell:
        f"python {SCRIPTS}/split_catalog.py"
        " --catalog {input.catalog:q} --index {input.index:q}"
        " {params.drawn}"
        ' --output-folder "$(dirname {output.train:q})" 2> {log:q}'


rule split_dumps:
    input:
        catalog=source("catalog"),
        index=source("index"),
    output:
        **outputs("split_dumps"),
    log:
        logs("split_dumps/{seed}-{digest}"),
    benchmark:
        benchmarks("split_dumps/{seed}-{digest}")
    params:
        drawn=lambda wildcards: options.drawn(config, wildcards.seed),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("split_dumps"),
        mem_mb=memory("split_dumps"),
    conda:
        "../envs/data.yaml"
    message:
        "Split the training products of all dumps with seed {wildcards.seed}"
    shell:
        f"python {SCRIPTS}/split_dumps.py"
        " --catalog {input.catalog:q} --index {input.index:q}"
        " {params.drawn}"
        ' --output-folder "$(dirname {output.train_index:q})" 2> {log:q}'


rule pack_records:
    input:
        split=source("split"),
        index=source("index"),
        classes=source("classes"),
    output:
        **outputs("pack_records"),
    log:
        logs("pack_records/{dataset}-{part}-{digest}"),
    benchmark:
        benchmarks("pack_records/{dataset}-{part}-{digest}")
    params:
        filters=lambda wildcards: options.filters(artifact_of(wildcards)),
        memory=lambda wildcards, resources: options.budget(resources.mem_mb),
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("pack_records"),
        mem_mb=memory("pack_records"),
    conda:
        "../envs/data.yaml"
    message:
        "Pack the records of dataset {wildcards.dataset}, part {wildcards.part}"
    shell:
        f"python {SCRIPTS}/pack_records.py"
        " --split {input.split:q} --index {input.index:q}"
        " --classes {input.classes:q} {params.filters} {params.memory}"
        " --output {output.records:q} 2> {log:q}"


rule list_images:
    input:
        index=source("index"),
        known=source("known"),
    output:
        **outputs("list_images"),
    log:
        logs("list_images/{images}-{digest}"),
    benchmark:
        benchmarks("list_images/{images}-{digest}")
    params:
        picture_md5=lambda wildcards: artifact_of(wildcards).recipe["picture_md5"],
    priority: BEFORE_TRAINING
    resources:
        runtime=minutes("list_images"),
        mem_mb=memory("list_images"),
    conda:
        "../envs/data.yaml"
    message:
        "List the pictures of {wildcards.images} that need a forward pass"
    shell:
        f"python {SCRIPTS}/list_images.py"
        " --index {input.index:q} --known {input.known:q}"
        " --picture-md5 {params.picture_md5} --output {output.images:q} 2> {log:q}"
