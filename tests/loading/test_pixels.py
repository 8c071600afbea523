"""loading/pixels.py: training and prediction see the same pixels of every kind of picture, and of no other any."""

import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from catalog.pictures import PictureCheck
from drawn_pictures import (
    BASELINE,
    HEIGHT,
    OTHERS,
    PIXELS,
    PLAIN_JPEGS,
    UNUSUAL_JPEGS,
    WIDTH,
    orientation,
    saved,
    segment,
)
from engines.mxnet.library import mx
from loading import pixels
from loading.formats import KINDS, PLAIN_JPEG
from loading.pixels import (
    LONGEST,
    BadPictureError,
    Crop,
    cropped,
    decoded,
    decoded_whole,
    encoded,
    fill,
)
from tiny_catalogs import draw, with_huge_sides

WITH_ORIENTATION = ("PNG", "WebP", "TIFF", "AVIF")
WITH_ALPHA = ("PNG", "WebP", "TIFF", "AVIF")
CROP = Crop(32, 40)


def trained_on(folder: Path, contents: list[bytes], crop: Crop) -> list[np.ndarray]:
    """What MXNet's ImageRecordIter makes of pictures in records: (3, size, size) each."""
    path = folder / "x"
    records = mx.recordio.MXIndexedRecordIO(f"{path}.idx", f"{path}.rec", "w")
    for number, content in enumerate(contents):
        records.write_idx(number, mx.recordio.pack(mx.recordio.IRHeader(0, number, number, 0), content))
    records.close()
    batches = mx.io.ImageRecordIter(
        path_imgrec=f"{path}.rec", path_imgidx=f"{path}.idx", data_shape=(3, crop.size, crop.size), resize=crop.resize,
        batch_size=1, verbose=False, round_batch=False, preprocess_threads=1,
    )  # fmt: skip
    found = {int(batch.label[0].asscalar()): batch.data[0].asnumpy()[0] for batch in batches}
    return [found[number] for number in range(len(contents))]


@pytest.mark.parametrize("resize", [64, 81])
@pytest.mark.parametrize(("height", "width"), [(180, 180), (64, 64), (100, 171), (171, 100), (40, 50), (65, 64)])
def test_pictures_are_decoded_as_training_decodes_them(tmp_path, height, width, resize):
    picture, crop = draw(np.random.default_rng(height), height, width), Crop(64, resize)
    [trained] = trained_on(tmp_path, [picture], crop)
    np.testing.assert_array_equal(cropped(decoded(picture), crop), trained.transpose(1, 2, 0))
    planes = np.empty((3, 64, 64), np.uint8)
    assert fill(planes, picture, crop)
    np.testing.assert_array_equal(planes, trained)


def test_a_plain_jpeg_as_it_is_has_the_same_pixels_in_training_and_prediction(tmp_path):
    assert {PictureCheck().kind(picture) for picture in PLAIN_JPEGS.values()} == {PLAIN_JPEG}
    in_training = trained_on(tmp_path, list(PLAIN_JPEGS.values()), CROP)
    for (name, picture), trained in zip(PLAIN_JPEGS.items(), in_training, strict=True):
        difference = np.abs(cropped(decoded(picture), CROP) - trained.transpose(1, 2, 0))
        # Where colours are sampled in every second row only, newer decoders smooth them in another way.
        assert difference.max() <= 2 * ("440" in name), name


def test_any_other_picture_encoded_anew_has_the_pixels_of_prediction_in_training(tmp_path):
    kinds = {name: ("unusual JPEG", picture) for name, picture in UNUSUAL_JPEGS.items()} | OTHERS
    for name, (kind, picture) in kinds.items():
        assert KINDS[PictureCheck().kind(picture)] == kind, name
    anew = [encoded(decoded(picture)) for _, picture in kinds.values()]
    assert {PictureCheck().kind(picture) for picture in anew} == {PLAIN_JPEG}
    for (name, (_, picture)), trained in zip(kinds.items(), trained_on(tmp_path, anew, CROP), strict=True):
        difference = np.abs(cropped(decoded(picture), CROP) - trained.transpose(1, 2, 0))
        assert difference.mean() < 2, name


