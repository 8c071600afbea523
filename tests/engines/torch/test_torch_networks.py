"""The family modules in PyTorch against the same in MXNet: names, scores and gradients with the same weights."""

import numpy as np
import pytest
from test_networks import SIZES, SMALL, forward, spec_of

import networks
import reference_networks
from engines.mxnet.library import mx

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.torch import operators

CLASSES = 7


def random_arrays(spec: dict, size: int) -> tuple[dict, dict]:
    return reference_networks.random_arrays(spec, size, CLASSES, np.random.default_rng(0))


def settled_arrays(spec: dict, size: int) -> tuple[dict, dict]:
    """Random arrays whose moving statistics are those of some pictures, as in a trained network.

    With other statistics, numbers grow from layer to layer until float32's rounding decides the scores.
    """
    network = in_torch(spec, size, random_arrays(spec, size), torch.float64)
    for layer in network.children():
        if isinstance(layer, operators.BatchNorm):
            layer.share_of_batch = 1.0
    with torch.no_grad():
        network.train()(torch.from_numpy(pictures(4, size)))
    return operators.numbers(network)


def pictures(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (count, 3, size, size))


def in_torch(spec: dict, size: int, arrays: tuple[dict, dict], dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    network = operators.build(spec, size, CLASSES).to(dtype)
    operators.fill(network, *arrays)
    return network


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest number."""
    return np.abs(found - expected).max() / np.abs(expected).max()


def scores(network: torch.nn.Module, data: np.ndarray) -> np.ndarray:
    dtype = next(network.parameters()).dtype
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(data).to(dtype)).numpy()


def gradients_of_torch(network: torch.nn.Module, data: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Of the sum of cross entropies, in training; and the moving statistics after it."""
    dtype = next(network.parameters()).dtype
    found = network.train()(torch.from_numpy(data).to(dtype))
    torch.nn.functional.cross_entropy(found, torch.from_numpy(labels), reduction="sum").backward()
    learned = {name: array.grad for name, array in operators.learned_arrays(network).items()}
    arrays = learned | operators.moving_statistics(network)
    return {name: array.numpy() for name, array in arrays.items() if array is not None}


def gradients_of_mxnet(
    spec: dict, arrays: tuple[dict, dict], data: np.ndarray, labels: np.ndarray, dtype: type = np.float32
) -> dict[str, np.ndarray]:
    symbol = mx.sym.SoftmaxOutput(networks.build(mx.sym, spec, data.shape[2], CLASSES), name="softmax")
    dtypes = dict.fromkeys(symbol.list_arguments(), dtype)
    executor = symbol.simple_bind(
        mx.cpu(), data=data.shape, softmax_label=labels.shape, grad_req="write", type_dict=dtypes
    )
    inputs = {"data": data, "softmax_label": labels} | arrays[0] | arrays[1]
    for name, array in (executor.arg_dict | executor.aux_dict).items():
        array[:] = mx.nd.array(inputs[name], dtype=array.dtype)
    executor.forward(is_train=True)
    executor.backward()
    mx.nd.waitall()
    found = {name: array.asnumpy() for name, array in (executor.grad_dict | executor.aux_dict).items()}
    return {name: array for name, array in found.items() if name not in ("data", "softmax_label")}


@pytest.mark.parametrize("network", [*SIZES, *SMALL])
def test_arrays_have_mxnets_names_shapes_and_order(published_configuration, network):
    """The order decides what Nadam does with its first batches."""
    spec = SMALL.get(network) or spec_of(published_configuration, network)
    symbol = networks.build(mx.sym, spec, 64, CLASSES)
    arguments, auxiliaries = networks.array_shapes(spec, 64, CLASSES)
    with torch.device("meta"):
        found = operators.build(spec, 64, CLASSES)
    assert ["data", *operators.learned_arrays(found)] == sorted(
        symbol.list_arguments(), key=lambda name: name != "data"
    )
    assert list(operators.moving_statistics(found)) == symbol.list_auxiliary_states()
    assert {name: array.shape for name, array in operators.learned_arrays(found).items()} == arguments
    assert {name: array.shape for name, array in operators.moving_statistics(found).items()} == auxiliaries


@pytest.mark.parametrize("size", [41, 64])  # odd sides meet every rounding, even ones uneven padding
@pytest.mark.parametrize("name", SMALL)
def test_a_network_computes_what_mxnet_computes(name, size):
    spec, data = SMALL[name], pictures(2, size)
    arrays = random_arrays(spec, size)
    expected = forward(networks.build(mx.sym, spec, size, CLASSES), arrays[0] | arrays[1], data)
    assert relative_difference(scores(in_torch(spec, size, arrays), data), expected) < 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("network", SIZES)
def test_a_network_of_full_size_computes_what_mxnet_computes(published_configuration, network):
    spec, data = spec_of(published_configuration, network), pictures(1, 180)
    arrays = settled_arrays(spec, 180)
    expected = forward(networks.build(mx.sym, spec, 180, CLASSES), arrays[0] | arrays[1], data)
    found = scores(in_torch(spec, 180, arrays), data)
    exact = scores(in_torch(spec, 180, arrays, torch.float64), data)
    difference, of_torch, of_mxnet = map(relative_difference, (found, found, expected), (expected, exact, exact))
    print(f"{network}: {difference:.1e}; from float64: torch {of_torch:.1e}, mxnet {of_mxnet:.1e}")
    assert difference < 5e-4
    assert of_torch < 3 * of_mxnet + 1e-6


@pytest.mark.parametrize("name", SMALL)
def test_gradients_and_moving_statistics_are_those_of_mxnet(name):
    """Both engines in float64: in float32 one activation on the other side of a ReLU changes 1 % of a gradient."""
    assert_same_gradients(SMALL[name], pictures(4, 41), np.array([0, 3, 6, 3]), random_arrays(SMALL[name], 41))


def assert_same_gradients(spec: dict, data: np.ndarray, labels: np.ndarray, arrays: tuple[dict, dict]) -> dict:
    """In float64; returns them."""
    found = gradients_of_torch(in_torch(spec, data.shape[2], arrays, torch.float64), data, labels)
    expected = gradients_of_mxnet(spec, arrays, data, labels, np.float64)
    assert not expected.pop("bn_data_gamma", np.zeros(1)).any()  # fixed, and without a gradient in PyTorch
    assert set(found) == set(expected)
    for array, values in expected.items():
        rounding = 1e-6 * np.abs(values).max() + 1e-9  # MXNet's momentum and eps are float32
        np.testing.assert_allclose(found[array], values, rtol=0, atol=rounding, err_msg=array)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("network", SIZES)
def test_gradients_of_full_size_are_those_of_mxnet(published_configuration, network):
    """In float64, of small pictures; how far float32's are from them in either engine is printed."""
    spec, data, labels = spec_of(published_configuration, network), pictures(4, 64), np.array([0, 3, 6, 3])
    arrays = settled_arrays(spec, 64)
    exact = assert_same_gradients(spec, data, labels, arrays)
    in_single = {
        "torch": gradients_of_torch(in_torch(spec, 64, arrays), data, labels),
        "mxnet": gradients_of_mxnet(spec, arrays, data, labels),
    }
    for engine, found in in_single.items():
        distances = sorted(relative_difference(found[name], exact[name]) for name in exact if name.endswith("_weight"))
        print(f"{network}, {engine}: median {distances[len(distances) // 2]:.1e}, largest {distances[-1]:.1e}")
