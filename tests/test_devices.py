"""Which devices a job computes on, and which it refuses."""

import ctypes
from types import SimpleNamespace

import pytest

import cli
import devices
from mxnet_for_numpy2 import mx


@pytest.mark.parametrize("capability", [(5, 0), (6, 1), (7, 0), (8, 0), (8, 6), (8, 9)])
def test_gpus_from_maxwell_to_ada_are_taken(capability):
    devices.check_capability(0, "a GPU", *capability)


@pytest.mark.parametrize(("name", "capability"), [("NVIDIA H200", (9, 0)), ("NVIDIA B200", (10, 0)), ("K80", (3, 7))])
def test_a_gpu_without_kernels_is_named_with_the_ones_that_have_them(name, capability):
    with pytest.raises(cli.UserError, match=f"GPU 1: {name} .*5.0 to 8.9.*gpu_model"):
        devices.check_capability(1, name, *capability)


@pytest.fixture
def mxnet_for_gpus(monkeypatch):
    monkeypatch.setattr(mx.runtime, "Features", lambda: SimpleNamespace(is_enabled=lambda feature: feature == "CUDA"))


def driver_that_answers(monkeypatch, status):
    driver = SimpleNamespace(cuInit=lambda flags: status, cuDeviceGetCount=lambda count: status)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_every_granted_gpu_is_used(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [("V100", 7, 0)] * 2)
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 2)
    assert devices.contexts() == [mx.gpu(0), mx.gpu(1)]


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_one_gpu_without_kernels_among_the_granted_is_enough_to_refuse(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [("V100", 7, 0), ("H100", 9, 0)])
    with pytest.raises(cli.UserError, match="GPU 1: H100"):
        devices.contexts()


def test_mxnet_for_cpus_does_not_care_about_gpus(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [("H100", 9, 0)])
    assert devices.contexts() == [mx.cpu()]


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_a_driver_that_does_not_start_is_an_error_and_not_the_cpu(monkeypatch):
    driver_that_answers(monkeypatch, 803)
    with pytest.raises(cli.UserError, match=r"does not start \(CUDA error 803\)"):
        devices.contexts()


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_a_driver_without_a_gpu_leaves_the_cpu(monkeypatch):
    driver_that_answers(monkeypatch, devices.NO_DEVICE)
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 0)
    assert devices.contexts() == [mx.cpu()]


@pytest.mark.usefixtures("mxnet_for_gpus")
def test_without_a_gpu_the_cpu_is_used(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [])
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 0)
    assert devices.contexts() == [mx.cpu()]
