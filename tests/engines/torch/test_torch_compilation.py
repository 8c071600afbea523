"""Compiled networks: what they compute, where what is compiled stays, what happens where it fails."""

import os
import shutil

import numpy as np
import pytest

from plain_recipes import SIZE, recipe

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.torch import compilation, devices, trainer

PICTURES = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def network(**changes: object) -> torch.nn.Module:
    return trainer.prepare(recipe(dropout=0.0, **changes), 4, None, devices.CPU)


def gradients(wrapped: torch.nn.Module, network: torch.nn.Module) -> dict[str, np.ndarray]:
    network.zero_grad()
    wrapped(PICTURES).square().sum().backward()
    return {name: array.grad.numpy().copy() for name, array in network.named_parameters() if array.grad is not None}


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_network_is_the_same_function(monkeypatch, tmp_path, backend):
    """Scores, gradients and moving statistics, in training and after it; what was compiled stays in the folder."""
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    monkeypatch.setenv(compilation.CACHE, str(tmp_path))
    plain, own = network(), network()
    compiled = compilation.Compiled(own, backend)
    expected = gradients(plain.train(), plain)
    for name, array in gradients(compiled.train(), own).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=1e-4 * abs(expected[name]).max())
    for mine, others in zip(own.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, others)
    torch.testing.assert_close(compiled.eval()(PICTURES), plain.eval()(PICTURES), rtol=1e-4, atol=1e-4)
    assert compiled._compiled
    assert any(tmp_path.rglob("*.cpp")) == (backend == "inductor")


def test_a_network_that_does_not_compile_goes_on_as_it_is_with_one_line(capsys):
    def backend(graph: torch.fx.GraphModule, inputs: list) -> object:
        raise RuntimeError("no Triton\nhere")

    plain = network().train()
    compiled = compilation.Compiled(plain, backend)
    found, again = compiled(PICTURES), compiled(PICTURES)
    torch.testing.assert_close(found, plain(PICTURES))
    torch.testing.assert_close(again, plain(PICTURES))
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: the network computes without being compiled, which is slower: ")
    assert "no Triton" in line


def test_a_fault_of_the_network_itself_is_raised_as_it_is():
    with pytest.raises(RuntimeError, match=r"^running_mean should contain 2 elements"):
        compilation.Compiled(network().train(), "eager")(PICTURES[:, :2])


def test_compiled_arrays_have_the_networks_names_and_stay_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(compilation.CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain = network()
    compiled = compilation.Compiled(plain, "eager")
    assert [name.removeprefix("network.") for name, _ in compiled.named_parameters()] == [
        name for name, _ in plain.named_parameters()
    ]
    assert os.environ.pop(compilation.CACHE) == str(tmp_path / "shelfmark/compiled")


def test_on_a_cpu_networks_stay_as_they_are():
    plain = network()
    assert compilation.for_device(plain, devices.CPU) is plain
    assert isinstance(compilation.for_device(plain, torch.device("cuda", 0)), compilation.Compiled)
