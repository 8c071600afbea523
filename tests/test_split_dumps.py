"""split_dumps.py: a part in several dumps gives the documents and the records of that part of one file."""

import pytest

import cli
import pack_records
import split_catalog
import split_dumps
from catalog.files import Files
from catalog.index import read_index
from tiny_catalogs import products
from tiny_dumps import CUTS, dump, index, join, run


@pytest.mark.parametrize("more", [[], ["--group-field", "shop"]], ids=["products", "groups"])
def test_splits_and_records_of_dumps_are_those_of_one_file_to_the_last_byte(tmp_path, more):
    """Of dumps, a part is its documents where they lie: nothing is copied."""
    all_products = [each | {"shop": each["_id"] % 7} for each in products(40)]
    dumps, whole = dump(tmp_path, *(all_products[first:stop] for first, stop in CUTS))
    (tmp_path / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n0,10,,,\n1,20,,,\n2,30,,,\n")
    folders = {split_dumps: tmp_path / "dumps", split_catalog: tmp_path / "whole"}
    words = ["--seed", 1, "--valid-fraction", 0.3, *more, "--output-folder"]
    run(split_dumps, "--catalog", *dumps, "--index", join(dumps)[0], *words, folders[split_dumps])
    run(split_catalog, "--catalog", whole, "--index", index(whole)[0], *words, folders[split_catalog])
    for part in ("train", "valid"):
        in_dumps, in_part = (read_index(folder / f"{part}.parquet") for folder in folders.values())
        in_file = ["doc_offset", "image_offset"]
        assert in_dumps.drop(columns=in_file).equals(in_part.drop(columns=in_file))
        documents = in_dumps.drop_duplicates("doc_offset")
        with Files(dumps) as catalog:
            read = [catalog.read(*each) for each in zip(documents.doc_offset, documents.doc_size, strict=True)]
        part_of_one_file = folders[split_catalog] / f"{part}.bson"
        assert b"".join(read) == part_of_one_file.read_bytes()
        assert len(read) in (12, 28) or more
        for folder, pictures in zip(folders.values(), (dumps, [part_of_one_file]), strict=True):
            words = ["--index", folder / f"{part}.parquet", "--classes", tmp_path / "classes.csv"]
            run(pack_records, "--split", *pictures, *words, "--output", folder / f"{part}.rec")
        for suffix in (".rec", ".idx", ".json"):
            first, second = (folder / f"{part}{suffix}" for folder in folders.values())
            assert first.read_bytes() == second.read_bytes()


def test_records_of_a_dump_that_changed_are_none_and_it_is_named(tmp_path):
    dumps, _ = dump(tmp_path, *(products(40)[first:stop] for first, stop in CUTS))
    (tmp_path / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n0,10,,,\n1,20,,,\n2,30,,,\n")
    joined, _ = join(dumps)
    dumps[1].write_bytes(bytes(dumps[1].stat().st_size))
    words = ["--index", joined, "--classes", tmp_path / "classes.csv", "--output", tmp_path / "records/a.rec"]
    with pytest.raises(
        cli.UserError, match=rf"^{dumps[1]}: byte \d+: product \d+, picture \d: no picture of \d+ bytes"
    ):
        run(pack_records, "--split", *dumps, *words)
    assert not any((tmp_path / "records").iterdir())
