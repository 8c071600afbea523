# What people look at: tables and figures, collected by `snakemake --report`.


# Written by the run: what it reached.
report: str(Path(results("report/summary.rst")).absolute())


DATA, MODELS_AND_ENSEMBLES, RUN = "Catalog", "Models and ensembles", "The run"


rule summarize_run:
    input:
        train=results("index/train.parquet"),
        test=results("index/test.parquet"),
        classes=results("classes.csv"),
        epochs=all_epochs(),
        evaluations=evaluations("json"),
        products=evaluations("parquet"),
        # With the evaluations, the last of all jobs that take time.
        submissions=submissions(),
    output:
        summary=results("report/summary.rst"),
    log:
        logs("summarize_run"),
    benchmark:
        benchmarks("summarize_run")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("summarize_run.py"),
        catalog=config["catalog"],
        configured=configured(),
        benchmarks=results("benchmarks"),
    message:
        "Write what the run reached"
    shell:
        "python scripts/summarize_run.py --catalog {params.catalog:q} --train-index {input.train:q}"
        " --test-index {input.test:q} --classes {input.classes:q} --configured {params.configured:q}"
        " --epochs {input.epochs:q} --evaluations {input.evaluations:q} --products {input.products:q}"
        " --benchmarks {params.benchmarks:q} --output {output.summary:q} 2> {log:q}"


rule tabulate_evaluations:
    input:
        evaluations=evaluations("json"),
        products=evaluations("parquet"),
    output:
        csv=results("evaluation/summary.csv"),
        text=results("evaluation/summary.txt"),
    log:
        logs("tabulate_evaluations"),
    benchmark:
        benchmarks("tabulate_evaluations")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("tabulate_evaluations.py"),
    message:
        "Tabulate the evaluations"
    shell:
        "python scripts/tabulate_evaluations.py --csv {output.csv:q} --text {output.text:q}"
        " --evaluations {input.evaluations:q} --products {input.products:q} 2> {log:q}"


rule tabulate_models:
    input:
        last_epochs=last_epochs(),
        evaluations=evaluations("json"),
        products=evaluations("parquet"),
        index=results("index/train.parquet"),
        classes=results("classes.csv"),
        published_models="scripts/published/models.csv",
        published_ensembles="scripts/published/ensembles.csv",
    output:
        table=report(
            results("report/models.html"),
            caption="report/models.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "models and ensembles"},
        ),
    log:
        logs("tabulate_models"),
    benchmark:
        benchmarks("tabulate_models")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("tabulate_models.py"),
        configured=configured(),
    message:
        "Tabulate models and ensembles"
    shell:
        "python scripts/tabulate_models.py --configured {params.configured:q} --last-epochs {input.last_epochs:q}"
        " --evaluations {input.evaluations:q} --products {input.products:q} --index {input.index:q}"
        " --classes {input.classes:q} --published-models {input.published_models:q}"
        " --published-ensembles {input.published_ensembles:q} --output {output.table:q} 2> {log:q}"


rule draw_learning_curves:
    input:
        metrics=all_epochs(),
    output:
        figure=report(
            results("report/learning-curves.svg"),
            caption="report/learning-curves.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "learning curves"},
        ),
        table=results("report/epochs.tsv"),
    log:
        logs("draw_learning_curves"),
    benchmark:
        benchmarks("draw_learning_curves")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("draw_learning_curves.py"),
    message:
        "Draw the learning curves"
    shell:
        "python scripts/draw_learning_curves.py --figure {output.figure:q} --table {output.table:q}"
        " {input.metrics:q} 2> {log:q}"


rule draw_evaluations:
    input:
        evaluations=evaluations("json"),
        products=evaluations("parquet"),
    output:
        sizes=report(
            results("report/sizes.svg"),
            caption="report/sizes.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "ensembles by number of models"},
        ),
        levels=report(
            results("report/levels.svg"),
            caption="report/levels.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "by category of the first level"},
        ),
        calibration=report(
            results("report/calibration.svg"),
            caption="report/calibration.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "calibration"},
        ),
    log:
        logs("draw_evaluations"),
    benchmark:
        benchmarks("draw_evaluations")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("draw_evaluations.py"),
        ensembles=list(ENSEMBLES),
    message:
        "Draw what the ensembles reach"
    shell:
        "python scripts/draw_evaluations.py --ensembles {params.ensembles} --evaluations {input.evaluations:q}"
        " --products {input.products:q} --sizes {output.sizes:q} --levels {output.levels:q}"
        " --calibration {output.calibration:q} 2> {log:q}"


rule show_confusions:
    input:
        evaluation=results(f"evaluation/{largest_ensemble()}.json"),
        classes=results("classes.csv"),
        catalog=catalog_input("train.bson"),
        index=results("index/train.parquet"),
    output:
        page=report(
            results("report/confusions.html"),
            caption="report/confusions.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "what is confused most"},
        ),
    log:
        logs("show_confusions"),
    benchmark:
        benchmarks("show_confusions")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("show_confusions.py"),
    message:
        "Show what is confused most"
    shell:
        "python scripts/show_confusions.py --evaluation {input.evaluation:q} --classes {input.classes:q}"
        " --catalog {input.catalog:q} --index {input.index:q} --output {output.page:q} 2> {log:q}"


rule draw_categories:
    input:
        index=results("index/train.parquet"),
        classes=results("classes.csv"),
    output:
        figure=report(
            results("report/categories.svg"),
            caption="report/categories.rst",
            category=DATA,
            labels={"what": "pictures per category"},
        ),
    log:
        logs("draw_categories"),
    benchmark:
        benchmarks("draw_categories")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("draw_categories.py"),
    message:
        "Draw the distribution of categories"
    shell:
        "python scripts/draw_categories.py --index {input.index:q} --classes {input.classes:q}"
        " --output {output.figure:q} 2> {log:q}"


rule draw_times:
    input:
        # The last of all jobs that take time.
        submissions=submissions(),
        evaluations=evaluations("json"),
    output:
        figure=report(
            results("report/times.svg"),
            caption="report/times.rst",
            category=RUN,
            labels={"what": "where the time went"},
        ),
    log:
        logs("draw_times"),
    benchmark:
        benchmarks("draw_times")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("draw_times.py"),
        benchmarks=results("benchmarks"),
    message:
        "Draw where the time went"
    shell:
        "python scripts/draw_times.py --benchmarks {params.benchmarks:q} --output {output.figure:q} 2> {log:q}"


rule draw_plan:
    output:
        figure=report(results("report/plan.svg"), caption="report/plan.rst", category=RUN, labels={"what": "the plan"}),
    log:
        logs("draw_plan"),
    benchmark:
        benchmarks("draw_plan")
    conda:
        "../envs/report.yaml"
    params:
        code=sources.fingerprint("draw_plan.py"),
        configuration=planned_parts(),
    message:
        "Draw the plan"
    shell:
        "python scripts/draw_plan.py --configuration {params.configuration:q} --output {output.figure:q} 2> {log:q}"
