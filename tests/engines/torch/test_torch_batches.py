"""Batches for PyTorch hold what follows from seed, epoch and number, and what ImageRecordIter could have made."""

import cv2
import numpy as np
import pytest
from test_batches import COLOUR, COUNT, SIZE, plain_pictures, settings

from engines.mxnet import batches as of_mxnet
from engines.mxnet.library import mx
from plain_recipes import recipe
from records.files import RecordFile
from training.recipe import Recipe

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.torch import batches

PICTURES, SIDE = 70, 36  # more than two blocks to a batch


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Noise, so that a pixel tells the picture and its place; no side is a multiple of another."""
    path = tmp_path_factory.mktemp("noise") / "train.rec"
    generator = np.random.default_rng(3)
    writer = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number in range(PICTURES):
        picture = generator.integers(0, 256, (SIDE, SIDE + 5 * (number % 3), 3), np.uint8)
        content = cv2.imencode(".png", picture)[1].tobytes()
        writer.write_idx(number, mx.recordio.pack(mx.recordio.IRHeader(0, number, number, 0), content))
    writer.close()
    return path


def noise(**changes: object) -> Recipe:
    image = {"size": 32, "resize": SIDE, "mean": [0, 0, 0], "scale": 1.0}
    return recipe(**{"image": image, "batch_size": 33, "mirror": True, "hsl": [9, 9, 9]} | changes)


def all_batches(records, own: Recipe, epoch: int = 1, threads: int = 2) -> tuple[np.ndarray, np.ndarray]:
    found = batches.training_batches(records, own, epoch, threads, pinned=False)
    pictures, labels = zip(*((pictures.numpy(), labels.numpy()) for pictures, labels in found), strict=True)
    return np.stack(pictures), np.stack(labels)


def test_the_number_of_threads_changes_nothing(records):
    pictures, labels = all_batches(records, noise(), threads=1)
    for threads in (2, 7):
        again = all_batches(records, noise(), threads=threads)
        np.testing.assert_array_equal(again[0], pictures)
        np.testing.assert_array_equal(again[1], labels)


def test_every_record_comes_once_and_the_first_ones_fill_up_the_last_batch(records):
    _, labels = all_batches(records, noise())
    assert labels.shape == (3, 33)
    assert sorted(labels.ravel()[:PICTURES]) == list(range(PICTURES))
    np.testing.assert_array_equal(labels.ravel()[PICTURES:], labels.ravel()[: 99 - PICTURES])


def test_each_epoch_and_seed_has_an_order_of_its_own(records):
    orders = [all_batches(records, noise(seed=seed), epoch)[1] for seed, epoch in [(1, 1), (1, 2), (2, 1), (2, 2)]]
    assert len({labels.tobytes() for labels in orders}) == 4
    same_order = np.flatnonzero(orders[0].ravel() == np.arange(99))
    assert len(same_order) < 10


def test_without_augmentation_pictures_are_those_of_mxnet(records):
    own = noise(mirror=False, hsl=[0, 0, 0], image={"size": 32, "mean": [0, 0, 0], "scale": 1.0})
    expected = {}
    for batch in of_mxnet.training_batches(records, own, 1, 1):
        expected |= dict(zip(batch.label[0].asnumpy().astype(int), batch.data[0].asnumpy(), strict=True))
    pictures, labels = all_batches(records, own)
    for picture, label in zip(pictures.reshape(-1, 32, 32, 3), labels.ravel(), strict=True):
        np.testing.assert_array_equal(picture.transpose(2, 0, 1), expected[label])


def test_validation_is_every_record_in_order_cropped_at_the_centre(records):
    found = list(batches.validation_batches(records, noise(), 3, pinned=False))
    assert [len(labels) for _, labels in found] == [33, 33, 4]
    expected = [batch.data[0].asnumpy() for batch in of_mxnet.validation_batches(records, noise(), 1)]
    pictures = np.concatenate([pictures.numpy() for pictures, _ in found])
    np.testing.assert_array_equal(pictures.transpose(0, 3, 1, 2), np.concatenate(expected)[:PICTURES])
    np.testing.assert_array_equal(np.concatenate([labels.numpy() for _, labels in found]), np.arange(PICTURES))


def place_of(picture: np.ndarray, whole: np.ndarray) -> tuple[int, int, bool]:
    """Where a (32, 32, 3) picture was cut out of a whole one, and whether it is its mirror image."""
    for mirrored in (False, True):
        own = picture[:, ::-1] if mirrored else picture
        for top in range(whole.shape[0] - 31):
            for left in range(whole.shape[1] - 31):
                if np.array_equal(own, whole[top : top + 32, left : left + 32]):
                    return top, left, mirrored
    raise AssertionError("not a part of the picture")


def test_crops_are_at_any_place_and_mirrored_half_the_time(records):
    file = RecordFile(records)
    wholes = [cv2.imdecode(np.frombuffer(file.read(n)[1], np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] for n in range(70)]
    places = []
    for epoch in (1, 2, 3):
        pictures, labels = all_batches(records, noise(hsl=[0, 0, 0]), epoch)
        places += [
            (*place_of(picture, wholes[label]), wholes[label].shape[1] - 31)
            for picture, label in zip(pictures.reshape(-1, 32, 32, 3), labels.ravel(), strict=True)
        ]
    assert {top for top, *_ in places} == set(range(SIDE - 31))
    for room in (5, 10, 15):
        assert {left for _, left, _, own in places if own == room} == set(range(room))
    assert 0.4 < np.mean([mirrored for *_, mirrored, _ in places]) < 0.6


def hls(pictures: np.ndarray) -> np.ndarray:
    """Hue, lightness and saturation (8 bit) of the middle of each picture (count, size, size, 3)."""
    assert np.ptp(pictures, axis=(1, 2)).max() <= 1  # a shift is one for the whole picture
    middle = np.ascontiguousarray(pictures[:, SIZE // 2, SIZE // 2])
    return cv2.cvtColor(middle[None], cv2.COLOR_RGB2HLS)[0].astype(int)


@pytest.mark.parametrize("bounds", [[0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30], [120, 200, 200]])
def test_jitter_is_distributed_as_mxnet_distributes_it(plain_pictures, bounds):
    """Each channel's mean, spread and ends over 20 epochs, far shifts that stop at a channel's bounds included."""
    own, others = [], []
    for epoch in range(1, 21):
        own.append(hls(all_batches(plain_pictures, settings(hsl=bounds), epoch)[0][0]))
        batch = next(of_mxnet.training_batches(plain_pictures, settings(hsl=bounds), epoch, 1))
        others.append(hls(batch.data[0].asnumpy().round().astype(np.uint8).transpose(0, 2, 3, 1)))
    own, others = np.concatenate(own), np.concatenate(others)
    assert len(own) == len(others) == 20 * COUNT
    for channel in range(3):
        spread = others[:, channel].std()
        assert abs(own[:, channel].mean() - others[:, channel].mean()) <= 0.25 * spread + 0.5
        assert abs(own[:, channel].std() - spread) <= 0.15 * spread + 0.5
        for quantile in (0, 0.5, 1):
            difference = np.quantile(own[:, channel], quantile) - np.quantile(others[:, channel], quantile)
            assert abs(difference) <= 0.4 * spread + 2


@pytest.mark.parametrize("shift", [(0, 0, 0), (7, 0, 0), (-90, 30, -20), (200, -300, 300)])
def test_a_shift_is_mxnets_loop_over_pixels(shift):
    picture = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    plain = cv2.cvtColor(picture, cv2.COLOR_RGB2HLS).astype(int)
    for (row, column, channel), value in np.ndenumerate(plain):
        plain[row, column, channel] = max(0, min((180, 255, 255)[channel], value + shift[channel]))
    expected = cv2.cvtColor(plain.astype(np.uint8), cv2.COLOR_HLS2RGB)
    np.testing.assert_array_equal(batches.shifted(picture, np.array(shift)), expected)
