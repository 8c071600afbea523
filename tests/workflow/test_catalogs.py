"""workflow.catalogs knows the files of a catalog by their content."""

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

import cli
from workflow import catalogs


@pytest.fixture
def catalog(tmp_path):
    path = tmp_path / "train.bson"
    path.write_bytes(b"products")
    return path


def own(folder: Path, **batches: str) -> dict:
    """What of a configuration names the files that no rule makes."""
    return {"catalog": str(folder), "batches": batches}


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_missing_file_is_named_unless_a_rule_makes_it(tmp_path, missing):
    for name in {"train", "test"} - {missing}:
        (tmp_path / f"{name}.bson").write_bytes(b"products")
    with pytest.raises(cli.UserError, match=rf"^{tmp_path}/{missing}\.bson: no such file, nor a folder {missing} of"):
        catalogs.check_files(own(tmp_path))
    catalogs.check_files(own(tmp_path) | {"generate_catalog": {}})
    (tmp_path / f"{missing}.bson").write_bytes(b"products")
    catalogs.check_files(own(tmp_path))


def touch(path, seconds=1):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + seconds * 10**9))


def test_a_file_is_read_once_per_path_size_and_time(catalog, tmp_path, monkeypatch):
    read = []
    sha256 = catalogs.sha256
    monkeypatch.setattr(catalogs, "sha256", lambda path: read.append(path.name) or sha256(path))
    noted = tmp_path / "noted.json"
    copy = tmp_path / "copy.bson"
    copy.write_bytes(b"products")
    digests = {catalogs.digest(path, noted) for path in (catalog, catalog, copy, copy, catalog)}
    assert (len(digests), read) == (1, ["train.bson", "copy.bson"])
    touch(catalog)
    assert {catalogs.digest(catalog, noted), catalogs.digest(catalog, noted)} == digests
    assert read == ["train.bson", "copy.bson", "train.bson"]


def test_what_sha256sum_wrote_beside_a_file_is_taken_unless_it_is_older(catalog, tmp_path, monkeypatch):
    noted, beside = tmp_path / "noted.json", tmp_path / "train.bson.sha256"
    with beside.open("w") as file:
        subprocess.run(["sha256sum", catalog], stdout=file, check=True)
    expected = catalogs.sha256(catalog)
    monkeypatch.setattr(catalogs, "sha256", None)
    assert catalogs.digest(catalog, noted) == expected
    monkeypatch.undo()
    catalog.write_bytes(b"others!!")
    touch(catalog, 100)
    assert catalogs.digest(catalog, noted) == catalogs.sha256(catalog) != expected


def test_a_file_beside_a_catalog_that_sha256sum_did_not_write_is_named(catalog, tmp_path):
    (tmp_path / "train.bson.sha256").write_text("sha256sum: No such file")
    with pytest.raises(
        cli.UserError, match=r"train\.bson\.sha256: not what sha256sum writes; write it anew, or remove"
    ):
        catalogs.digest(catalog, tmp_path / "noted.json")


def test_another_content_of_the_same_size_is_noticed(catalog, tmp_path):
    before = catalogs.digest(catalog, tmp_path / "noted.json")
    catalog.write_bytes(b"PRODUCTS")
    touch(catalog)
    assert catalogs.digest(catalog, tmp_path / "noted.json") != before


def test_where_nothing_can_be_noted_a_file_is_read_again(catalog, tmp_path):
    (tmp_path / "a-file").touch()
    noted = tmp_path / "a-file/noted.json"
    assert catalogs.digest(catalog, noted) == catalogs.sha256(catalog)


def test_several_dumps_come_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for name in ("b.bson", "a.bson", "B.bson", "10.bson", "2.bson", "notes.txt", "a.metadata.json"):
        (folder / name).write_text(name)
    found = catalogs.files_of(tmp_path, "train")
    assert [path.name for path in found] == ["10.bson", "2.bson", "B.bson", "a.bson", "b.bson"]
    (tmp_path / "test.bson").touch()
    held = catalogs.held(tmp_path, tmp_path / "noted.json")
    assert list(held.dumps["train"].items()) == [(path.stem, catalogs.sha256(path)) for path in found]
    assert list(held.digests) == ["test"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train.bson", "train/a.bson"], "train: {folder}/train.bson is there, too; move one of them away"),
        (["train/a b.bson"], "train/a b.bson: name it by letters, digits, `_`, `-` and `.` alone"),
        (["train/a.bson", "train/b.bson.gz"], "train/b.bson.gz: unpack it, or move it away"),
        (["train/a.json"], "train.bson: no such file, nor a folder train of .bson files; set the config key catalog"),
    ],
)
def test_dumps_that_cannot_be_taken_are_told(tmp_path, files, message):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(cli.UserError) as told:
        catalogs.check_files(own(tmp_path))
    assert str(told.value).startswith(f"{tmp_path}/{message.format(folder=tmp_path)}")


def test_a_large_file_is_read_with_a_progress_bar(catalog, monkeypatch, capsys):
    catalogs.sha256(catalog)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(catalogs, "NOTED", 1)
    catalogs.sha256(catalog)
    assert f"{catalog} is read once: 100%" in capsys.readouterr().err


