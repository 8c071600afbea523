"""pack_records.py: the published converter's bytes, whatever the memory, and only JPEGs that MXNet reads as we do."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import bson
import pytest

import pack_records
from catalog.index import read_index
from checkout import ROOT
from drawn_pictures import OTHERS, UNUSUAL_JPEGS
from engines.mxnet.library import mx
from loading.pixels import decoded, encoded
from programs import error_of, run
from tiny_catalogs import files_below, indexed, jpeg, product, products, write

CLASSES = {30: 0, 10: 1, 20: 2}  # category_id: class_id


def published_records(path: Path, target: Path, first_copies_only=False, drop_conflicts=False, anew=None) -> None:
    """The published converter, with all records in memory and MXNet's own writer; anew: other bytes of pictures."""
    documents = bson.decode_all(path.read_bytes())
    categories = defaultdict(set)
    for document in documents:
        for image in document["imgs"]:
            categories[hashlib.md5(image["picture"]).digest()].add(document["category_id"])
    random.seed(0xC0FFEE)
    packed, seen = [], set()
    for document in documents:
        for image in document["imgs"]:
            picture = image["picture"]
            digest = hashlib.md5(picture).digest()
            if drop_conflicts and len(categories[digest]) > 1:
                continue
            if first_copies_only and digest in seen:
                continue
            seen.add(digest)
            header = mx.recordio.IRHeader(0, CLASSES[document["category_id"]], len(packed), 0)
            packed.append(mx.recordio.pack(header, (anew or {}).get(picture, picture)))
    order = list(range(len(packed)))
    random.shuffle(order)
    writer = mx.recordio.MXIndexedRecordIO(str(target.with_suffix(".idx")), str(target), "w")
    for number in order:
        writer.write_idx(number, packed[number])
    writer.close()


@pytest.fixture(scope="module")
def part(tmp_path_factory) -> Path:
    """A part of 150 products with its index and classes.csv beside it."""
    return make_part(tmp_path_factory.mktemp("part"), products(150, 4))


def make_part(folder: Path, documents: list) -> Path:
    path = write(folder / "train.bson", documents)
    indexed(path)
    lines = [f"{class_id},{category_id},,," for category_id, class_id in CLASSES.items()]
    (folder / "classes.csv").write_text("\n".join(["class_id,category_id,level1,level2,level3", *lines]) + "\n")
    return path


def pack(part: Path, output: Path, *words: object):
    classes = part.with_name("classes.csv")
    return run("pack_records", "--split", part, "--index", part.with_suffix(".parquet"), "--classes", classes,
               "--output", output, *words)  # fmt: skip


DATASETS = {
    "A": {"first_copies_only": False, "drop_conflicts": False},
    "C": {"first_copies_only": True, "drop_conflicts": False},
    "C as trained": {"first_copies_only": True, "drop_conflicts": True},
}


WORDS = {"first_copies_only": "--first-copies-only", "drop_conflicts": "--drop-conflicts"}


def packed(part: Path, folder: Path, dataset: str) -> tuple[bytes, bytes]:
    """The .rec and .idx of a dataset."""
    done = pack(part, folder / "a.rec", *(word for key, word in WORDS.items() if DATASETS[dataset][key]))
    assert done.returncode == 0, done.stderr
    return (folder / "a.rec").read_bytes(), (folder / "a.idx").read_bytes()


@pytest.mark.parametrize("dataset", DATASETS)
def test_records_are_the_published_converters(part, tmp_path, dataset):
    expected = tmp_path / "published.rec"
    published_records(part, expected, **DATASETS[dataset])
    records, offsets = packed(part, tmp_path, dataset)
    assert records == expected.read_bytes()
    assert offsets == expected.with_suffix(".idx").read_bytes()


def test_the_datasets_differ(part, tmp_path):
    assert len({packed(part, tmp_path, dataset)[0] for dataset in DATASETS}) == 3


@pytest.mark.parametrize("words", [(), ("--first-copies-only",), ("--first-copies-only", "--memory", "100K")])
def test_the_program_writes_records_offsets_and_summary(part, tmp_path, words):
    done = pack(part, tmp_path / "C" / "train.rec", *words)
    assert done.returncode == 0, done.stderr
    published_records(part, tmp_path / "published.rec", first_copies_only=bool(words))
    assert (tmp_path / "C" / "train.rec").read_bytes() == (tmp_path / "published.rec").read_bytes()
    assert files_below(tmp_path / "C") == {"train.rec", "train.idx", "train.json"}
    summary = json.loads((tmp_path / "C" / "train.json").read_text())
    count = len((tmp_path / "published.idx").read_text().splitlines())
    assert (summary["records"], summary["classes"], summary["encoded_anew"]) == (count, 3, {})


