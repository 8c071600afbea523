"""workflow.configuration finds each wrong key, value or name and says where it is."""

from pathlib import Path

import pytest

import cli
from workflow import configuration

SCHEMA = Path(__file__).resolve().parents[2] / "config.schema.yaml"


def test_the_published_configuration_is_right(config):
    configuration.check(config, SCHEMA)
    configuration.check_names(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(catalogue="x"), "the top level: .*'catalogue' was unexpected"),
        (lambda c: c["models"]["M05"].update(batch_size="many"), r"models\.M05\.batch_size: 'many' is not"),
        (lambda c: c["models"]["M05"]["phases"][0].update(optimizer="lion"), r"phases\.0\.optimizer: 'lion'"),
        (lambda c: c.pop("catalog"), "the top level: 'catalog' is a required property"),
        (lambda c: c.update(valid_fraction=1.5), "valid_fraction: 1.5 is greater"),
    ],
)
def test_a_fault_against_the_schema_names_its_key(config, change, message):
    change(config)
    with pytest.raises(cli.UserError, match=message):
        configuration.check(config, SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["models"]["M05"].update(network="vgg"), r"models\.M05\.network: vgg is not in networks"),
        (
            lambda c: c["models"]["M05"].update(dataset="Z"),
            r"models\.M05\.dataset: Z is not in datasets: A, B, C",
        ),
        (lambda c: c["models"]["M11"]["start"].update(model="M99"), r"models\.M11\.start\.model: M99 is not"),
        (lambda c: c["models"]["M10"].update(start={"model": "M11"}), "M10 -> M11 -> M10 is a circle"),
        (lambda c: c["ensembles"]["ensemble-2"]["models"].append("M77"), "ensembles.ensemble-2.models: M77"),
        (lambda c: c["ensembles"]["ensemble-2"].update(weights=[1.0]), "one weight per model"),
        (lambda c: c["ensembles"].update(M05={"models": ["M05"]}), r"ensembles\.M05: a model has this name"),
    ],
)
def test_a_name_that_leads_nowhere_is_found(config, change, message):
    change(config)
    with pytest.raises(cli.UserError, match=message):
        configuration.check_names(config)


def test_null_unsets_a_key_at_any_depth():
    assert configuration.without_nulls({"a": {"b": None, "c": [{"d": None}]}, "e": None}) == {"a": {"c": [{}]}}
