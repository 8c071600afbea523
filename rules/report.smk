# What people look at: tables and figures, collected by `snakemake --report`.


# Written by the run: what it reached.
report: str(Path(results("report/summary.rst")).absolute())


DATA, MODELS_AND_ENSEMBLES, ANSWERS, RUN = "Catalog", "Models and ensembles", "Answers", "The run"


rule summarize_run:
    input:
        train=source("train"),
        test=source("test"),
        rejects=source("rejects"),
        classes=source("classes"),
        last_epochs=source("last_epochs"),
        evaluations=source("evaluations"),
        products=source("products"),
        submissions=source("submissions"),
    output:
        **outputs("summarize_run"),
    log:
        logs("summarize_run/{digest}"),
    benchmark:
        benchmarks("summarize_run/{digest}")
    params:
        catalog=Path(config["catalog"]).name,
        configured=json.dumps(recipes.configured(config)),
        benchmarks=results("benchmarks"),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Write what the run reached"
    shell:
        f"python {SCRIPTS}/summarize_run.py"
        " --catalog {params.catalog:q} --train-index {input.train:q}"
        " --test-index {input.test:q} --rejects {input.rejects:q} --classes {input.classes:q} --configured {params.configured:q}"
        " --last-epochs {input.last_epochs:q} --evaluations {input.evaluations:q} --products {input.products:q}"
        " --benchmarks {params.benchmarks:q} --output {output.summary:q} 2> {log:q}"


rule tabulate_evaluations:
    input:
        evaluations=source("evaluations"),
        products=source("products"),
    output:
        **outputs("tabulate_evaluations"),
    log:
        logs("tabulate_evaluations/{digest}"),
    benchmark:
        benchmarks("tabulate_evaluations/{digest}")
    params:
        configured=json.dumps(recipes.configured(config)),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Tabulate the evaluations"
    shell:
        f"python {SCRIPTS}/tabulate_evaluations.py"
        " --csv {output.csv:q} --text {output.text:q} --configured {params.configured:q}"
        " --evaluations {input.evaluations:q} --products {input.products:q} 2> {log:q}"


rule tabulate_models:
    input:
        last_epochs=source("last_epochs"),
        heads=source("heads"),
        evaluations=source("evaluations"),
        products=source("products"),
        index=source("index"),
        classes=source("classes"),
    output:
        table=report(
            outputs("tabulate_models")["table"],
            caption="report/models.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "models and ensembles"},
        ),
    log:
        logs("tabulate_models/{digest}"),
    benchmark:
        benchmarks("tabulate_models/{digest}")
    params:
        configured=json.dumps(recipes.configured(config)),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Tabulate models and ensembles"
    shell:
        f"python {SCRIPTS}/tabulate_models.py"
        " --configured {params.configured:q} --last-epochs {input.last_epochs:q} --heads {input.heads:q}"
        " --evaluations {input.evaluations:q} --products {input.products:q} --index {input.index:q}"
        " --classes {input.classes:q} --output {output.table:q}"
        f" --published-models {SCRIPTS}/{tables.PUBLISHED_MODELS}"
        f" --published-ensembles {SCRIPTS}/{tables.PUBLISHED_ENSEMBLES}"
        " 2> {log:q}"


rule draw_learning_curves:
    input:
        last_epochs=source("last_epochs"),
    output:
        figure=report(
            outputs("draw_learning_curves")["figure"],
            caption="report/learning-curves.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "learning curves"},
        ),
        table=outputs("draw_learning_curves")["table"],
    log:
        logs("draw_learning_curves/{digest}"),
    benchmark:
        benchmarks("draw_learning_curves/{digest}")
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Draw the learning curves"
    shell:
        f"python {SCRIPTS}/draw_learning_curves.py"
        " --figure {output.figure:q} --table {output.table:q}"
        " {input.last_epochs:q} 2> {log:q}"


rule draw_evaluations:
    input:
        evaluations=source("evaluations"),
        products=source("products"),
    output:
        sizes=report(
            outputs("draw_evaluations")["sizes"],
            caption="report/sizes.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "ensembles by number of models"},
        ),
        levels=report(
            outputs("draw_evaluations")["levels"],
            caption="report/levels.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "by category of the first level"},
        ),
        calibration=report(
            outputs("draw_evaluations")["calibration"],
            caption="report/calibration.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "calibration"},
        ),
    log:
        logs("draw_evaluations/{digest}"),
    benchmark:
        benchmarks("draw_evaluations/{digest}")
    params:
        ensembles=list(ENSEMBLES),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Draw what the ensembles reach"
    shell:
        f"python {SCRIPTS}/draw_evaluations.py"
        " --ensembles {params.ensembles} --evaluations {input.evaluations:q}"
        " --products {input.products:q} --sizes {output.sizes:q} --levels {output.levels:q}"
        " --calibration {output.calibration:q} 2> {log:q}"


rule draw_answers:
    input:
        products=source("products"),
    output:
        figure=report(
            outputs("draw_answers")["figure"],
            caption="report/answers.rst",
            category=ANSWERS,
            labels={"what": "how sure answers are"},
        ),
    log:
        logs("draw_answers/{digest}"),
    benchmark:
        benchmarks("draw_answers/{digest}")
    params:
        precision=options.precision(config),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Draw how sure answers are"
    shell:
        f"python {SCRIPTS}/draw_answers.py"
        " --products {input.products:q} {params.precision} --figure {output.figure:q} 2> {log:q}"


