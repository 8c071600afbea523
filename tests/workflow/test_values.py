"""workflow.values reads each value as its key in the schema means it."""

import datetime

import pytest
import yaml

from checkout import ROOT
from workflow import values

SCHEMA = yaml.safe_load((ROOT / "config.schema.yaml").read_text())


def test_null_unsets_a_key_at_any_depth():
    assert values.without_nulls({"a": {"b": None, "c": [{"d": None}]}, "e": None}) == {"a": {"c": [{}]}}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"models": {"M01": {"batch_size": "16"}}}, {"models": {"M01": {"batch_size": 16}}}),
        ({"models": {"M01": {"batch_size": 16.0}}}, {"models": {"M01": {"batch_size": 16}}}),
        ({"models": {"M01": {"min_transfer": "1e-1"}}}, {"models": {"M01": {"min_transfer": 0.1}}}),
        ({"models": {"M01": "null", "M02": "~"}}, {"models": {"M01": None, "M02": None}}),
        ({"models": {"M01": {"start": {"pretrained": "null"}}}}, {"models": {"M01": {"start": {"pretrained": None}}}}),
        ({"models": {"M01": {"phases": [{"mirror": "false"}]}}}, {"models": {"M01": {"phases": [{"mirror": False}]}}}),
        (
            {"models": {"M01": {"phases": [{"hsl": ["1", 2.0, 3], "schedule": [{"learning_rate": "5e-4"}]}]}}},
            {"models": {"M01": {"phases": [{"hsl": [1, 2, 3], "schedule": [{"learning_rate": 0.0005}]}]}}},
        ),
        ({"networks": {"a": {"family": "dpn", "k_r": "8"}}}, {"networks": {"a": {"family": "dpn", "k_r": 8}}}),
        (
            {"networks": {"a": {"family": "resnext", "width": "1"}}},
            {"networks": {"a": {"family": "resnext", "width": 1}}},
        ),
        ({"networks": {"a": {"family": "dpn", "units": ["3"]}}}, {"networks": {"a": {"family": "dpn", "units": [3]}}}),
        ({"postprocessing": {"picture_md5": False}}, {"postprocessing": {"picture_md5": "off"}}),
        ({"postprocessing": {"picture_md5": "off"}}, {"postprocessing": {"picture_md5": "off"}}),
        ({"postprocessing": {"product_md5": "off"}}, {"postprocessing": {"product_md5": False}}),
        ({"postprocessing": {"product_md5": "True"}}, {"postprocessing": {"product_md5": True}}),
        ({"results": 2024}, {"results": "2024"}),
        ({"results": datetime.date(2024, 11, 25)}, {"results": "2024-11-25"}),
        ({"results": "2024"}, {"results": "2024"}),
        ({"ensembles": {2024: {"models": ["M01"]}}}, {"ensembles": {"2024": {"models": ["M01"]}}}),
        ({"pretrained": "", "results": "None"}, {"pretrained": None, "results": None}),
    ],
)
def test_a_value_is_read_as_its_key_wants_it(written, meant):
    typed = values.typed(written, SCHEMA, SCHEMA)
    assert typed == meant
    assert repr(typed) == repr(meant)  # which 1, 1.0 and True do not share


@pytest.mark.parametrize(
    "written",
    [
        {"models": {"M01": {"batch_size": "many"}}},
        {"models": {"M01": {"batch_size": 1.5}}},
        {"models": {"M01": {"batch_size": True}}},
        {"models": {"M01": {"batch_size": "nan"}}},
        {"models": {"M01": ["16"]}},
        {"models": "16"},
        {"results": 1.5},
        {"results": False},
        {"postprocessing": {"picture_md5": True, "product_md5": 1}},
        {"networks": {"a": {"family": "dpn", "growth": "8"}}},
        {"nobody": {"knows": "1"}},
    ],
)
def test_a_value_that_fits_nothing_is_left_for_the_check(written):
    assert values.typed(written, SCHEMA, SCHEMA) == written


def test_defaults_are_filled_in_at_every_depth_and_change_no_value(config):
    sparse = {"training": {"seed": 7}, "models": {"M01": {"phases": [{"dropout": 0.5}]}}}
    filled = values.with_defaults(sparse, SCHEMA, SCHEMA)
    assert (filled["training"]["seed"], filled["training"]["momentum"]) == (7, 0.9)
    assert filled["prediction"]["shards"] == 16
    assert filled["models"]["M01"]["start"] == {}
    assert filled["models"]["M01"]["phases"] == [
        {"dropout": 0.5, "label_smoothing": 0.0, "body_rate": 1.0, "train": "all", "mirror": True, "hsl": [0, 0, 0]}
    ]
    assert sparse == {"training": {"seed": 7}, "models": {"M01": {"phases": [{"dropout": 0.5}]}}}
