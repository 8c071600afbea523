"""The symbol for prediction."""

import cv2
import numpy as np
import pytest
from plain_recipes import recipe

from engines.mxnet.batches import validation_batches
from engines.mxnet.library import mx
from engines.mxnet.predictor import prediction_symbol

IMAGE = {"size": 32, "mean": [120.5, 110, 100], "scale": 0.25}


@pytest.mark.parametrize("image", [IMAGE, IMAGE | {"mean": [0, 0, 0], "scale": 1.0}])
def test_the_symbol_normalizes_bytes_as_training_does(tmp_path, image):
    bytes_ = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    records = mx.recordio.MXIndexedRecordIO(str(tmp_path / "x.idx"), str(tmp_path / "x.rec"), "w")
    _, png = cv2.imencode(".png", bytes_[:, :, ::-1])
    records.write_idx(0, mx.recordio.pack(mx.recordio.IRHeader(0, 0, 0, 0), png.tobytes()))
    records.close()
    trained = validation_batches(tmp_path / "x.rec", recipe(image=image, batch_size=1), threads=1).next().data[0]

    data = mx.sym.Variable("data")
    symbol = prediction_symbol(mx.sym.flatten(data) * 0.01, image)
    pixels = mx.nd.array(bytes_.transpose(2, 0, 1)[None], dtype=np.uint8)
    executor = symbol.bind(mx.cpu(), {"data": pixels}, grad_req="null")
    found = executor.forward(is_train=False)[0].asnumpy()
    expected = mx.nd.softmax(mx.nd.flatten(trained) * 0.01).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.ptp(found) > found.mean() / 10
