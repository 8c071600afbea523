"""A student: what it waits for, what makes it stale, what it is measured on, and who cannot be its teacher."""

import copy

import pytest
from test_staleness import EPOCHS, Results, phases, training

import cli
from checkout import ROOT
from workflow import configuration, recipes

# On the split of M01, M10 and M11; M09, another member of its teacher, trained on the other one.
STUDENT = {
    "network": "resnext-101-32x4d",
    "dataset": "A",
    "batch_size": 32,
    "engine": "torch",
    "phases": [
        {"optimizer": "adam", "schedule": [{"learning_rate": 0.003, "epochs": 1}]},
        {"optimizer": "adam", "teacher": "ensemble-4", "schedule": [{"learning_rate": 0.003, "epochs": 2}]},
    ],
}
MODELS = {"models": {"S": STUDENT}}
LESSON = "train-12648430"
OF_ALL = ("/report/", "/audit/", "/summary.")  # tables of all models


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path, MODELS)


@pytest.fixture
def plain(tmp_path):
    return Results(tmp_path / "plain", {})


def student(**changes: object) -> dict:
    taught = [STUDENT["phases"][0], STUDENT["phases"][1] | changes]
    return {"models": {"S": {"phases": taught}}}


def lessons(*models: str) -> set[str]:
    return {f"predict_images {LESSON} {model} {shard}" for model in models for shard in ("0000", "0001")} | {
        f"average_models {LESSON} ensemble-4 {shard}" for shard in ("0000", "0001")
    }


def of_student(jobs: set[str]) -> set[str]:
    return {job for job in jobs if job.split()[0] in ("train_epochs", "list_images") or LESSON in job}


def test_a_student_waits_for_what_its_teacher_says_of_the_train_pictures(plain):
    jobs = of_student(plain.jobs(MODELS))
    assert jobs == {f"list_images {LESSON}"} | lessons(*EPOCHS) | {f"train_epochs S {epoch:04d}" for epoch in (1, 2, 3)}
    made = plain.artifacts(MODELS)
    first, second, third = made.models.epochs["S"]
    assert first.sources["taught"] == first.sources["taught_images"] == []
    assert len(second.sources["taught"]) == len(third.sources["taught"]) == 2
    assert second.recipe["teacher"] == third.recipe["teacher"] != "ensemble-4"
    assert "teacher" not in first.recipe


def test_an_added_student_makes_nothing_else_stale(plain):
    """Neither does a key that nobody sets."""
    before = {path for artifact in plain.artifacts({}).everything() for path in artifact.files.values()}
    after = {path for artifact in plain.artifacts(MODELS).everything() for path in artifact.files.values()}
    assert {path for path in before - after if not any(part in path for part in OF_ALL)} == set()


def test_a_member_trained_otherwise_teaches_otherwise(results):
    jobs = of_student(results.jobs(phases("M01", 1, {"learning_rate": 0.002})))
    assert jobs == lessons("M01") | {"train_epochs M01 0003", "train_epochs S 0002", "train_epochs S 0003"}
    changed = results.why(phases("M01", 1, {"learning_rate": 0.002}))
    assert changed["train_epochs S 0002"] == "what it is made from changes"


def test_another_rate_of_the_student_asks_for_no_prediction_of_its_teacher(results):
    jobs = of_student(results.jobs(student(schedule=[{"learning_rate": 0.001, "epochs": 2}])))
    assert jobs == {"train_epochs S 0002", "train_epochs S 0003"}


def test_a_student_is_measured_on_products_that_no_member_of_its_teacher_trained_on(results):
    config = results.artifacts({}).config
    assert set(recipes.lineage(config, "S")) == {"S", *EPOCHS}
    assert recipes.ancestor_seeds(config, "S") == [1]
    evaluation = results.artifacts({}).answers.evaluations["S"]
    assert list(evaluation.recipe["ancestors"]) == ["1"]


def test_a_student_may_teach(results):
    change = {"ensembles": {"of-one": {"models": ["S"]}}, "models": {"A0": copy.deepcopy(STUDENT)}}
    change["models"]["A0"]["phases"][1]["teacher"] = "of-one"
    jobs = of_student(results.jobs(change))
    assert {f"train_epochs A0 {epoch:04d}" for epoch in (1, 2, 3)} <= jobs
    assert not jobs & (training("M01") | {"train_epochs S 0003"})
    assert f"predict_images {LESSON} S 0000" in jobs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["models"]["S"].update(engine="mxnet"), r"models\.S\.phases\.1\.teacher: mxnet has none; leave it"),
        (
            lambda c: c["models"]["S"]["phases"][1].update(teacher="x"),
            r"models\.S\.phases\.1\.teacher: x is not in ensembles: ensemble-1",
        ),
        (lambda c: c["models"]["S"]["phases"][1].update(label_smoothing=0.1), "a student learns no labels"),
        (
            lambda c: c["ensembles"]["ensemble-4"]["models"].append("S"),
            r"models\.S: S -> S is a circle of starts and t",
        ),
        (
            lambda c: c["models"]["M10"].update(start={"model": "S"}),
            r"models\.M10: M10 -> S -> M10 is a circle of starts and teachers",
        ),
        (
            lambda c: c["ensembles"]["ensemble-4"].update(mean="learned"),
            "ensemble-4 teaches nothing: it learns its mean",
        ),
        (lambda c: c.update(only=["S", "M01"]), "only: S learns from ensemble-4; name M09, M10, M11 too"),
    ],
)
def test_who_cannot_be_a_teacher_is_one_line(results, change, message):
    config = copy.deepcopy(results.artifacts({}).config)
    change(config)
    with pytest.raises(cli.UserError, match=message) as raised:
        configuration.complete(config, ROOT / "config.schema.yaml")
    assert "\n" not in str(raised.value)
