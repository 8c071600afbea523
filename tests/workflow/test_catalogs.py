"""workflow.catalogs recognizes a catalog file by its content."""

import json
import os

import pytest

from workflow import catalogs


@pytest.fixture
def catalog(tmp_path):
    path = tmp_path / "train.bson"
    path.write_bytes(b"products")
    return path


@pytest.fixture
def record(catalog):
    path = catalog.with_name("train.digest.json")
    path.write_text(json.dumps(catalogs.record(catalog)))
    return path


def touch(path, seconds=1):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + seconds * 10**9))


def test_before_the_first_run_the_stamp_is_the_identity(catalog):
    assert catalogs.identity(catalog, catalog.with_name("no.json")) == catalogs.stamp(catalog)


def test_a_touched_file_keeps_its_identity_and_is_read_once(catalog, record, monkeypatch):
    before = catalogs.identity(catalog, record)
    touch(catalog)
    assert catalogs.identity(catalog, record) == before
    monkeypatch.setattr(catalogs, "digest", lambda path: pytest.fail("read again"))
    assert catalogs.identity(catalog, record) == before


def test_another_content_of_the_same_size_is_another_identity(catalog, record):
    before = catalogs.identity(catalog, record)
    catalog.write_bytes(b"PRODUCTS")
    touch(catalog)
    assert catalogs.identity(catalog, record) == catalogs.stamp(catalog) != before


def test_the_order_of_categories_counts_and_their_names_do_not(tmp_path):
    def order(text):
        path = tmp_path / "category_names.csv"
        path.write_text(text)
        return catalogs.category_order(path)

    before = order('category_id,category_level1\n10,"A, B"\n20,C\n')
    assert order("category_id,category_level1\n10,Other\n20,Names\n") == before
    assert order("\ufeffcategory_id,category_level1\n10,A\n20,C\n") == before
    assert order("category_id,category_level1\n20,C\n10,A\n") != before