rule tabulate_answers:
    input:
        calibration=source("calibration"),
        thresholds=source("thresholds"),
        answers=source("answers"),
    output:
        table=report(
            outputs("tabulate_answers")["table"],
            caption="report/answers-table.rst",
            category=ANSWERS,
            labels={"what": "answers and batches"},
        ),
    log:
        logs("tabulate_answers/{digest}"),
    benchmark:
        benchmarks("tabulate_answers/{digest}")
    params:
        thresholds=option("--thresholds", "thresholds"),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Tabulate the answers"
    shell:
        f"python {SCRIPTS}/tabulate_answers.py"
        " --calibration {input.calibration:q} {params.thresholds}"
        " --answers {input.answers:q} --output {output.table:q} 2> {log:q}"


rule show_confusions:
    input:
        evaluation=source("evaluation"),
        classes=source("classes"),
        catalog=source("catalog"),
        index=source("index"),
    output:
        page=report(
            outputs("show_confusions")["page"],
            caption="report/confusions.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "what is confused most"},
        ),
    log:
        logs("show_confusions/{digest}"),
    benchmark:
        benchmarks("show_confusions/{digest}")
    resources:
        runtime=minutes("show_confusions"),
        mem_mb=memory("show_confusions"),
    conda:
        "../envs/report.yaml"
    message:
        "Show what is confused most"
    shell:
        f"python {SCRIPTS}/show_confusions.py"
        " --evaluation {input.evaluation:q} --classes {input.classes:q}"
        " --catalog {input.catalog:q} --index {input.index:q} --output {output.page:q} 2> {log:q}"


rule audit_labels:
    input:
        valid=source("valid"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
        index=source("index"),
        catalog=source("catalog"),
        feature_images=source("feature_images"),
        features=source("features"),
    output:
        labels=outputs("audit_labels")["labels"],
        page=report(
            outputs("audit_labels")["page"],
            caption="report/labels.rst",
            category=DATA,
            labels={"what": "labels that may be wrong"},
        ),
    log:
        logs("audit_labels/{digest}"),
    benchmark:
        benchmarks("audit_labels/{digest}")
    params:
        members=lambda _: options.said_of_valid(made(), recipes.trained(config)),
        features=lambda _, input: options.features(input.feature_images, input.features),
    resources:
        runtime=minutes("audit_labels"),
        mem_mb=memory("audit_labels"),
    conda:
        "../envs/report.yaml"
    message:
        "List labels that may be wrong"
    shell:
        f"python {SCRIPTS}/audit_labels.py"
        " {params.members} --classes {input.classes:q} --index {input.index:q} --catalog {input.catalog:q}"
        " {params.features} --output {output.labels:q} --page {output.page:q} 2> {log:q}"


rule rank_subsets:
    input:
        valid=source("valid"),
        images=source("images"),
        probabilities=source("probabilities"),
        classes=source("classes"),
        last_epochs=source("last_epochs"),
    output:
        page=report(
            outputs("rank_subsets")["page"],
            caption="report/subsets.rst",
            category=MODELS_AND_ENSEMBLES,
            labels={"what": "what how many networks give"},
        ),
    log:
        logs("rank_subsets/{digest}"),
    benchmark:
        benchmarks("rank_subsets/{digest}")
    params:
        members=lambda _: options.said_of_valid(made(), recipes.trained(config)),
    resources:
        runtime=minutes("rank_subsets"),
        mem_mb=memory("rank_subsets"),
    conda:
        "../envs/report.yaml"
    message:
        "Tabulate what how many networks give"
    shell:
        f"python {SCRIPTS}/rank_subsets.py"
        " {params.members} --classes {input.classes:q} --last-epochs {input.last_epochs:q}"
        " --output {output.page:q} 2> {log:q}"


rule draw_categories:
    input:
        index=source("index"),
        classes=source("classes"),
    output:
        figure=report(
            outputs("draw_categories")["figure"],
            caption="report/categories.rst",
            category=DATA,
            labels={"what": "pictures per category"},
        ),
    log:
        logs("draw_categories/{digest}"),
    benchmark:
        benchmarks("draw_categories/{digest}")
    resources:
        runtime=minutes("draw_categories"),
        mem_mb=memory("draw_categories"),
    conda:
        "../envs/report.yaml"
    message:
        "Draw the distribution of categories"
    shell:
        f"python {SCRIPTS}/draw_categories.py"
        " --index {input.index:q} --classes {input.classes:q}"
        " --output {output.figure:q} 2> {log:q}"


rule draw_times:
    input:
        submissions=source("submissions"),
        evaluations=source("evaluations"),
    output:
        figure=report(
            outputs("draw_times")["figure"],
            caption="report/times.rst",
            category=RUN,
            labels={"what": "where the time went"},
        ),
    log:
        logs("draw_times/{digest}"),
    benchmark:
        benchmarks("draw_times/{digest}")
    params:
        benchmarks=results("benchmarks"),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Draw where the time went"
    shell:
        f"python {SCRIPTS}/draw_times.py" " --benchmarks {params.benchmarks:q} --output {output.figure:q} 2> {log:q}"


rule draw_plan:
    output:
        figure=report(
            outputs("draw_plan")["figure"], caption="report/plan.rst", category=RUN, labels={"what": "the plan"}
        ),
    log:
        logs("draw_plan/{digest}"),
    benchmark:
        benchmarks("draw_plan/{digest}")
    params:
        configuration=json.dumps(recipes.planned_parts(config)),
    localrule: True
    conda:
        "../envs/report.yaml"
    message:
        "Draw the plan"
    shell:
        f"python {SCRIPTS}/draw_plan.py"
        " --configuration {params.configuration:q} --output {output.figure:q} 2> {log:q}"
