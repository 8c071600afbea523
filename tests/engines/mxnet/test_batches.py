"""Batches of records: what MXNet makes of the options that it is given."""

import re
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from engines.mxnet import batches
from engines.mxnet.library import mx
from plain_recipes import recipe
from training.recipe import Recipe

SIZE, COUNT = 16, 24
COLOUR = (60, 120, 180)  # blue, green, red


def settings(**changes: object) -> Recipe:
    image = {"size": SIZE, "mean": [0, 0, 0], "scale": 1.0}
    return recipe(**{"image": image, "batch_size": COUNT, "mirror": False, "hsl": [0, 0, 0]} | changes)


@pytest.fixture(scope="module")
def plain_pictures(tmp_path_factory):
    """Records of pictures of one colour."""
    path = tmp_path_factory.mktemp("records") / "train.rec"
    jpeg = cv2.imencode(".jpg", np.full((SIZE, SIZE, 3), COLOUR, np.uint8))[1].tobytes()
    writer = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number in range(COUNT):
        writer.write_idx(number, mx.recordio.pack(mx.recordio.IRHeader(0, 0, number, 0), jpeg))
    writer.close()
    return path


def hls(path, **changes: object) -> np.ndarray:
    """Hue, lightness and saturation (8 bit) of the middle of each picture as training sees it."""
    batch = next(batches.training_batches(path, settings(**changes), epoch=1, threads=1)).data[0].asnumpy()
    assert np.ptp(batch, axis=(2, 3)).max() <= 1  # a shift is one for the whole picture
    middle = batch[:, :, SIZE // 2, SIZE // 2].round().astype(np.uint8)
    return cv2.cvtColor(middle[None], cv2.COLOR_RGB2HLS)[0].astype(int)


def test_without_jitter_pictures_stay_as_they_are(plain_pictures):
    expected = cv2.cvtColor(np.uint8([[COLOUR]]), cv2.COLOR_BGR2HLS)[0, 0]
    assert np.abs(hls(plain_pictures) - expected).max() <= 2


@pytest.mark.parametrize(("channel", "bounds"), [(0, [30, 0, 0]), (2, [0, 30, 0]), (1, [0, 0, 30])], ids="HSL")
def test_jitter_shifts_one_channel_within_its_bound_and_no_other(plain_pictures, channel, bounds):
    shifts = hls(plain_pictures, hsl=bounds) - hls(plain_pictures)
    assert len(set(shifts[:, channel])) > 5
    assert 15 < np.abs(shifts[:, channel]).max() <= 30 + 4
    assert np.abs(np.delete(shifts, channel, axis=1)).max() <= 4  # 8-bit rounding on the way to RGB and back


@pytest.mark.parametrize("make", [batches.training_batches, batches.validation_batches])
def test_mxnet_knows_every_option(plain_pictures, monkeypatch, make):
    """It ignores those that it does not know."""
    known = set(re.findall(r"^(\w+) : ", mx.io.ImageRecordIter.__doc__, re.MULTILINE))
    iterator = Mock()
    monkeypatch.setattr(batches.mx.io, "ImageRecordIter", iterator)
    make(plain_pictures, settings(), *((1, 1) if make is batches.training_batches else (1,)))
    assert set(iterator.call_args.kwargs) <= known


def test_pixels_are_less_the_mean_over_the_deviation_times_the_scale(plain_pictures):
    mean, deviation, scale = (10.0, 20.0, 30.0), (2.0, 5.0, 8.0), 0.5
    plain, own = {"size": SIZE, "mean": [0, 0, 0], "scale": 1.0}, {"size": SIZE, "mean": mean, "scale": scale}
    pixels, scaled, divided = (
        next(batches.validation_batches(plain_pictures, settings(image=image), 1)).data[0].asnumpy()[0, :, 8, 8]
        for image in (plain, own, own | {"deviation": deviation})
    )
    np.testing.assert_allclose(scaled, (pixels - mean) * scale, rtol=1e-6)
    np.testing.assert_allclose(divided, (pixels - mean) / deviation * scale, rtol=1e-6)