@pytest.mark.parametrize("name", UNUSUAL_JPEGS)
def test_an_unusual_jpeg_as_it_is_would_differ_or_cannot_be_known_not_to(tmp_path, name):
    if name in ("most scans of a progressive one", "arithmetic coding", "a strip"):
        pytest.skip("this one is the same, by chance or at a price")
    crop = Crop(HEIGHT, HEIGHT)
    [trained] = trained_on(tmp_path, [UNUSUAL_JPEGS[name]], crop)
    assert np.abs(cropped(decoded(UNUSUAL_JPEGS[name]), crop) - trained.transpose(1, 2, 0)).mean() > 2


@pytest.mark.parametrize("name", OTHERS)
def test_the_pixels_are_those_that_were_saved(name):
    kind, picture = OTHERS[name]
    found = decoded(picture).astype(int)
    if any(word in name for word in ("grey", "palette", "black", "strip", "GIF")):
        assert abs(found.mean() - PIXELS.mean()) < 25
        return
    expected = np.rot90(PIXELS, -1) if "turned" in name else PIXELS[..., ::-1] if "16" in name else PIXELS
    assert np.abs(found - expected).mean() < 8, kind


@pytest.mark.parametrize("kind", WITH_ORIENTATION)
@pytest.mark.parametrize("value", range(1, 9))
def test_a_picture_is_turned_as_a_jpeg_is(kind, value):
    by_opencv = decoded(saved("JPEG", exif=orientation(value))).astype(int)
    found = decoded(saved(kind, exif=orientation(value))).astype(int)
    assert np.abs(found - by_opencv).mean() < 8
    upright = decoded(saved(kind)).astype(int)
    assert value == 1 or found.shape != upright.shape or np.abs(found - upright).mean() > 20


@pytest.mark.parametrize("kind", WITH_ALPHA)
@pytest.mark.parametrize("value", [1, 6])
def test_transparent_pixels_are_white_and_half_transparent_ones_lighter(kind, value):
    drawn = np.zeros((64, 64, 4), np.uint8)
    drawn[:32], drawn[32:] = (0, 0, 0, 0), (200, 0, 0, 128)
    lossless = {"lossless": True} if kind == "WebP" else {}
    found = decoded(saved(kind, "RGBA", drawn, exif=orientation(value), **lossless)).astype(int)
    upper, lower = (found[:28], found[36:]) if value == 1 else (found[:, 36:], found[:, :28])
    assert upper.min() > 250
    assert np.abs(lower - [227, 127, 127]).max() < 6


def test_transparency_by_palette_and_by_colour_is_white():
    black = np.zeros((9, 9, 3), np.uint8)
    for kind, mode, transparent in (("PNG", "P", 0), ("GIF", "P", 0), ("PNG", "L", 0), ("PNG", "RGB", (0, 0, 0))):
        assert (decoded(saved(kind, mode, black)) == 0).all()
        assert (decoded(saved(kind, mode, black, transparency=transparent)) == 255).all(), (kind, mode)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bombs() -> dict[str, bytes]:
    """Pictures of a few kilobytes with a great many pixels."""
    sides = 40_000
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", sides, sides, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((sides // 8 + 1) * sides), 9)
    small = {name: bytearray(saved(name)) for name in ("BMP", "GIF", "TIFF", "AVIF")}
    small["BMP"][18:26] = struct.pack("<ii", sides, sides)
    small["GIF"][6:10] = struct.pack("<HH", sides, sides)
    for side, tag in ((WIDTH, b"\x00\x01"), (HEIGHT, b"\x01\x01")):
        place = small["TIFF"].index(tag + struct.pack("<HI", 4, 1) + struct.pack("<I", side)) + 8
        small["TIFF"][place : place + 4] = struct.pack("<I", sides)
    place = small["AVIF"].index(b"ispe") + 8
    small["AVIF"][place : place + 8] = struct.pack(">II", sides, sides)
    webp = saved("WebP", lossless=True)
    bits = webp.index(b"VP8L") + 9
    claimed = struct.unpack_from("<I", webp, bits)[0] | 0xFFFFFFF
    webp = webp[:bits] + struct.pack("<I", claimed) + webp[bits + 4 :]
    return {
        "PNG": b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""),
        "WebP": webp,
        "JPEG": with_huge_sides(BASELINE),
        "JPEG, progressive": with_huge_sides(BASELINE).replace(b"\xff\xc0", b"\xff\xc2"),
        **{name: bytes(content) for name, content in small.items()},
    }


