"""catalog/dumps.py: what is no dump is named with the way to one, and what is a dump is not."""

import bz2
import gzip
import lzma

import bson
import pytest

import cli
from catalog.dumps import check_dump
from tiny_catalogs import jpeg, product

PRODUCTS = [product(number, [jpeg(number)]) for number in (7, 8)]
DUMP = b"".join(map(bson.encode, PRODUCTS))
ARCHIVE = b"\x6d\xe2\x99\x81" + bson.encode({"concurrent_collections": 4, "version": "0.1"}) + b"\xff" * 4 + DUMP
GZIP = "a gzip file; unpack it: mv "
JSON = "JSON, not BSON; import it and dump it: mongoimport"
PAGE = "a web page or XML, as a download leaves that failed"
FOREIGN = {
    "mongodump --gzip": (gzip.compress(DUMP), GZIP),
    "gzip with a name and time": (b"\x1f\x8b\x08\x08\x10abk\x00\x03train.bson\0" + DUMP, GZIP),
    "mongodump --archive": (ARCHIVE, "an archive of mongodump; restore it and dump its collection: mongorestore "),
    "mongodump --archive --gzip": (gzip.compress(ARCHIVE), GZIP),
    "bzip2": (bz2.compress(DUMP), "a bzip2 file; unpack it: mv "),
    "xz": (lzma.compress(DUMP), "a xz file; unpack it: mv "),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x04\x00" + DUMP, "a Zstandard file; unpack it: mv "),
    "zip": (b"PK\x03\x04\x14\0\x08\0" + DUMP, "a zip archive; unpack it: unzip "),
    "empty zip": (b"PK\x05\x06" + bytes(18), "a zip archive; unpack it: unzip "),
    "tar": (b"train.bson".ljust(257, b"\0") + b"ustar\x0000" + DUMP, "a tar archive; unpack it: tar -xf "),
    "mongoexport": (b'{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"imgs":[]}\n', JSON),
    "mongoexport --jsonArray": (b'[{"_id":1,"imgs":[]},\n{"_id":2}]', JSON),
    "JSON with a byte order mark": (b'\xef\xbb\xbf\n{ "_id": 1 }', JSON),
    "metadata": (b'{"options":{},"indexes":[{"v":2}]}', JSON),
    "HTML": (b"<!DOCTYPE html>\n<html><head><title>404</title>", PAGE),
    "HTML after blank lines": (b"\r\n\r\n <html lang='en'>", PAGE),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', PAGE),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a pointer of Git LFS, not the file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind_is_named_with_the_way_to_a_dump(tmp_path, name):
    content, message = FOREIGN[name]
    path = tmp_path / "my train.bson"
    path.write_bytes(content)
    with pytest.raises(cli.UserError) as error:
        check_dump(path)
    line = str(error.value)
    assert line.startswith(f"{path}: {message}")
    assert line.count(str(path)) == 1 + line.count(f"'{path}")  # quoted in commands, for its space
    assert "\n" not in line


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.bson").touch()
    with pytest.raises(cli.UserError, match=r"a\.bson: the file is empty"):
        check_dump(tmp_path / "a.bson")


@pytest.mark.parametrize("start", [content[:4] for content, _ in FOREIGN.values()])
def test_a_product_whose_length_looks_like_the_start_of_something_else_is_one(tmp_path, start):
    (tmp_path / "a.bson").write_bytes(start + bson.encode(PRODUCTS[0])[4:])
    check_dump(tmp_path / "a.bson")


@pytest.mark.parametrize("start", [b"<", b"{", b"[", b" <"])
def test_a_product_that_does_not_begin_with_its_id_is_one_too(tmp_path, start):
    content = bson.encode({"imgs": PRODUCTS[0]["imgs"], "_id": 7})
    (tmp_path / "a.bson").write_bytes(start + content[len(start) :])
    check_dump(tmp_path / "a.bson")
