"""catalog/documents.py on generated catalogs: what is written is found, document by document and byte by byte."""

import contextlib
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest
from bson.int64 import Int64
from hypothesis import given, settings
from hypothesis import strategies as st

import split_catalog
from catalog import parts
from catalog.documents import find_documents, open_catalog, read_documents
from catalog.ids import written
from catalog.index import read_index
from catalog.pictures import iter_pictures
from tiny_catalogs import indexed, jpeg, write

SMALLEST = 1 - 2**63
INTEGERS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(SMALLEST, 2**63 - 1).map(Int64))
IDS = st.one_of(
    INTEGERS,
    st.integers(-(2**60), 2**60).map(float),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30).filter(str.strip),
    st.binary(min_size=12, max_size=12).map(bson.ObjectId),
    st.uuids().map(bson.Binary.from_uuid),
)
PICTURES = st.lists(
    st.one_of(
        st.binary(max_size=60), st.sampled_from([b"", b"\0" * 9, b"\x05picture\x00", b"\x12_id\x00" + b"\x01" * 8])
    ).map(lambda tail: jpeg(0) + tail),
    min_size=1,
    max_size=12,
)
OTHER_FIELDS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5).filter(
        lambda name: name not in ("_id", "category_id", "imgs")
    ),
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.lists(st.binary(max_size=5), max_size=2)),
    max_size=2,
)


def as_people_have_it(value: object) -> str:
    """An id as it is written; no number has a fraction."""
    if isinstance(value, bson.Binary):
        return str(value.as_uuid())
    return str(int(value)) if isinstance(value, float) else str(value)


@st.composite
def product_fields(draw, product_id: object, with_category: bool) -> dict:
    """A product's fields, mostly as published, some in other orders and with fields of no concern."""
    fields = {"_id": product_id}
    if with_category:
        fields["category_id"] = draw(IDS)
    fields["imgs"] = [{"picture": picture} for picture in draw(PICTURES)]
    if draw(st.integers(0, 3)) == 0:
        fields |= draw(OTHER_FIELDS)
        fields = dict(draw(st.permutations(list(fields.items()))))
    return fields


@st.composite
def catalogs(draw) -> list[dict]:
    """Products of a catalog, all with or all without a category."""
    kinds = draw(st.sampled_from([INTEGERS, IDS]))
    ids = draw(st.lists(kinds, min_size=1, max_size=12, unique_by=as_people_have_it))
    with_category = draw(st.booleans())
    return [draw(product_fields(product_id, with_category)) for product_id in ids]


@given(catalogs())
@settings(max_examples=25, deadline=None)
def test_catalogs_round_trip_through_index_split_and_pictures(documents):
    with_categories = "category_id" in documents[0]
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        path = write(folder / ("train.bson" if with_categories else "test.bson"), documents)
        index = indexed(path)
        expected = [
            (as_people_have_it(fields["_id"]), number, image["picture"])
            for fields in documents
            for number, image in enumerate(fields["imgs"])
        ]
        columns = written(index, "product").map(str), index.image, iter_pictures([path], index)
        assert list(zip(*columns, strict=True)) == expected
        if with_categories:
            expected = [as_people_have_it(fields["category_id"]) for fields in documents for _ in fields["imgs"]]
            assert written(index, "category").map(str).tolist() == expected
        kept = index.drop_duplicates("doc_offset")
        picked = parts.valid_products(kept.product_id.to_numpy(), 3, 0.5)
        is_valid = kept.product_id.isin(picked).to_numpy()
        (folder / "parts").mkdir()
        indexes = {part: folder / "parts" / f"{part}.parquet" for part in parts.PARTS}
        offsets = split_catalog.offsets_in_parts(kept.doc_size.to_numpy(np.int64), is_valid)
        parts.write_indexes(path.with_suffix(".parquet"), is_valid, *indexes.values(), offsets)
        for part, is_in_part in (("train", ~is_valid), ("valid", is_valid)):
            check_part(path, documents, kept[is_in_part], indexes[part])


def check_part(source: Path, documents: list[dict], kept: pd.DataFrame, index: Path) -> None:
    """A part holds its documents' bytes in the source's order, and its index is that of the file."""
    found = read_index(index)
    if kept.empty:
        assert found.empty
        return
    part = index.with_suffix(".bson")
    byte_runs = split_catalog.runs(kept.doc_offset.to_numpy(), kept.doc_size.to_numpy(np.int64))
    with source.open("rb", buffering=0) as catalog, ThreadPoolExecutor(2) as copiers:
        list(split_catalog.start_copying(copiers, catalog, part, byte_runs))
    members = set(written(kept, "product").map(str))
    expected = b"".join(bson.encode(fields) for fields in documents if as_people_have_it(fields["_id"]) in members)
    assert part.read_bytes() == expected
    assert found.equals(indexed(part, with_categories=source.stem != "test"))


@given(catalogs())
@settings(max_examples=40, deadline=None)
def test_documents_read_together_are_as_if_read_one_by_one(documents):
    raw = b"".join(map(bson.encode, documents))
    sizes = np.array([len(bson.encode(fields)) for fields in documents])
    offsets = np.cumsum(sizes) - sizes
    together, texts, faults = read_documents(raw, offsets, sizes)
    assert faults == []
    for number, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        alone, alone_texts, _ = read_documents(raw, np.array([offset]), np.array([size]))
        assert alone_texts.get(0) == texts.get(number)
        alone["document"] = number
        assert np.array_equal(together[together["document"] == number], alone)


def test_a_walk_that_passes_over_garbage_finds_all_documents_behind_it(tmp_path):
    rng = np.random.default_rng(1)
    parts, expected = [], []
    for number in range(50):
        garbage = rng.integers(1, 256, rng.integers(1, 40), np.uint8).tobytes()
        document = bson.encode({"_id": number, "imgs": [{"picture": b"x" * number}]})
        expected.append((len(b"".join(parts)) + len(garbage), len(document)))
        parts += [garbage, document]
    catalog = open_catalog(write(tmp_path / "a.bson", parts))
    documents, faults, stop = find_documents(catalog, 0, len(catalog), goes_on=True)
    assert documents.tolist() == expected
    assert (len(faults), stop) == (50, len(catalog))
    documents, [(offset, _)], stop = find_documents(catalog, expected[0][0], len(catalog), goes_on=False)
    assert documents.tolist() == expected[:1]
    assert offset == stop == sum(expected[0])


@pytest.mark.parametrize("garbage", [b"", b"\x07\0\0\0garbage", b"\x05\0\0\0\0"])
def test_a_walk_by_stretches_finds_what_one_walk_finds(tmp_path, garbage):
    rng = np.random.default_rng(1)
    parts = [bson.encode({"_id": number, "imgs": [{"picture": rng.bytes(number % 90)}]}) for number in range(50)]
    parts.insert(20, garbage)
    catalog = open_catalog(write(tmp_path / "a.bson", parts))
    whole, faults, _ = find_documents(catalog, 0, len(catalog), goes_on=True)
    for size in (1, 50, 1000):
        start, found, found_faults = 0, [], []
        for stop in range(size, len(catalog) + size, size):
            documents, more, start = find_documents(catalog, start, min(stop, len(catalog)), goes_on=True)
            found += documents.tolist()
            found_faults += more
        assert found == whole.tolist()
        assert [offset for offset, _ in found_faults] == [offset for offset, _ in faults]
