"""RecordIO files without MXNet: what MXNet and pack_records write is read."""

import numpy as np
import pytest

import cli
from engines.mxnet.library import mx
from records.files import RecordFile
from records.recordio import MAGIC, record

# Sizes around multiples of 4; magic numbers where a record is cut at them, and where it is not.
CONTENTS = [
    b"",
    b"a",
    b"abc",
    b"abcd",
    bytes(range(256)) * 9,
    MAGIC,
    MAGIC * 3,
    b"abcd" + MAGIC + b"efgh" + MAGIC + b"ij",
    b"a" + MAGIC + b"b",
]
LABELS = [3, 0, 5269, 1, 2, 7, 8, 9, 10]


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "train.rec"
    writer = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number, (label, content) in enumerate(zip(LABELS, CONTENTS, strict=True)):
        writer.write_idx(100 - number, mx.recordio.pack(mx.recordio.IRHeader(0, label, number, 0), content))
    writer.close()
    return path


def test_what_mxnet_writes_is_read(records):
    file = RecordFile(records)
    assert [file.read(position) for position in range(len(file))] == list(zip(LABELS, CONTENTS, strict=True))


def test_pack_contentswrites_the_same_bytes(records):
    """So what it writes is read, too."""
    written = [record(label, n, content) for n, (label, content) in enumerate(zip(LABELS, CONTENTS, strict=True))]
    assert b"".join(written) == records.read_bytes()


def test_contentsare_read_in_any_order(records):
    file = RecordFile(records)
    positions = np.random.default_rng(0).permutation(len(file))
    assert [file.read(position)[1] for position in positions] == [CONTENTS[position] for position in positions]


def test_one_record_is_a_file_too(tmp_path):
    (tmp_path / "one.rec").write_bytes(record(4, 0, b"picture"))
    (tmp_path / "one.idx").write_text("0\t0\n")
    file = RecordFile(tmp_path / "one.rec")
    assert (len(file), file.read(0)) == (1, (4, b"picture"))


@pytest.mark.parametrize("content", ["0\n", "0\tzero\n", "0\t0\n1\t99999\n", "0\t8\n1\t0\n", "0\t0\n1\t0\n"])
def test_an_index_of_other_contentsis_one_line(records, content):
    records.with_suffix(".idx").write_text(content)
    with pytest.raises(cli.UserError, match=r"train.idx: .*; pack the records again with pack_records.py$"):
        RecordFile(records)


@pytest.mark.parametrize(("start", "damage"), [(0, b"none"), (4, b"\xff\xff\xff\x1f"), (4, b"\x00\x00\x00\x20")])
def test_a_damaged_record_is_named_by_its_offset(records, start, damage):
    content = bytearray(records.read_bytes())
    content[start : start + len(damage)] = damage
    records.write_bytes(content)
    with pytest.raises(cli.UserError, match=r"train.rec: byte 0: no whole record; pack the records again"):
        RecordFile(records).read(0)


def test_a_file_that_was_cut_off_is_told(records):
    records.write_bytes(records.read_bytes()[:-8])
    file = RecordFile(records)
    with pytest.raises(cli.UserError, match=r"train.rec: byte \d+: no whole record"):
        file.read(len(file) - 1)
