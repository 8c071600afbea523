"""What several test files share."""

import copy
from pathlib import Path

import pytest
import yaml
from snakemake.utils import validate

from workflow import configuration

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def published_configuration() -> dict:
    """config.yaml with the schema's defaults, as the rules see it."""
    config = configuration.without_nulls(yaml.safe_load((ROOT / "config.yaml").read_text()))
    validate(config, str(ROOT / "config.schema.yaml"))
    return config


@pytest.fixture
def config(published_configuration) -> dict:
    """A copy of the published configuration that a test may change."""
    return copy.deepcopy(published_configuration)
