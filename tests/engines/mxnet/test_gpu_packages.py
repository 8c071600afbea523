"""`make gpu` brings every library that MXNet for GPUs needs, except the driver's."""

import os
import re
import subprocess

import pytest

from engines.mxnet import gpu_packages

DRIVER = "libcuda.so.1"


@pytest.mark.gpu
def test_the_driver_alone_is_missing_and_no_other_symbol_than_its_own():
    """What the dynamic loader says of libmxnet.so when it is loaded after LIBRARIES, as `use` does."""
    paths = [str(gpu_packages.FOLDER / "nvidia" / library) for library in gpu_packages.LIBRARIES]
    library = gpu_packages.FOLDER / "mxnet/libmxnet.so"
    environment = os.environ | {"LD_PRELOAD": " ".join(paths)}
    run = subprocess.run(["ldd", "-r", library], env=environment, capture_output=True, text=True, check=True)
    assert re.findall(r"(\S+) => not found", run.stdout) == [DRIVER]
    loaded = [line.split()[0] for line in run.stdout.splitlines() if str(gpu_packages.FOLDER) in line]
    assert set(paths) <= set(loaded)
    undefined = re.findall(r"undefined symbol: (\w+)", run.stdout + run.stderr)
    assert undefined
    assert [name for name in undefined if not re.match("cu[A-Z]", name)] == []


@pytest.mark.gpu
def test_each_library_is_needed():
    needed = subprocess.run(
        ["ldd", gpu_packages.FOLDER / "mxnet/libmxnet.so"], capture_output=True, text=True, check=True
    )
    missing = set(re.findall(r"(\S+) => not found", needed.stdout))
    assert missing == {DRIVER, *(library.rpartition("/")[2] for library in gpu_packages.LIBRARIES)}


def test_an_environment_without_them_uses_mxnet_for_cpus(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_packages, "FOLDER", tmp_path / "gpu")
    gpu_packages.use()
    assert str(tmp_path / "gpu") not in gpu_packages.sys.path
