"""catalog/pictures.py: pictures by their offset, and a check that neither MXNet nor a cut-off JPEG gets past."""

import bson
import cv2
import numpy as np
import pytest

import cli
from catalog import pictures
from catalog.pictures import DecodeCheck, iter_pictures
from engines.mxnet.library import mx
from tiny_catalogs import indexed, jpeg, product, products, write

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
    monkeypatch.setattr(pictures, "decoded", lambda picture: decoded.append(picture) or PIXELS)
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
    for key, picture in zip(zip(rows.product_id, rows.image, strict=True), iter_pictures([path], rows), strict=True):
        assert picture == expected[key]


def test_no_rows_are_no_pictures(tmp_path):
    path = write(tmp_path / "a.bson", products(1))
    assert list(iter_pictures([path], indexed(path)[:0])) == []


def resized(fields: dict, by: int) -> dict:
    """The product with another size of its last picture."""
    *others, last = (image["picture"] for image in fields["imgs"])
    return product(fields["_id"], [*others, last[:by] if by < 0 else last + bytes(by)])


CHANGES = {
    "the picture is smaller": lambda before, last: [*before, resized(last, -1)],
    "the picture is larger": lambda before, last: [*before, resized(last, 1)],
    "a product before it is gone": lambda before, last: [*before[1:], last, before[0]],
    "all bytes moved by one": lambda before, last: [b"\0", *before, last],
    "the catalog is cut off before it": lambda before, last: before,
    "the catalog is cut off inside it": lambda before, last: [b"".join(map(bson.encode, [*before, last]))[:-100]],
    "the picture has another subtype": lambda before, last: [
        *before, {**last, "imgs": [last["imgs"][0], {"picture": bson.Binary(jpeg(3), 128)}]}
    ],
    "the field has another name": lambda before, last: [
        *before, {**last, "imgs": [last["imgs"][0], {"pictura": jpeg(3)}]}
    ],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_that_is_not_where_it_was_indexed_is_named(tmp_path, change):
    before, last = [product(8, [jpeg(1)]), product(9, [jpeg(1)])], product(7, [jpeg(2), jpeg(3)])
    path = write(tmp_path / "a.bson", [*before, last])
    row = indexed(path)[-1:]
    assert list(iter_pictures([path], row)) == [jpeg(3)]
    write(path, CHANGES[change](before, last))
    offset, size = row.image_offset.item(), row.image_size.item()
    with pytest.raises(cli.UserError) as error:
        list(iter_pictures([path], row))
    assert str(error.value) == (
        f"{path}: byte {offset}: product 7: no picture of {size} bytes there; the catalog changed after it was"
        " indexed, index it again"
    )
