"""What several test files share."""

import copy
import fcntl
import os
import shutil
import subprocess
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
    """The working directory of a finished run, one for all workers of pytest; who changes it copies it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "workflow"
    with (base / "workflow.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lock.seek(0, os.SEEK_END) == 0:  # no other worker has made it
            folder.mkdir()
            run = snakemake(folder, "--show-failed-logs")
            assert run.returncode == 0, run.stdout + run.stderr
            lock.write("finished")
    return folder


@pytest.fixture(scope="session")
def gpu_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-in of NVIDIA's driver on a machine with two GPUs."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the stand-in of NVIDIA's driver")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("driver_of_two_gpus.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source], check=True)
    return folder
