"""docs/configuration.md is what document_configuration.py writes from the schema."""

import yaml

import document_configuration
from checkout import ROOT

SCHEMA = yaml.safe_load((ROOT / "config.schema.yaml").read_text())


def test_the_page_is_current():
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == document_configuration.page(SCHEMA), (
        "run: python scripts/document_configuration.py --schema config.schema.yaml --output docs/configuration.md"
    )


def test_every_key_has_a_row_and_a_meaning():
    rows = {key: meaning for key, _, _, meaning in document_configuration.rows(SCHEMA, SCHEMA)}
    for key in ("catalog", "models.NAME.phases[].schedule[].epochs", "networks.NAME.se_ratio", "ensembles.NAME.mean"):
        assert rows[key]


def test_keys_that_all_families_have_are_told_once():
    keys = [key for key, *_ in document_configuration.rows(SCHEMA, SCHEMA)]
    assert keys.count("networks.NAME.image.size") == keys.count("networks.NAME.growth") == 1
    assert keys.count("networks.NAME.groups") == 2  # resnext and dpn


def test_types_limits_and_defaults_are_told():
    schema = {
        "required": ["a"],
        "properties": {
            "a": {"type": "integer", "minimum": 1, "description": "A."},
            "b": {"enum": ["on", "off"], "default": "on"},
            "c": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
        },
    }
    assert list(document_configuration.rows(schema, schema)) == [
        ("a", "integer ≥ 1", "required", "A."),
        ("b", "`on`, `off`", "`on`", ""),
        ("c", "list of 3 number", "", ""),
    ]
