"""PyTorch's optimizers against MXNet's: the same weights after the same gradients, and states that cross over."""

from pathlib import Path

import numpy as np
import pytest

import cli
from engines.mxnet.library import mx
from plain_recipes import recipe
from training.recipe import Recipe

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.mxnet import optimizers as of_mxnet
from engines.torch import optimizers as of_torch

BATCH = 8
SHAPES = {"conv_weight": (4, 3, 2, 2), "bn_gamma": (4,), "bn_beta": (4,), "fc_weight": (5, 4), "fc_bias": (5,)}
# A warm-up, then falls by 5: PyTorch's own momentum would weigh the steps before them otherwise.
RATES = [0.02, 0.1, 0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.004]
GENERATOR = np.random.default_rng(0)
WEIGHTS = {name: GENERATOR.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
GRADIENTS = [
    {name: GENERATOR.normal(0, 0.1, shape).astype(np.float32) for name, shape in SHAPES.items()} for _ in RATES
]


def settings(optimizer: str) -> Recipe:
    return recipe(optimizer=optimizer, momentum=0.9, weight_decay=0.05, body_rate=0.5, batch_size=BATCH)


class InMxnet:
    """What a module holds, for the functions that save and load it."""

    _update_on_kvstore = False

    def __init__(self, name: str) -> None:
        optimizer = of_mxnet.create(settings(name), list(SHAPES))
        optimizer.idx2name = dict(enumerate(SHAPES))
        self._updater = mx.optimizer.get_updater(optimizer)
        self.weights = {name: mx.nd.array(array) for name, array in WEIGHTS.items()}

    def step(self, gradients: dict, rate: float) -> None:
        self._updater.optimizer.lr = rate
        for index, name in enumerate(SHAPES):
            self._updater(index, mx.nd.array(gradients[name] * BATCH), self.weights[name])

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: array.asnumpy() for name, array in self.weights.items()}

    def save(self, path: Path) -> None:
        of_mxnet.save_states(self, path)

    def load(self, path: Path) -> None:
        of_mxnet.load_states(self, path)


class InTorch:
    def __init__(self, name: str) -> None:
        self.weights = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in WEIGHTS.items()}
        self._optimizer = of_torch.create(settings(name), self.weights)

    def step(self, gradients: dict, rate: float) -> None:
        for name, array in self.weights.items():
            array.grad = torch.tensor(gradients[name])
        self._optimizer.step(rate)

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: array.detach().numpy().copy() for name, array in self.weights.items()}

    def save(self, path: Path) -> None:
        self._optimizer.save(path, {})

    def load(self, path: Path) -> None:
        self._optimizer.load(path, list(SHAPES))


def run(engine: type, name: str, steps: slice = slice(None)) -> InMxnet | InTorch:
    own = engine(name)
    for gradients, rate in zip(GRADIENTS[steps], RATES[steps], strict=True):
        own.step(gradients, rate)
    return own


def assert_close(found: dict, expected: dict) -> None:
    """Within 2e-5 of the way that an array has gone: MXNet computes Adam's 1 - 0.999 in float32."""
    for name, array in expected.items():
        way = np.abs(array - WEIGHTS[name]).max()
        np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=2e-5 * way, err_msg=name)


@pytest.mark.parametrize("name", of_torch.RULES)
def test_weights_after_many_steps_are_those_of_mxnet(name):
    assert_close(run(InTorch, name).arrays(), run(InMxnet, name).arrays())


@pytest.mark.parametrize("name", of_torch.RULES)
@pytest.mark.parametrize(("first", "second"), [(InMxnet, InTorch), (InTorch, InMxnet)])
def test_a_training_goes_on_in_the_other_engine(tmp_path, name, first, second):
    whole = run(second, name).arrays()
    before = run(first, name, slice(5))
    before.save(tmp_path / "0001.states")
    after = second(name)
    after.load(tmp_path / "0001.states")
    for array, value in before.arrays().items():
        if second is InTorch:
            after.weights[array].data = torch.tensor(value)
        else:
            after.weights[array][:] = value
    for gradients, rate in zip(GRADIENTS[5:], RATES[5:], strict=True):
        after.step(gradients, rate)
    assert_close(after.arrays(), whole)


@pytest.mark.parametrize("name", of_torch.RULES)
def test_both_engines_write_the_same_states(tmp_path, name):
    """But for the rounding of their numbers."""
    files = []
    for engine in (InMxnet, InTorch):
        path = tmp_path / engine.__name__
        run(engine, name).save(path)
        files.append(np.load(path))
    first, second = files
    assert first.files == second.files
    assert str(first["header"]) == str(second["header"])
    for part in first.files[1:]:
        np.testing.assert_allclose(second[part], first[part], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", of_torch.RULES)
def test_an_array_without_a_gradient_stays_as_it_is(name):
    own = InTorch(name)
    for array in ("conv_weight", "fc_weight"):
        own.weights[array].grad = torch.tensor(GRADIENTS[0][array])
    own._optimizer.step(0.1)
    changed = {array for array, value in own.arrays().items() if not np.array_equal(value, WEIGHTS[array])}
    assert changed == {"conv_weight", "fc_weight"}


def test_frozen_arrays_keep_their_values_and_have_no_states(tmp_path):
    weights = InTorch("adam").weights
    for name in ("conv_weight", "bn_gamma", "bn_beta"):
        weights[name].requires_grad_(False)
    optimizer = of_torch.create(settings("adam"), weights)
    for name, array in weights.items():
        array.grad = torch.tensor(GRADIENTS[0][name])
    optimizer.step(0.1)
    changed = {name for name, array in weights.items() if not np.array_equal(array.detach(), WEIGHTS[name])}
    assert changed == {"fc_weight", "fc_bias"}
    optimizer.save(tmp_path / "0001.states", {})
    assert set(np.load(tmp_path / "0001.states").files) == {"header", "3/0", "3/1", "4/0", "4/1"}


@pytest.mark.parametrize("shape", [(5, 3), (4, 5)])
def test_states_of_another_network_are_one_line(tmp_path, shape):
    own = InTorch("sgd")
    own.save(tmp_path / "0001.states")
    other = {**own.weights, "fc_weight": torch.nn.Parameter(torch.zeros(shape))}
    with pytest.raises(cli.UserError, match=r"0001.states: no states of fc_weight; train the epoch before again"):
        of_torch.create(settings("sgd"), other).load(tmp_path / "0001.states", list(SHAPES))
