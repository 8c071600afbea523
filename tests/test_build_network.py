"""The symbol for prediction."""

import json
import sys

import cv2
import numpy as np
import pytest

import build_network
import train_epochs
from mxnet_for_numpy2 import mx
from training import checkpoints
from training.records import validation_batches

NETWORK = {
    "family": "dpn",
    "stem": 8,
    "units": [1, 1],
    "filters": [16, 32],
    "increments": [16, 16],
    "k_r": 8,
    "groups": 2,
}


IMAGE = {"size": 32, "mean": [120.5, 110, 100], "scale": 0.25}


def test_the_symbol_turns_pictures_into_probabilities_and_has_the_arrays_of_training(tmp_path, monkeypatch, capsys):
    (tmp_path / "classes.csv").write_text(
        "class_id,category_id,level1,level2,level3\n" + "".join(f"{k},{k},A,B,C\n" for k in range(5))
    )
    words = ["--network", json.dumps(NETWORK), "--classes", tmp_path / "classes.csv", "--image", json.dumps(IMAGE)]
    monkeypatch.setattr(sys, "argv", [str(word) for word in ["_", *words, "--output", tmp_path / "symbol.json"]])
    build_network.main()

    symbol = mx.sym.load(str(tmp_path / "symbol.json"))
    trained = train_epochs.training_symbol(
        {"network": NETWORK, "image": IMAGE, "dropout": 0.3, "label_smoothing": 0.1}, 5
    )
    arguments, auxiliaries = checkpoints.shapes(symbol, 32)
    assert (arguments, auxiliaries) == checkpoints.shapes(trained, 32)
    values = sum(int(np.prod(shape)) for shape in arguments.values())
    told = f"{len(arguments)} + {len(auxiliaries)} arrays, {values} parameters, 5 classes"
    assert told in capsys.readouterr().err

    executor = symbol.simple_bind(mx.cpu(), data=(2, 3, 32, 32), type_dict={"data": np.uint8}, grad_req="null")
    for array in [*executor.arg_dict.values(), *executor.aux_dict.values()]:
        array[:] = mx.nd.random.uniform(0.1, 1, array.shape)
    probabilities = executor.forward(is_train=False)[0].asnumpy()
    assert probabilities.shape == (2, 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("image", [IMAGE, IMAGE | {"mean": [0, 0, 0], "scale": 1.0}])
def test_the_symbol_normalizes_bytes_as_training_does(tmp_path, image):
    bytes_ = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    records = mx.recordio.MXIndexedRecordIO(str(tmp_path / "x.idx"), str(tmp_path / "x.rec"), "w")
    _, png = cv2.imencode(".png", bytes_[:, :, ::-1])
    records.write_idx(0, mx.recordio.pack(mx.recordio.IRHeader(0, 0, 0, 0), png.tobytes()))
    records.close()
    recipe = {"image": image, "batch_size": 1}
    trained = validation_batches(tmp_path / "x.rec", recipe, threads=1).next().data[0]

    data = mx.sym.Variable("data")
    symbol = build_network.prediction_symbol(mx.sym.flatten(data) * 0.01, image)
    pixels = mx.nd.array(bytes_.transpose(2, 0, 1)[None], dtype=np.uint8)
    executor = symbol.bind(mx.cpu(), {"data": pixels}, grad_req="null")
    found = executor.forward(is_train=False)[0].asnumpy()
    expected = mx.nd.softmax(mx.nd.flatten(trained) * 0.01).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.ptp(found) > found.mean() / 10
