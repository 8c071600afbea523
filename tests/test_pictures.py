"""catalog/pictures.py: pictures by their place, and a check that neither MXNet nor a cut-off JPEG gets past."""

import bson
import cv2
import numpy as np
import pytest
from tiny_catalogs import indexed, jpeg, product, products, write

import cli
from catalog import pictures
from catalog.pictures import DecodeCheck, iter_pictures
from engines.mxnet.library import mx

PIXELS = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8), (64, 48))


def encoded(suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, PIXELS, options)[1].tobytes()


BASELINE = encoded(".jpg")
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
COMMENT = BASELINE[:2] + b"\xff\xfe\x00\x06\xff\xd9\xff\xda" + BASELINE[2:]
GOOD = {
    "baseline": BASELINE,
    "progressive": PROGRESSIVE,
    "with restarts": RESTARTS,
    "with markers inside a comment": COMMENT,
    "with bytes after the end": BASELINE + b"more",
    "of another quality": encoded(".jpg", cv2.IMWRITE_JPEG_QUALITY, 20),
    "gray": cv2.imencode(".jpg", PIXELS[:, :, 0])[1].tobytes(),
    "PNG": encoded(".png"),
    "BMP": encoded(".bmp"),
    "TIFF": encoded(".tiff"),
}
BAD = {
    "empty": b"",
    "a text": b"no picture at all",
    "HTML": b"<html><body>404</body></html>" * 50,
    "zeros": bytes(5000),
    "only a start": BASELINE[:2],
    "only a header": BASELINE[:300],
    "half": BASELINE[: len(BASELINE) // 2],
    "without its last byte": BASELINE[:-1],
    "without its end marker": BASELINE[:-2],
    "progressive, half": PROGRESSIVE[: len(PROGRESSIVE) // 2],
    "with restarts, half": RESTARTS[: len(RESTARTS) // 2],
    "with an end marker in a comment, half": COMMENT[: len(COMMENT) // 2],
    "filled up with zeros": BASELINE[: len(BASELINE) // 2] + bytes(len(BASELINE) // 2),
    "PNG, half": encoded(".png")[:2000],
    "WebP": encoded(".webp"),
    "PPM": encoded(".ppm"),
    "header without tables": BASELINE[:2] + BASELINE[BASELINE.index(b"\xff\xc0") :],
    "sides beyond limits": encoded(".bmp")[:18] + b"\xff\xff\xff\x7f" * 2 + encoded(".bmp")[26:],
}  # fmt: skip


@pytest.fixture(params=["first", "after good ones"])
def check(request) -> DecodeCheck:
    """A check, fresh or with the headers of good pictures learnt."""
    check = DecodeCheck()
    if request.param == "after good ones":
        assert [check.fault(picture) for picture in GOOD.values()] == [None] * len(GOOD)
    return check


@pytest.mark.parametrize("name", GOOD)
def test_a_good_picture_passes_and_mxnet_decodes_it(check, name):
    assert check.fault(GOOD[name]) is None
    assert mx.image.imdecode(GOOD[name]).shape == PIXELS.shape


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_found(check, name):
    assert check.fault(BAD[name])


def test_every_cut_of_a_jpeg_is_found(check):
    for stop in range(len(BASELINE)):
        assert check.fault(BASELINE[:stop]), stop


def test_whatever_a_damaged_picture_passes_with_mxnet_decodes_too(check):
    rng = np.random.default_rng(3)
    passed = 0
    for _ in range(400):
        damaged = bytearray(BASELINE)
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        if check.fault(bytes(damaged)) is None:
            passed += 1
            assert mx.image.imdecode(bytes(damaged)).size
    assert 0 < passed < 400


def test_pictures_alike_are_decoded_once(monkeypatch):
    decoded = []
    monkeypatch.setattr(pictures, "_decodes", lambda picture: decoded.append(picture) or True)
    check = DecodeCheck()
    assert not any(check.fault(jpeg(3 * number)) for number in range(20))
    assert len(decoded) == 1


@pytest.mark.parametrize("rows_at_a_time", [1, 7, 256])
def test_pictures_come_in_the_order_asked_for(tmp_path, monkeypatch, rows_at_a_time):
    monkeypatch.setattr(pictures, "ROWS_AT_A_TIME", rows_at_a_time)
    path = write(tmp_path / "a.bson", products(40))
    expected = {
        (document["_id"], number): image["picture"]
        for document in bson.decode_all(path.read_bytes())
        for number, image in enumerate(document["imgs"])
    }
    rows = indexed(path).sample(frac=2, replace=True, random_state=1)
    found = iter_pictures(path, rows.doc_offset.to_numpy(), rows.doc_size.to_numpy(), rows.image.to_numpy())
    for key, picture in zip(zip(rows.product_id, rows.image, strict=True), found, strict=True):
        assert picture == expected[key]


def test_no_rows_are_no_pictures(tmp_path):
    none = np.empty(0, np.int64)
    assert list(iter_pictures(write(tmp_path / "a.bson", products(1)), none, none, none)) == []


@pytest.mark.parametrize(("offset", "image"), [(1, 0), (0, 4), (10**9, 0)])
def test_a_place_without_picture_is_named(tmp_path, offset, image):
    path = write(tmp_path / "a.bson", [product(1, [jpeg(1)])])
    places = (np.array([number]) for number in (offset, path.stat().st_size, image))
    with pytest.raises(cli.UserError, match=rf"a\.bson: byte {offset}: no picture {image} .* index it again"):
        list(iter_pictures(path, *places))
