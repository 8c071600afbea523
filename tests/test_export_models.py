"""export_models.py: what it refuses, and its configuration. tests/runs/test_batches.py runs what it writes."""

import pytest

import export_models
from configurations import write
from programs import error_of, run

ANSWERS = ("ensembles:\n", "answers: {ensemble: ensemble-2}\nensembles:\n")


def test_without_an_ensemble_that_answers_there_is_nothing_to_export(tmp_path):
    write(tmp_path / "a.yaml")
    done = run("export_models", tmp_path / "a.yaml", "--output", tmp_path / "exported")
    assert "answers.ensemble: missing; name the ensemble that answers" in error_of(done)
    assert not (tmp_path / "exported").exists()


def test_what_is_not_made_yet_is_named_with_the_command_that_makes_it(tmp_path):
    write(tmp_path / "a.yaml", ANSWERS)
    line = error_of(run("export_models", tmp_path / "a.yaml", "--output", tmp_path / "exported"))
    assert f"{tmp_path}/results/" in line
    assert line.endswith(f"not made yet; run it first: snakemake --cores all --configfile {tmp_path}/a.yaml")
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize(
    ("config", "base", "expected"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": None}),
        ({"a": {"b": 1}, "d": 4}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1, "c": None}, "d": 4}),
        ({}, {"a": {"b": 2}}, {"a": None}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1]}),
    ],
)
def test_an_overlay_gives_the_configuration_on_any_base(config, base, expected):
    assert export_models.overlay(config, base) == expected