def test_mxnet_shuffles_by_the_offsets_and_finds_every_record(part, tmp_path):
    assert pack(part, tmp_path / "a.rec").returncode == 0
    rows = read_index(part.with_suffix(".parquet"))
    epochs = []
    for _ in range(2):
        batches = mx.io.ImageRecordIter(
            path_imgrec=str(tmp_path / "a.rec"), path_imgidx=str(tmp_path / "a.idx"), data_shape=(3, 32, 32),
            batch_size=1, shuffle=True, seed=len(epochs), round_batch=False, preprocess_threads=1,
        )  # fmt: skip
        epochs.append([int(batch.label[0].asscalar()) for batch in batches])
    expected = sorted(rows.category_id.map(CLASSES))
    assert [sorted(labels) for labels in epochs] == [expected, expected]
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_with_a_records_magic_number_inside_is_split_as_mxnet_does(tmp_path, shift, count):
    magic = (0xCED7230A).to_bytes(4, "little")
    comment = bytes(shift + 2) + magic * count + b"between" + magic
    picture = jpeg(1)[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg(1)[2:]
    part = make_part(tmp_path, [product(n, [picture if n == 2 else jpeg(n)]) for n in range(5)])
    published_records(part, tmp_path / "published.rec")
    records, offsets = packed(part, tmp_path, "A")
    assert records == (tmp_path / "published.rec").read_bytes()
    assert offsets == (tmp_path / "published.idx").read_bytes()
    reader = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "r")
    assert mx.recordio.unpack(reader.read_idx(2))[1] == picture


def test_pictures_that_are_no_plain_jpegs_are_encoded_anew_from_the_pixels_of_prediction_and_counted(tmp_path):
    kinds = {name: picture for name, (_, picture) in OTHERS.items()} | UNUSUAL_JPEGS
    good = products(30)
    part = make_part(tmp_path, [*good[:9], product(900, list(kinds.values())), *good[9:]])
    done = pack(part, tmp_path / "a.rec")
    assert done.returncode == 0, done.stderr
    anew = {picture: encoded(decoded(picture)) for picture in kinds.values()}
    published_records(part, tmp_path / "published.rec", anew=anew)
    assert (tmp_path / "a.rec").read_bytes() == (tmp_path / "published.rec").read_bytes()
    assert (tmp_path / "a.idx").read_bytes() == (tmp_path / "published.idx").read_bytes()
    counts = Counter(kind for kind, _ in OTHERS.values()) + Counter({"unusual JPEG": len(UNUSUAL_JPEGS)})
    summary = json.loads((tmp_path / "a.json").read_text())
    assert (summary["encoded_anew"], summary["jpeg_quality"]) == (counts, 95)
    assert all(f"{count} {kind}" in done.stderr for kind, count in counts.items())
    assert "encoded anew" in done.stderr


def test_a_picture_that_no_longer_decodes_is_named_and_nothing_written(tmp_path):
    picture = OTHERS["PNG"][1]
    part = make_part(tmp_path, [product(1, [jpeg(1)]), product(2, [jpeg(2), picture])])
    part.write_bytes(part.read_bytes().replace(picture, picture[:20].ljust(len(picture), b"\0")))
    line = error_of(pack(part, tmp_path / "records" / "a.rec"))
    assert "product 2, picture 1: the PNG does not decode, unlike when it was indexed; index the catalog again" in line
    assert files_below(tmp_path / "records") == set()


def test_a_part_without_pictures_is_named_and_nothing_written(tmp_path):
    part = make_part(tmp_path, [product(1, [jpeg(1)], 10), product(2, [jpeg(1)], 20)])
    line = error_of(pack(part, tmp_path / "records" / "a.rec", "--drop-conflicts"))
    assert "no picture is left to pack" in line
    assert files_below(tmp_path / "records") == set()


def test_a_category_without_class_is_named_and_nothing_written(tmp_path):
    part = make_part(tmp_path, [product(1, [jpeg(1)], 10), product(2, [jpeg(2)], 99)])
    assert "category 99 of product 2 is missing" in error_of(pack(part, tmp_path / "records" / "a.rec"))
    assert files_below(tmp_path / "records") == set()


def test_a_part_that_changed_after_indexing_is_named_and_nothing_written(part, tmp_path):
    for name in ("train.bson", "train.parquet", "classes.csv"):
        shutil.copy(part.with_name(name), tmp_path / name)
    write(tmp_path / "train.bson", products(150, 5))
    assert "index it again" in error_of(pack(tmp_path / "train.bson", tmp_path / "records" / "a.rec"))
    assert files_below(tmp_path / "records") == set()


def test_a_process_keeps_to_its_memory(tmp_path):
    """Libraries, rows and pictures together; the part is larger."""
    picture = jpeg(1)
    comment = b"\xff\xfe" + (40_000).to_bytes(2, "big") + bytes(39_998)
    picture = picture[:2] + comment + picture[2:]
    part = make_part(tmp_path, [product(number, [picture]) for number in range(4_500)])
    words = ["--split", part, "--index", part.with_suffix(".parquet"), "--classes", tmp_path / "classes.csv"]
    words += ["--output", tmp_path / "a.rec"]
    program = "import pack_records; pack_records.main(); print(open('/proc/self/status').read())"
    command = [sys.executable, "-c", program, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert part.stat().st_size > 170 << 20
    (peak,) = re.findall(r"VmHWM:\s*(\d+)", done.stdout)
    assert int(peak) << 10 < 150 << 20


@pytest.mark.parametrize(("text", "size"), [("500M", 500 << 20), ("2G", 2 << 30), ("1.5k", 1536), ("7", 7)])
def test_memory_is_given_in_bytes_or_units(text, size):
    assert pack_records.bytes_of(text) == size