@pytest.mark.parametrize("name", bombs())
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadPictureError, match="does not decode" if name == "AVIF" else "more than 64,000,000 pixels"):
        decoded(bombs()[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_the_limit_counts_pixels(monkeypatch):
    monkeypatch.setattr(pixels, "MOST_PIXELS", HEIGHT * WIDTH)
    pictures = [BASELINE, *(picture for name, (_, picture) in OTHERS.items() if "strip" not in name)]
    assert all(decoded(picture).size == 3 * HEIGHT * WIDTH for picture in pictures)
    monkeypatch.setattr(pixels, "MOST_PIXELS", HEIGHT * WIDTH - 1)
    for picture in pictures:
        with pytest.raises(BadPictureError, match="more than 3,974 pixels"):
            decoded(picture)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("is_high", [False, True])
def test_of_a_strip_the_middle_is_seen(kind, is_high):
    strip = np.zeros((2, 65_000, 3), np.uint8)
    strip[:, 32_000:33_000] = 255
    strip = np.ascontiguousarray(strip.transpose(1, 0, 2)) if is_high else strip
    found = decoded(saved(kind, pixels=strip))
    assert found.shape == ((2 * LONGEST, 2, 3) if is_high else (2, 2 * LONGEST, 3))
    assert (found > 250).all()
    assert cropped(found, Crop(180, 180)).shape == (180, 180, 3)


def test_a_picture_that_is_just_not_a_strip_is_seen_whole():
    assert decoded(saved("PNG", pixels=np.zeros((9, 9 * LONGEST, 3), np.uint8))).shape == (9, 9 * LONGEST, 3)


REFUSED = {
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ",
    "JPEG XL": b"\xff\x0a\xfa\x1f",
    "Radiance HDR": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n",
    "Sun raster": b"\x59\xa6\x6a\x95" + bytes(28),
    "PNM": b"P6\n1 1\n255\nabc",
    "OpenEXR": b"\x76\x2f\x31\x01\x02\0\0\0",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "Photoshop": b"8BPS\0\1",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_formats_are_refused_by_name(name):
    with pytest.raises(BadPictureError, match=f"^{name} is not taken; convert it to JPEG$"):
        decoded(REFUSED[name])


def test_a_format_that_is_refused_reaches_no_decoder(monkeypatch):
    for name in ("_decoded_jpeg", "_decoded_by_pillow"):
        monkeypatch.setattr(pixels, name, lambda *_: pytest.fail("decoded"))
    for picture in (*REFUSED.values(), b"", b"none", b"<html>404</html>"):
        with pytest.raises(BadPictureError):
            decoded(picture)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_picture_that_is_cut_off_is_refused(kind):
    name, picture = OTHERS[kind]
    is_first_of_several = "moving" in kind
    with pytest.raises(BadPictureError, match=f"the {name} does not decode"):
        decoded(picture[: len(picture) // (8 if is_first_of_several else 2)])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits_are_refused(mode):
    with pytest.raises(BadPictureError, match="pixels of 32 bits"):
        decoded(saved("TIFF", mode))


def test_damaged_exif_turns_nothing():
    picture = saved("PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(decoded(picture), PIXELS)


def test_a_jpeg_that_is_cut_off_is_refused_where_nobody_has_looked_at_it_yet():
    assert decoded_whole(BASELINE).shape == PIXELS.shape
    with pytest.raises(BadPictureError, match="the JPEG is cut off"):
        decoded_whole(BASELINE[:-2])
    thumbnail = BASELINE[:2] + segment(b"Exif\0\0" + BASELINE) + BASELINE[2 : len(BASELINE) // 2]
    with pytest.raises(BadPictureError, match="the JPEG is cut off"):
        decoded_whole(thumbnail)


@pytest.mark.parametrize("picture", [b"", b"no picture", BASELINE[:100], with_huge_sides(BASELINE)])
def test_planes_of_a_picture_that_does_not_decode_are_zero(picture):
    planes = np.ones((3, 8, 8), np.uint8)
    assert not fill(planes, picture, Crop(8, 8))
    assert not planes.any()
