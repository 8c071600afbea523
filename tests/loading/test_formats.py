"""loading/formats.py: formats are told by the first bytes, whatever a file is called."""

import numpy as np
import pytest

from drawn_pictures import BASELINE, OTHERS
from loading.formats import HEAD, KINDS, TAKEN, format_of, in_words, other_kinds


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_is_told_by_content(name):
    kind, picture = OTHERS[name]
    assert format_of(picture[:HEAD]) == kind
    assert kind in TAKEN


def test_a_jpeg_is_told_by_content():
    assert format_of(BASELINE[:HEAD]) == "JPEG"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", None),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"P5 1 1 255 a", "PNM"),
        (b"Price", None),
        (b"P", None),
        (b"BMW prices", None),
        (b"BM", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"GIF", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_other_formats_have_names_and_what_only_looks_like_one_has_none(head, expected):
    assert format_of(head) == expected


def test_pictures_that_are_no_plain_jpegs_are_counted_by_kind():
    kinds = np.array([0, 3, 2, 0, 3, 1], np.uint8)
    assert other_kinds(kinds) == {KINDS[1]: 1, KINDS[2]: 1, KINDS[3]: 2}
    assert other_kinds(kinds[:1]) == {}
    assert in_words(other_kinds(kinds)) == "1 unusual JPEG, 1 PNG, 2 WebP"
