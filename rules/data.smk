# From a catalog's dump to records: index, classes, splits, RecordIO.


rule generate_catalog:
    output:
        train=results("catalog/train.bson"),
        test=results("catalog/test.bson"),
        names=results("catalog/category_names.csv"),
        truth=results("catalog/test_categories.csv"),
    log:
        logs("generate_catalog"),
    benchmark:
        benchmarks("generate_catalog")
    conda:
        "../envs/data.yaml"
    params:
        code=sources.fingerprint("generate_catalog.py"),
        size=config.get("generate_catalog"),
    message:
        "Draw a catalog of products"
    shell:
        "python scripts/generate_catalog.py --train-products {params.size[train_products]}"
        " --test-products {params.size[test_products]} --seed {params.size[seed]}"
        " --output-folder $(dirname {output.train:q}) 2> {log:q}"


rule index_catalog:
    input:
        catalog=catalog_input("{catalog}.bson"),
    output:
        index=results("index/{catalog}.parquet"),
        rejects=results("index/{catalog}.rejects.csv"),
    log:
        logs("index_catalog/{catalog}"),
    benchmark:
        benchmarks("index_catalog/{catalog}")
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        runtime=index_minutes,
        mem_mb=index_memory,
    params:
        code=sources.fingerprint("index_catalog.py"),
        identity=lambda wildcards: catalog_identity(wildcards.catalog),
        on_bad_product=on_bad_product,
    message:
        "Index the pictures of {input.catalog}"
    shell:
        "python scripts/index_catalog.py {input.catalog:q} --on-bad-product {params.on_bad_product}"
        " --processes {threads} --output {output.index:q} --rejects {output.rejects:q} 2> {log:q}"


rule digest_catalog:
    input:
        catalog=catalog_input("{catalog}.bson"),
    output:
        record=results("index/{catalog}.digest.json"),
    log:
        logs("digest_catalog/{catalog}"),
    benchmark:
        benchmarks("digest_catalog/{catalog}")
    conda:
        "../envs/data.yaml"
    params:
        identity=lambda wildcards: catalog_identity(wildcards.catalog),
    message:
        "Record what {input.catalog} holds"
    shell:
        "python scripts/digest_catalog.py {input.catalog:q} --output {output.record:q} 2> {log:q}"


rule label_categories:
    input:
        names=category_names(),
        index=results("index/train.parquet"),
    output:
        classes=results("classes.csv"),
    log:
        logs("label_categories"),
    benchmark:
        benchmarks("label_categories")
    conda:
        "../envs/data.yaml"
    params:
        code=sources.fingerprint("label_categories.py"),
        names=option("--names", "names"),
    message:
        "Number the categories"
    shell:
        "python scripts/label_categories.py {params.names} --index {input.index:q}"
        " --output {output.classes:q} 2> {log:q}"


rule split_catalog:
    input:
        catalog=catalog_input("train.bson"),
        index=results("index/train.parquet"),
    output:
        train=results("split/{seed}/train.bson"),
        train_index=results("split/{seed}/train.parquet"),
        valid=results("split/{seed}/valid.bson"),
        valid_index=results("split/{seed}/valid.parquet"),
    log:
        logs("split_catalog/{seed}"),
    benchmark:
        benchmarks("split_catalog/{seed}")
    conda:
        "../envs/data.yaml"
    resources:
        runtime=split_minutes,
        mem_mb=train_index_memory,
    params:
        code=sources.fingerprint("split_catalog.py"),
        valid_fraction=config["valid_fraction"],
    message:
        "Split the training products with seed {wildcards.seed}"
    shell:
        "python scripts/split_catalog.py --catalog {input.catalog:q} --index {input.index:q}"
        " --seed {wildcards.seed} --valid-fraction {params.valid_fraction}"
        " --output-folder $(dirname {output.train:q}) 2> {log:q}"


rule pack_records:
    input:
        split=split_part("bson"),
        index=split_part("parquet"),
        classes=results("classes.csv"),
    output:
        records=results("records/{dataset}/{part}.rec"),
        offsets=results("records/{dataset}/{part}.idx"),
        summary=results("records/{dataset}/{part}.json"),
    log:
        logs("pack_records/{dataset}-{part}"),
    benchmark:
        benchmarks("pack_records/{dataset}-{part}")
    conda:
        "../envs/data.yaml"
    resources:
        runtime=pack_minutes,
        mem_mb=train_index_memory,
    params:
        code=sources.fingerprint("pack_records.py"),
        filters=record_filters,
    message:
        "Pack the records of dataset {wildcards.dataset}, part {wildcards.part}"
    shell:
        "python scripts/pack_records.py --split {input.split:q} --index {input.index:q}"
        " --classes {input.classes:q} {params.filters} --output {output.records:q} 2> {log:q}"


rule list_images:
    input:
        index=image_set_index,
        known=known_index,
    output:
        images=results("images/{images}.parquet"),
    log:
        logs("list_images/{images}"),
    benchmark:
        benchmarks("list_images/{images}")
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=both_indexes_memory,
    params:
        code=sources.fingerprint("list_images.py"),
        picture_md5=lambda wildcards: listed_pictures(wildcards.images),
    message:
        "List the pictures of {wildcards.images} that need a forward pass"
    shell:
        "python scripts/list_images.py --index {input.index:q} --known {input.known:q}"
        " --picture-md5 {params.picture_md5} --output {output.images:q} 2> {log:q}"
