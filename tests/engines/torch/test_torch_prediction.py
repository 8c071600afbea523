"""PyTorch's predictor against MXNet's, and its part of predict_images.py."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from test_networks import SMALL

import cli
import engines
import reference_networks
from test_predict_images import CLASSES, IMAGE, NETWORK, SIZE, Case, case, run_here, whole
from training import checkpoints

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines import OUTPUTS
from engines.torch import devices
from engines.torch.faults import explained
from engines.torch.predictor import Predictor, load_predictor


@pytest.mark.parametrize(
    "image",
    [
        IMAGE | {"scale": 0.01},
        {"size": SIZE, "mean": [0, 0, 0], "scale": 0.005},
        {"size": SIZE, "mean": [120, 110, 100], "scale": 1.0, "deviation": [50, 60, 70]},
    ],
)
@pytest.mark.parametrize("network", SMALL)
def test_probabilities_are_those_of_mxnet(tmp_path, network, image):
    generator = np.random.default_rng(0)
    arrays = reference_networks.random_arrays(SMALL[network], SIZE, CLASSES, generator)
    checkpoints.save(tmp_path / "0001.params", *map(reference_networks.in_float32, arrays))
    pixels = generator.integers(0, 256, (6, 3, SIZE, SIZE), np.uint8)
    of_mxnet, of_torch = (
        engines.choose(name).load_predictor(
            SMALL[network], image, tmp_path / "0001.params", engines.OUTPUTS, batch_size=6, gpus=0
        )
        for name in engines.NAMES
    )
    assert of_torch.columns == of_mxnet.columns
    assert of_torch.columns["probabilities"] == CLASSES
    found, expected = of_torch.means(pixels.copy()), of_mxnet.means(pixels.copy())
    for name in engines.OUTPUTS:
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
        assert np.ptp(found[name], axis=0).max() > 1e-4, "all pictures look the same to this network"


def test_a_shard_is_predicted_as_by_mxnet(case, whole, tmp_path):
    probabilities = run_here(case, tmp_path / "0000.npy", engine="torch")
    np.testing.assert_allclose(probabilities, np.load(whole), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_a_batch_is_shared_by_all_devices(case, copies):
    pixels = np.random.default_rng(1).integers(0, 256, (6, 3, SIZE, SIZE), np.uint8)
    alone = load_predictor(NETWORK, IMAGE, case.params, OUTPUTS, batch_size=6, gpus=0)
    [network] = alone._copies.values()

    class Device(str):  # stands for the CPU, under many names
        __slots__ = ()

    shared = Predictor({Device(number): network for number in range(copies)}, IMAGE, alone.columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "inputs", lambda seen, image, _, inputs=devices.inputs: inputs(seen, image, devices.CPU))
        patch.setattr(devices, "precision", lambda _, precision=devices.precision: precision(devices.CPU))
        found, expected = shared.means(pixels), alone.means(pixels)
        for name in OUTPUTS:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


def test_damaged_weights_and_those_of_another_network_are_one_line(case, tmp_path):
    with pytest.raises(cli.UserError, match=rf"^{case.params}: \d+ of the \d+ arrays of its network match; train"):
        load_predictor(NETWORK | {"stem": 16}, IMAGE, case.params, OUTPUTS, batch_size=1, gpus=0)
    (tmp_path / "0001.params").write_bytes(b"none")
    with pytest.raises(cli.UserError, match=r"0001.params: byte 0: "):
        load_predictor(NETWORK, IMAGE, tmp_path / "0001.params", OUTPUTS, batch_size=1, gpus=0)


# Devices


def gpu(major: int, minor: int) -> SimpleNamespace:
    return SimpleNamespace(name="a GPU", major=major, minor=minor)


CUDA_13 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3), (12, 0), (13, 0)])
def test_gpus_that_kernels_or_their_compiler_know_are_taken(capability):
    devices.check_kernels(0, gpu(*capability), CUDA_13)


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (11, 0)])
def test_a_gpu_without_kernels_is_named_with_the_other_engine(capability):
    with pytest.raises(cli.UserError, match=r"^GPU 1: a GPU \(compute capability .*sm_75, .*engine: mxnet\)$"):
        devices.check_kernels(1, gpu(*capability), CUDA_13)


def test_pytorch_for_cpus_does_not_stand_in_for_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(cli.UserError, match=r"2 GPUs are asked for, but PyTorch .* is the one for CPUs"):
        devices.take(2)


def test_no_gpu_asked_for_is_the_cpu():
    assert devices.take(0) == [torch.device("cpu")]


def test_too_few_gpus_are_named(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(devices.gpus, "visible", list)
    with pytest.raises(cli.UserError, match="1 GPUs are asked for, 0 are visible"):
        devices.take(1)


def test_a_driver_that_is_too_old_is_named_with_the_other_engine(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(devices.gpus, "visible", lambda: [devices.gpus.Gpu("test_torch", 9, 0, "H100")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(cli.UserError, match=r"driver on .* is too old for PyTorch .*\(CUDA 13.0\).*engine: mxnet"):
        devices.take(1)


def test_a_full_gpu_is_one_line_with_advice():
    with (
        pytest.raises(cli.UserError, match=r"^CUDA out of memory; lower batch_size .*more memory$"),
        explained(),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has ...\nmore")


# What a machine with GPUs lacks

WITHOUT = """
import sys
for name in ("mxnet", "zmq", "bson"):
    sys.modules[name] = None
sys.path.insert(0, {scripts!r})
import engines, {module}
engines.choose("torch")
"""


@pytest.mark.parametrize("module", ["train_epochs"])
def test_a_job_needs_neither_mxnet_nor_zeromq_nor_bson(module):
    scripts = str(cli.__file__).removesuffix("/cli.py")
    command = [sys.executable, "-c", WITHOUT.format(scripts=scripts, module=module)]
    subprocess.run(command, check=True)


def test_an_engine_whose_library_is_missing_is_one_line():
    without = "import sys; sys.modules['torch'] = None; sys.path.insert(0, 'scripts'); import cli, engines\n"
    run = "try: engines.choose('torch')\nexcept cli.UserError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", without + run], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("engine: torch: its library is not installed; docs/engines.md says how to")
