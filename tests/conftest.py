"""What several test files share."""

import copy
from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from tiny_workflow import snakemake
from workflow import configuration


@pytest.fixture(scope="session")
def published_configuration() -> dict:
    """config.yaml with the schema's defaults, as the rules see it."""
    return configuration.complete(yaml.safe_load((ROOT / "config.yaml").read_text()), ROOT / "config.schema.yaml")


@pytest.fixture
def config(published_configuration) -> dict:
    """A copy of the published configuration that a test may change."""
    return copy.deepcopy(published_configuration)


@pytest.fixture(scope="session")
def finished_workflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of a finished run; a test that changes it copies it first."""
    folder = tmp_path_factory.mktemp("workflow")
    run = snakemake(folder, "--show-failed-logs")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder
