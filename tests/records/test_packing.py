"""records/packing.py beside records that are put together one by one."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

import cli
from catalog.files import Files
from catalog.layout import BEFORE_PICTURE, before_picture
from loading.formats import KINDS, PLAIN_JPEG
from loading.pixels import decoded, encoded
from records import packing, recordio

MAGIC = recordio.MAGIC


def make_pictures(folder: Path, contents: list[bytes], kinds: list[int] | None = None) -> packing.Pictures:
    """Pictures in a file as a catalog holds them, one after the other."""
    offsets, octets = [], b"catalog"
    for content in contents:
        octets += before_picture(len(content))
        offsets.append(len(octets))
        octets += content + b"\x00"
    (folder / "a.bson").write_bytes(octets)
    sizes = np.array([len(content) for content in contents], np.int32)
    labels = np.arange(len(contents), dtype=np.int32) % 7
    kinds = np.array(kinds or [PLAIN_JPEG] * len(contents), np.uint8)
    named = "picture {}".format
    return packing.Pictures(Files([folder / "a.bson"]), np.array(offsets, np.int64), sizes, kinds, labels, named)


def drawn(count: int, largest: int = 300) -> list[bytes]:
    """Bytes of all lengths; pictures that are plain are not looked into."""
    rng = np.random.default_rng(count)
    return [rng.bytes(int(size)) for size in rng.integers(0, largest, count)]


def packed(folder: Path, pictures: packing.Pictures, order: np.ndarray) -> tuple[bytes, str]:
    packing.write_records(pictures, order, 1 << 20, folder / "a.rec", folder / "a.idx")
    return (folder / "a.rec").read_bytes(), (folder / "a.idx").read_text()


def expected(contents: list[bytes], order: np.ndarray) -> tuple[bytes, str]:
    records = [recordio.record(number % 7, number, contents[number]) for number in order.tolist()]
    starts = itertools.accumulate(map(len, records), initial=0)
    return b"".join(records), "".join(f"{number}\t{start}\n" for number, start in zip(order, starts, strict=False))


@pytest.mark.parametrize("limit", [{}, {"CHUNK_RECORDS": 1}, {"CHUNK_BYTES": 999}, {"ORDERED_AT_A_TIME": 512}])
@pytest.mark.parametrize("count", [1, 3, 700])
def test_records_are_the_same_in_whatever_chunks(tmp_path, monkeypatch, limit, count):
    for name, value in limit.items():
        monkeypatch.setattr(packing, name, value)
    contents = drawn(count)
    order = np.random.default_rng(1).permutation(count)
    pictures = make_pictures(tmp_path, contents)
    assert packed(tmp_path, pictures, order) == expected(contents, order)


def test_records_of_several_files_are_those_of_one(tmp_path):
    contents = drawn(300)
    pictures = make_pictures(tmp_path, contents)
    octets, cuts = (
        (tmp_path / "a.bson").read_bytes(),
        [0, 4, *(pictures.offsets[[70, 71, 200]] - BEFORE_PICTURE).tolist(), None],
    )
    paths = [tmp_path / f"{number}.bson" for number in range(len(cuts) - 1)]
    for path, bounds in zip(paths, itertools.pairwise(cuts), strict=True):
        path.write_bytes(octets[slice(*bounds)])
    order = np.random.default_rng(1).permutation(300)
    with Files(paths) as files:
        assert packed(tmp_path, dataclasses.replace(pictures, catalog=files), order) == expected(contents, order)


@pytest.mark.parametrize("limit", [1, 100, 1000, 10**6])
def test_chunks_hold_no_more_than_their_bytes_and_one_picture(monkeypatch, limit):
    monkeypatch.setattr(packing, "CHUNK_BYTES", limit)
    rng = np.random.default_rng(1)
    sizes, order = rng.integers(1, 900, 5000).astype(np.int32), rng.permutation(5000)
    found = list(packing.chunks(order, sizes))
    assert np.concatenate(found).tolist() == order.tolist()
    assert all(len(chunk) <= packing.CHUNK_RECORDS and sizes[chunk[1:]].sum() <= limit for chunk in found)
    assert len(found) <= 2 + sizes.sum() // min(limit, 900) + 5000 // packing.CHUNK_RECORDS


@pytest.mark.parametrize("inside", [MAGIC, b"abcd" + MAGIC * 2, b"a" + MAGIC, MAGIC + b"abc" + MAGIC, MAGIC[:3]])
def test_pictures_with_the_magic_number_inside_move_all_that_follow(tmp_path, monkeypatch, inside):
    monkeypatch.setattr(packing, "CHUNK_RECORDS", 5)
    contents = drawn(40)
    for number in (0, 17, 39):
        contents[number] = inside
    order = np.random.default_rng(1).permutation(40)
    pictures = make_pictures(tmp_path, contents)
    assert packed(tmp_path, pictures, order) == expected(contents, order)


def test_pictures_of_other_kinds_are_encoded_anew(tmp_path, monkeypatch):
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(packing, "CHUNK_RECORDS", 5)
    png = cv2.imencode(".png", np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8))[1].tobytes()
    contents, kinds = drawn(20), [PLAIN_JPEG] * 20
    for number in (3, 4, 15):
        contents[number], kinds[number] = png, KINDS.index("PNG")
    pictures = make_pictures(tmp_path, contents, kinds)
    for number in (3, 4, 15):
        contents[number] = encoded(decoded(png))
    order = np.random.default_rng(1).permutation(20)
    assert packed(tmp_path, pictures, order) == expected(contents, order)


def test_a_picture_that_does_not_decode_any_more_is_named(tmp_path):
    pictures = make_pictures(tmp_path, [b"nothing"], [KINDS.index("PNG")])
    with pytest.raises(cli.UserError, match=r"a\.bson: byte 21: picture 0: .*index the catalog again"):
        packed(tmp_path, pictures, np.arange(1))


@pytest.mark.parametrize("damage", ["cut", "moved", "another size"])
def test_a_picture_that_is_not_where_it_should_be_is_named(tmp_path, damage):
    pictures = make_pictures(tmp_path, drawn(20, 50))
    raw = (path := tmp_path / "a.bson").read_bytes()
    offset = int(pictures.offsets[-1])
    before = {"cut": raw[: offset + 3], "moved": raw[: offset - 9] + b"x" + raw[offset - 9 :]}
    another = raw[: offset - 5] + bytes([raw[offset - 5] ^ 1]) + raw[offset - 4 :]
    path.write_bytes(before.get(damage, another))
    with pytest.raises(
        cli.UserError, match=f"a.bson: byte {offset}: picture 19: no picture of {pictures.sizes[-1]} bytes there"
    ):
        packed(tmp_path, pictures, np.arange(20))


def test_a_full_disk_is_told_by_its_cause(tmp_path):
    pictures = make_pictures(tmp_path, drawn(20))
    with pytest.raises(OSError, match="No space left"):
        packing.write_records(pictures, np.arange(20), 1, Path("/dev/full"), tmp_path / "a.idx")


@pytest.mark.parametrize("from_disk", [True, False])
def test_the_disk_is_asked_for_what_follows_if_it_was_needed(tmp_path, monkeypatch, from_disk):
    asked, blocks = [], itertools.count()
    monkeypatch.setattr(packing, "CHUNK_BYTES", 100)
    monkeypatch.setattr(packing, "blocks_read", lambda: next(blocks) if from_disk else 7)
    monkeypatch.setattr(packing.os, "posix_fadvise", lambda _, offset, size, __: asked.append((offset, size)))
    pictures = make_pictures(tmp_path, [bytes(60)] * 50)
    order = np.random.default_rng(1).permutation(50)
    chunks = list(packing.chunks(order, pictures.sizes))
    found = list(packing.asked_of_the_disk(iter(chunks), pictures, 500))
    assert np.concatenate(found).tolist() == order.tolist()
    windows = [np.concatenate([[], *chunks[first + 1 : first + 5]]).astype(int) for first in range(0, len(chunks), 5)]
    wanted = [(offset, 60) for window in windows for offset in sorted(pictures.offsets[window].tolist())]
    assert asked == (wanted if from_disk else [])
