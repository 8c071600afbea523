"""digest_catalog.py: the record of a catalog's content."""

import hashlib
import json

from tiny_catalogs import error_of, files_below, run


def test_the_record_holds_size_and_digest(tmp_path):
    catalog = tmp_path / "a.bson"
    catalog.write_bytes(b"some bytes" * 1000)
    done = run("digest_catalog", catalog, "--output", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "a.json").read_text()).values()
    assert hashlib.sha256(catalog.read_bytes()).hexdigest() in values
    assert any(str(value).startswith("10000-") for value in values)


def test_a_missing_catalog_is_named(tmp_path):
    assert "a.bson: No such file" in error_of(run("digest_catalog", tmp_path / "a.bson", "--output", tmp_path / "o"))
    assert files_below(tmp_path) == set()
