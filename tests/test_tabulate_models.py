"""tabulate_models.py puts measured figures beside the published ones."""

from pathlib import Path

import pandas as pd
import pytest

import tabulate_models

PUBLISHED = Path(tabulate_models.__file__).parent / "published"
MODELS = pd.read_csv(PUBLISHED / "models.csv")
ENSEMBLES = pd.read_csv(PUBLISHED / "ensembles.csv")
EVALUATION = {"products": 1000, "steps": {"networks": {"accuracy": 0.6}}, "accuracy": 0.7}
METRICS = {"train": {"images_per_second": 1234.4}, "valid": {"top1": 0.55}}


def test_a_published_model_stands_beside_its_figures_and_another_without():
    configured = {"network": "dpn-92", "dataset": "C", "epochs": 2}
    models = {"M02": configured, "M77": configured}
    rows = tabulate_models.model_rows(models, dict.fromkeys(models, METRICS), dict.fromkeys(models, EVALUATION), MODELS)
    measured = ("55.00", "60.00", "70.00", "1,000", "1,234")
    first, second = (dict(zip(tabulate_models.MODEL_HEAD, row, strict=True)) for row in rows)
    columns = ("valid pictures %", "valid products %", "with MD5 %", "measured on", "pictures/s")
    for row in (first, second):
        assert tuple(row[column] for column in columns) == measured
    assert (first["published %"], first["epochs published"]) == ("66.21", 13)
    assert (second["published %"], second["epochs published"]) == ("–", "–")  # noqa: RUF001


@pytest.mark.parametrize(("rule", "score"), [("on", "79.05"), ("off", "79.00")])
def test_an_ensembles_score_is_that_of_its_members_and_rule(rule, score):
    members = [f"M{number:02d}" for number in range(14, 0, -1)]
    [row] = tabulate_models.ensemble_rows({"all": members}, {"all": EVALUATION}, ENSEMBLES, rule)
    assert row[-1] == score


def test_the_published_table_is_the_configuration_of_the_published_solution(config):
    epochs = {
        name: sum(step["epochs"] for phase in model["phases"] for step in phase["schedule"])
        for name, model in config["models"].items()
    }
    assert dict(zip(MODELS.model, MODELS.epochs, strict=True)) == epochs
    assert dict(zip(MODELS.model, MODELS.dataset, strict=True)) == {
        name: model["dataset"] for name, model in config["models"].items()
    }