def test_the_order_of_categories_counts_and_how_the_table_is_written_does_not(tmp_path):
    def order(text, encoding="utf-8"):
        path = tmp_path / "category_names.csv"
        path.write_text(text, encoding)
        return catalogs.category_order(path)

    before = order('category_id,category_level1\n10,"A, B"\n20,C\n')
    assert before == hashlib.sha256(b"category_id\n10\n20").hexdigest()
    assert order("category_id,category_level1\n10,Other\n20,Names\n") == before
    for encoding in ("utf-8-sig", "utf-16"):
        assert order("category_id,category_level1\n10,A\n20,C\n", encoding) == before
    assert order("category_level1;category_id\r\nA;10\r\nC;20\r\n") == before
    assert order("category_id,category_level1\n20,C\n10,A\n") != before


def test_a_table_of_names_that_cannot_be_read_is_named_with_the_line(tmp_path):
    path = tmp_path / "category_names.csv"
    path.write_bytes("category_id,category_level1\n10,A\n20,é\n".encode("latin-1"))
    with pytest.raises(cli.UserError, match=r"category_names\.csv: line 3: not UTF-8"):
        catalogs.category_order(path)


def test_each_missing_start_of_the_published_models_has_weights_of_its_network_to_convert(published_configuration):
    for model in published_configuration["models"].values():
        if name := model["start"].get("pretrained"):
            assert catalogs.FROM_TIMM[name].endswith(f" --network {model['network']}")


@pytest.mark.parametrize("name", ["train.bson", "test.bson"])
def test_a_file_of_another_kind_is_named_before_anything_runs(tmp_path, name):
    for each in ("train.bson", "test.bson"):
        (tmp_path / each).write_bytes(b"\x16\0\0\0\x10_id\0\x01\0\0\0\x04imgs\0")
    catalogs.check_files(own(tmp_path))
    (tmp_path / name).write_bytes(b"PK\x03\x04 zipped")
    with pytest.raises(cli.UserError, match=f"{name}: a zip archive; unpack it: unzip "):
        catalogs.check_files(own(tmp_path))
    (tmp_path / name).rename(tmp_path / f"{name}.gz")
    with pytest.raises(cli.UserError, match=f"{name}.gz: a gzip file; unpack it: gunzip {tmp_path / name}.gz"):
        catalogs.check_files(own(tmp_path))
    (tmp_path / f"{name}.gz").rename(tmp_path / f"{name}.metadata.json")
    with pytest.raises(cli.UserError, match=f"{name}: no such file, nor a folder"):
        catalogs.check_files(own(tmp_path))


def test_a_file_that_shrinks_while_it_is_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "train.bson"
    path.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(catalogs, "BLOCK", 1 << 17)

    class Bar(contextlib.nullcontext):
        def update(self, _):
            os.truncate(path, 1 << 19)

    monkeypatch.setattr(cli, "progress", lambda *_, **__: Bar(Bar()))
    with pytest.raises(cli.UserError, match=r"train\.bson: the file changed while it was read"):
        catalogs.sha256(path)


PRODUCT = b"\x16\0\0\0\x10_id\0\x01\0\0\0\x04imgs\0"


@pytest.fixture
def with_batches(tmp_path):
    """A catalog, a batch in a file and one in two dumps."""
    for name in ("train", "test", "monday", "days/2", "days/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.bson").write_bytes(PRODUCT + name.encode())
    return tmp_path


@pytest.mark.parametrize("days", ["days", "days/*.bson"])
def test_a_batch_is_a_file_or_the_dumps_of_a_folder(with_batches, days):
    noted = with_batches / "noted.json"
    catalogs.check_files(own(with_batches, monday=f"{with_batches}/monday.bson", days=f"{with_batches}/{days}"))
    monday = catalogs.held_batch(f"{with_batches}/monday.bson", noted)
    assert (monday.files, monday.held) == (
        f"{with_batches}/monday.bson",
        catalogs.sha256(with_batches / "monday.bson"),
    )
    found = catalogs.held_batch(f"{with_batches}/{days}", noted)
    assert found.files == [f"{with_batches}/days/{number}.bson" for number in (1, 2)]
    assert found.held == {path.stem: catalogs.sha256(path) for path in map(Path, found.files)}


@pytest.mark.parametrize(
    ("batch", "content", "message"),
    [
        ("new.bson", None, "new.bson: no such file; set the config key batches.today to a .bson of products, or to a"),
        ("new.bson", b"", "new.bson: the file is empty; dump the catalog again"),
        ("new.bson", b"[{", "new.bson: JSON, not BSON; import it and dump it"),
        ("none/*.bson", None, "none/*.bson: no .bson file; put the dumps of batch today there, or unset batches.today"),
    ],
)
def test_a_batch_that_cannot_be_taken_is_told_before_anything_runs(with_batches, batch, content, message):
    if content is not None:
        (with_batches / batch).write_bytes(content)
    with pytest.raises(cli.UserError) as told:
        catalogs.check_files(own(with_batches, today=f"{with_batches}/{batch}"))
    assert str(told.value).startswith(f"{with_batches}/{message}")
