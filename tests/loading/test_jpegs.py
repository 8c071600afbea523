"""loading/jpegs.py: what stands around a JPEG's pixels is read as libjpeg reads it, however it is damaged."""

import random

import cv2
import numpy as np
import pytest

from drawn_pictures import BASELINE, HEIGHT, PLAIN_JPEGS, PROGRESSIVE, UNUSUAL_JPEGS, WIDTH, first_scans
from loading import jpegs


@pytest.mark.parametrize("name", PLAIN_JPEGS)
def test_the_header_of_a_plain_jpeg_is_usual_and_says_its_size(name):
    header = jpegs.read_header(PLAIN_JPEGS[name])
    assert header.is_usual
    assert header.size == jpegs.size_of(PLAIN_JPEGS[name]) == (HEIGHT, WIDTH)
    assert jpegs.is_complete(PLAIN_JPEGS[name])


@pytest.mark.parametrize("name", UNUSUAL_JPEGS)
def test_an_unusual_jpeg_has_a_reason(name):
    header, picture = jpegs.read_header(UNUSUAL_JPEGS[name]), UNUSUAL_JPEGS[name]
    assert (not header.is_usual) + (not jpegs.is_complete(picture)) + (name == "a strip") == 1


def test_scans_are_complete_only_with_the_last():
    scans = PROGRESSIVE.count(b"\xff\xda")
    assert scans > 5
    assert not any(jpegs.is_complete(first_scans(PROGRESSIVE, count)) for count in range(1, scans))


def test_the_size_is_that_which_opencv_decodes_wherever_bytes_are_lost():
    generator, checked = random.Random(1), 0
    for _ in range(300):
        damaged = bytearray(BASELINE)
        place = generator.randrange(2, BASELINE.index(b"\xff\xda"))
        damaged[place : place + generator.randrange(3)] = generator.randbytes(generator.randrange(3))
        size = jpegs.size_of(bytes(damaged))
        if size and 0 < size[0] * size[1] < 10_000_000:
            pixels = cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)
            assert pixels is None or pixels.shape[:2] == size
            checked += pixels is not None
    assert checked > 50


@pytest.mark.parametrize("picture", [BASELINE, PROGRESSIVE, PLAIN_JPEGS["EXIF before XMP"]])
def test_no_cut_and_no_damage_ends_in_an_error(picture):
    generator = random.Random(2)
    for stop in range(len(picture)):
        cut = bytearray(picture[:stop])
        if stop:
            cut[generator.randrange(stop)] = generator.choice((0, 1, 0xFF, 0xDA, 0xE1))
        for read in (jpegs.size_of, jpegs.read_header, jpegs.is_complete, jpegs.is_cut_off):
            read(bytes(cut))
