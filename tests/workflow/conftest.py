"""A finished run of the smallest workflow, shared by the tests of the DAG."""

from pathlib import Path

import pytest
from tiny_workflow import snakemake


@pytest.fixture(scope="session")
def finished_workflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of a finished run; a test that changes it copies it first."""
    folder = tmp_path_factory.mktemp("workflow")
    run = snakemake(folder, "--show-failed-logs")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder
