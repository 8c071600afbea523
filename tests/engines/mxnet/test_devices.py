"""Programs compute on GPUs that MXNet has kernels for, and on the CPU only where that was asked for."""

import uuid
from types import SimpleNamespace

import pytest

import cli
from engines.mxnet import devices, gpu_packages
from engines.mxnet.library import mx
from gpus import Gpu


@pytest.mark.parametrize("capability", [(5, 0), (6, 1), (7, 0), (8, 0), (8, 6), (8, 9)])
def test_gpus_from_maxwell_to_ada_are_taken(capability):
    devices.check_capability(0, Gpu("0", *capability, "a GPU"))


@pytest.mark.parametrize(("name", "capability"), [("NVIDIA H200", (9, 0)), ("NVIDIA B200", (10, 0)), ("K80", (3, 7))])
def test_a_gpu_without_kernels_is_named_with_the_ones_that_have_them(name, capability):
    with pytest.raises(cli.UserError, match=f"GPU 1: {name} .*5.0 to 8.9.*CUDA_VISIBLE_DEVICES.*gpu_model"):
        devices.check_capability(1, Gpu("1", *capability, name))


@pytest.fixture
def mxnet_for_gpus(monkeypatch):
    monkeypatch.setattr(mx.runtime, "Features", lambda: SimpleNamespace(is_enabled=lambda feature: feature == "CUDA"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_as_many_gpus_as_asked_for_are_used(monkeypatch):
    free = [Gpu(uuid.uuid4().hex, 7, 0, "V100") for _ in range(2)]
    monkeypatch.setattr(devices.gpus, "visible", lambda: free)
    assert devices.contexts(2) == [mx.gpu(0), mx.gpu(1)]


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_one_gpu_without_kernels_among_the_visible_is_enough_to_refuse(monkeypatch):
    monkeypatch.setattr(devices.gpus, "visible", lambda: [Gpu("0", 7, 0, "V100"), Gpu("1", 9, 0, "H100")])
    with pytest.raises(cli.UserError, match="GPU 1: H100"):
        devices.contexts(1)


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_no_gpu_asked_for_is_the_cpu():
    assert devices.contexts(0) == [mx.cpu()]


def test_mxnet_for_cpus_does_not_stand_in_for_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_packages, "FOLDER", tmp_path / "gpu")
    with pytest.raises(cli.UserError, match="2 GPUs are asked for, but MXNet for GPUs is not installed: make gpu"):
        devices.contexts(2)


def test_a_node_without_a_driver_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_packages, "FOLDER", tmp_path)
    with pytest.raises(cli.UserError, match=r"has no NVIDIA driver \(libcuda.so.1\): choose another node"):
        devices.contexts(1)
