"""What several test files share."""

import copy
from pathlib import Path

import pytest
import yaml

from workflow import configuration

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def published_configuration() -> dict:
    """config.yaml with the schema's defaults, as the rules see it."""
    return configuration.complete(yaml.safe_load((ROOT / "config.yaml").read_text()), ROOT / "config.schema.yaml")


@pytest.fixture
def config(published_configuration) -> dict:
    """A copy of the published configuration that a test may change."""
    return copy.deepcopy(published_configuration)
