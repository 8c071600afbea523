"""timm.py: timm's own networks and the converted ones give the same scores; each of our arrays is converted."""

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import networks
import public_weights
from engines.torch import operators, timm_networks
from workflow import recipes

NETWORKS = {
    "resnext-101-32x4d": "resnext101_32x4d",
    "se-resnext-101-64x4d": "seresnext101_64x4d",
    "dpn-92": "dpn92",
    "densenet-161": "densenet161",
}
MORE_NETWORKS = {
    "resnext-101-64x4d": "resnext101_64x4d",
    "dpn-98": "dpn98",
    "dpn-107": "dpn107",
    "dpn-131": "dpn131",
}
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CLASSES = 11
SIZE = 64


@pytest.fixture(scope="module")
def timm():
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: make timm")
    return timm_networks.library()


def with_random_numbers(network: torch.nn.Module) -> torch.nn.Module:
    """Statistics and scales of every size, as trained networks have them, those of dead channels included."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for array, smallest, largest in (
                (layer.weight.data, 0.3, 0.6),
                (layer.bias.data, -0.1, 0.1),
                (layer.running_mean, -0.1, 0.1),
                (layer.running_var, 0.5, 1.5),
            ):
                array.uniform_(smallest, largest, generator=generator)
            layer.running_var[:3] = torch.tensor([0.0, 3e-6, 1e-4])
            layer.weight.data[:3] = 1e-3
    return network.eval()


def agree(timm, configuration: dict, ours: str, theirs: str) -> None:
    spec = recipes.numbers(configuration["networks"][ours])
    network = with_random_numbers(timm.create_model(theirs, num_classes=CLASSES))
    arrays = {name: array.numpy() for name, array in network.state_dict().items()}
    converted = public_weights.converted(spec["family"], arrays)
    arguments, auxiliaries = networks.array_shapes(spec, SIZE, CLASSES)
    assert {name: array.shape for name, array in converted.items()} == arguments | auxiliaries

    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE)).astype(np.float32)
    if spec["family"] == "dpn":
        normalized = raw = (pictures - np.array([124, 117, 104])[:, None, None]) * 0.0167
    else:
        raw, normalized = pictures, (pictures / 255 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    own = operators.build(spec, SIZE, CLASSES).eval()
    operators.fill(own, converted, converted)
    with torch.inference_mode():
        expected = network(torch.from_numpy(normalized.astype(np.float32))).numpy()
        found = own(torch.from_numpy(raw.astype(np.float32))).numpy()
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{ours}: scores differ by {difference:.1e} of the largest")
    assert difference < 3e-6
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.parametrize(("ours", "theirs"), NETWORKS.items())
def test_converted_weights_give_the_scores_of_timm(timm, published_configuration, ours, theirs):
    agree(timm, published_configuration, ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), MORE_NETWORKS.items())
def test_all_other_networks_do_so_too(timm, published_configuration, ours, theirs):
    agree(timm, published_configuration, ours, theirs)
