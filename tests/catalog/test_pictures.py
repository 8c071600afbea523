"""catalog/pictures.py: pictures by their offset, and a check that neither MXNet nor a cut-off JPEG gets past."""

import copy

import bson
import numpy as np
import pytest

import cli
from catalog import pictures
from catalog.pictures import PictureCheck, iter_pictures
from drawn_pictures import BASELINE, OTHERS, PLAIN_JPEGS, PROGRESSIVE, UNUSUAL_JPEGS, saved, segment, with_segments
from engines.mxnet.library import mx
from loading.formats import KINDS, PLAIN_JPEG
from loading.pixels import BadPictureError, decoded
from tiny_catalogs import indexed, jpeg, product, products, with_huge_sides, write

RESTARTS = PLAIN_JPEGS["with restarts"]
COMMENT = PLAIN_JPEGS["with a comment that looks like markers"]
GOOD = (
    {name: ("JPEG", picture) for name, picture in PLAIN_JPEGS.items()}
    | {name: ("unusual JPEG", picture) for name, picture in UNUSUAL_JPEGS.items()}
    | OTHERS
)
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
    "PNG, half": saved("PNG")[:2000],
    "PPM": b"P6\n2 1\n255\nabcdef",
    "header without tables": BASELINE[:2] + BASELINE[BASELINE.index(b"\xff\xc0") :],
    "without a frame": BASELINE.replace(b"\xff\xc0", b"\xff\xe3"),
    "more pixels than possible": with_huge_sides(BASELINE),
    "of 12 bits": BASELINE.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
}


@pytest.fixture(scope="module")
def experienced() -> PictureCheck:
    """A check that has learnt the headers of good pictures."""
    check = PictureCheck()
    for kind, picture in GOOD.values():
        assert KINDS[check.kind(picture)] == kind
    return check


@pytest.fixture(params=["first", "after good ones"])
def check(request, experienced) -> PictureCheck:
    return PictureCheck() if request.param == "first" else copy.deepcopy(experienced)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_picture_passes_whatever_came_before(check, name):
    kind, picture = GOOD[name]
    assert KINDS[check.kind(picture)] == kind


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_found(check, name):
    with pytest.raises(BadPictureError):
        check.kind(BAD[name])


def kind_or_fault(check: PictureCheck, picture: bytes) -> int | str:
    try:
        return check.kind(picture)
    except BadPictureError as fault:
        return str(fault)


def test_pictures_of_a_catalog_are_told_like_single_ones():
    plain = [jpeg(number) for number in (0, 3, 6, 9)]
    scan = plain[0].index(b"\xff\xda") + 30
    odd = [
        plain[0][:scan] + inside + plain[0][scan:] for inside in (b"\xff\xd9", b"\xff\xd8", b"\xff\x01", b"\xff\xff")
    ]
    odd += [
        plain[0][:scan] + b"\xff\xd8 and no end",
        plain[0] + b"behind",
        plain[0] + b"\xff",
        plain[0][:-1],
        plain[0][:-2],
        plain[0][:scan],
        b"\xff\xd9",
        b"",
    ]
    others = [*BAD.values(), *(picture for _, picture in GOOD.values())]
    drawn = [b"\xd9", plain[0], *odd, plain[1], *others, *plain, *odd, *reversed(others)]
    starts = (np.cumsum([1, *(len(picture) + 1 for picture in drawn)])[:-1]).tolist()
    stops = [start + len(picture) for start, picture in zip(starts, drawn, strict=True)]
    catalog = b"\xff" + b"".join(picture + b"\xd9" for picture in drawn)
    together, alone = PictureCheck(), PictureCheck()
    for first in (0, 1, 0):
        found = [str(kind) if isinstance(kind, BadPictureError) else kind for kind in
                 together.kinds(catalog, starts[first:], stops[first:])]  # fmt: skip
        assert found == [kind_or_fault(alone, picture) for picture in drawn[first:]]


def test_every_cut_of_a_jpeg_is_found(check):
    for stop in range(len(BASELINE)):
        with pytest.raises(BadPictureError):
            check.kind(BASELINE[:stop])


def test_a_damaged_jpeg_that_passes_for_plain_has_the_same_pixels_in_mxnet(check):
    rng = np.random.default_rng(3)
    passed = 0
    for _ in range(400):
        damaged = bytearray(BASELINE)
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        try:
            kind = check.kind(bytes(damaged))
        except BadPictureError:
            continue
        if kind == PLAIN_JPEG:
            passed += 1
            np.testing.assert_array_equal(mx.image.imdecode(bytes(damaged)).asnumpy(), decoded(bytes(damaged)))
    assert 0 < passed < 400


def watched(monkeypatch) -> list[bytes]:
    """The pictures that a check decodes from now on."""
    seen = []
    monkeypatch.setattr(pictures, "decoded_whole", lambda picture: seen.append(picture) or decoded(picture))
    return seen


def test_pictures_alike_are_decoded_once(monkeypatch):
    seen, check = watched(monkeypatch), PictureCheck()
    assert not any(check.kind(jpeg(3 * number)) for number in range(20))
    assert len(seen) == 1


def test_what_a_camera_writes_of_itself_makes_no_picture_another_one(monkeypatch):
    seen, check = watched(monkeypatch), PictureCheck()
    rng = np.random.default_rng(1)
    for number in range(20):
        exif = segment(b"Exif\0\0" + rng.bytes(30_000))
        note = segment(b"number %d" % number * 3000, b"\xff\xfe")
        profile = segment(rng.bytes(30_000), b"\xff\xe2")
        assert check.kind(with_segments(exif, note, profile)) == PLAIN_JPEG
    assert len(seen) == 1


def test_a_check_remembers_no_more_headers_than_it_has_room_for(monkeypatch):
    monkeypatch.setattr(pictures, "KNOWN_HEADERS", 5)
    check = PictureCheck()
    for quality in range(30, 60):
        assert check.kind(saved("JPEG", quality=quality)) == PLAIN_JPEG
        assert len(check._plain_headers) <= 5
    assert len(check._latest_header) < 700


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
