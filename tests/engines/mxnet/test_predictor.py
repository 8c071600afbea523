"""The MXNet engine's predictor: what its network sees, and how devices share a batch."""

import cv2
import numpy as np
import pytest

from engines.mxnet.batches import validation_batches
from engines.mxnet.library import mx
from engines.mxnet.predictor import Predictor, prediction_symbol
from plain_recipes import recipe
from training import checkpoints

CLASSES, SIZE = 5, 32
IMAGE = {"size": SIZE, "mean": [120.5, 110, 100], "scale": 0.25}


@pytest.mark.parametrize("image", [IMAGE, IMAGE | {"mean": [0, 0, 0], "scale": 1.0}])
def test_the_symbol_normalizes_bytes_as_training_does(tmp_path, image):
    bytes_ = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    records = mx.recordio.MXIndexedRecordIO(str(tmp_path / "x.idx"), str(tmp_path / "x.rec"), "w")
    _, png = cv2.imencode(".png", bytes_[:, :, ::-1])
    records.write_idx(0, mx.recordio.pack(mx.recordio.IRHeader(0, 0, 0, 0), png.tobytes()))
    records.close()
    trained = validation_batches(tmp_path / "x.rec", recipe(image=image, batch_size=1), threads=1).next().data[0]

    data = mx.sym.Variable("data")
    symbol = prediction_symbol([mx.sym.softmax(mx.sym.flatten(data) * 0.01)], image)
    pixels = mx.nd.array(bytes_.transpose(2, 0, 1)[None], dtype=np.uint8)
    executor = symbol.bind(mx.cpu(), {"data": pixels}, grad_req="null")
    found = executor.forward(is_train=False)[0].asnumpy()
    expected = mx.nd.softmax(mx.nd.flatten(trained) * 0.01).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.ptp(found) > found.mean() / 10


class Linear:
    """A network whose probabilities are told at once: a matrix times the pixels."""

    def __init__(self) -> None:
        self.weights = np.random.default_rng(6).normal(0, 0.002, (CLASSES, 3 * SIZE * SIZE)).astype(np.float32)

    def predictor(self, *contexts: mx.Context) -> Predictor:
        scores = mx.sym.FullyConnected(mx.sym.flatten(mx.sym.Variable("data")), num_hidden=CLASSES, name="fc")
        arrays = {"fc_weight": self.weights, "fc_bias": np.zeros(CLASSES, np.float32)}
        weights = checkpoints.Transfer(arrays, {}, len(arrays))
        symbol = prediction_symbol([mx.sym.softmax(scores)], IMAGE)
        return Predictor(symbol, ["probabilities"], weights, SIZE, 6, [*contexts])

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """The mean over each picture and its mirror, by plain NumPy."""
        values = (pixels - np.array(IMAGE["mean"]).reshape(1, 3, 1, 1)) * IMAGE["scale"]
        powers = [np.exp(seen.reshape(len(pixels), -1) @ self.weights.T) for seen in (values, values[..., ::-1])]
        return np.mean([each / each.sum(axis=1, keepdims=True) for each in powers], axis=0)


# Any context but cpu(0) is treated as a GPU, so that CPUs show what GPUs do.
@pytest.mark.parametrize("devices", [[0], [1], [1, 2], [1, 2, 3, 4], range(1, 10)])
def test_a_batch_is_shared_by_all_devices(devices):
    network = Linear()
    predictor = network.predictor(*map(mx.cpu, devices))
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 3, SIZE, SIZE), np.uint8)
        expected = network.probabilities(pixels)
        np.testing.assert_allclose(predictor.means(pixels)["probabilities"], expected, rtol=1e-4)


def test_batches_in_different_memory_do_not_disturb_each_other():
    network = Linear().predictor(mx.cpu())
    first, second = np.random.default_rng(1).integers(0, 256, (2, 6, 3, SIZE, SIZE), np.uint8)
    expected = [network.means(batch.copy())["probabilities"] for batch in (first, second)]
    for _ in range(2):  # the mirror of the mirror has the same mean
        np.testing.assert_array_equal(network.means(first)["probabilities"], expected[0])
        np.testing.assert_array_equal(network.means(second)["probabilities"], expected[1])
