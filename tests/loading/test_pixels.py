"""loading/pixels.py: prediction sees the pixels that MXNet's ImageRecordIter gives to validation."""

import numpy as np
import pytest

from engines.mxnet.library import mx
from loading.pixels import Crop, cropped, decoded, fill
from tiny_catalogs import draw, jpeg, with_huge_sides


@pytest.mark.parametrize("resize", [64, 81])
@pytest.mark.parametrize(("height", "width"), [(180, 180), (64, 64), (100, 171), (171, 100), (40, 50), (65, 64)])
def test_pictures_are_decoded_as_training_decodes_them(tmp_path, height, width, resize):
    picture, size = draw(np.random.default_rng(height), height, width), 64
    records = mx.recordio.MXIndexedRecordIO(str(tmp_path / "x.idx"), str(tmp_path / "x.rec"), "w")
    records.write_idx(0, mx.recordio.pack(mx.recordio.IRHeader(0, 0, 0, 0), picture))
    records.close()
    batches = mx.io.ImageRecordIter(
        path_imgrec=str(tmp_path / "x.rec"), data_shape=(3, size, size), resize=resize, batch_size=1, verbose=False
    )
    (trained,) = batches.next().data[0].asnumpy()
    np.testing.assert_array_equal(cropped(decoded(picture), Crop(size, resize)), trained.transpose(1, 2, 0))
    planes = np.empty((3, size, size), np.uint8)
    assert fill(planes, picture, Crop(size, resize))
    np.testing.assert_array_equal(planes, trained)


@pytest.mark.parametrize("picture", [b"", b"no picture", jpeg(1)[:100], with_huge_sides(jpeg(1))])
def test_planes_of_a_picture_that_does_not_decode_are_zero(picture):
    planes = np.ones((3, 8, 8), np.uint8)
    assert not fill(planes, picture, Crop(8, 8))
    assert not planes.any()
