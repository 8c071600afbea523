"""cli.py: files that are written whole."""

import os
from pathlib import Path

import pytest

import cli


def test_files_are_on_the_disk_before_the_first_is_renamed(tmp_path, monkeypatch):
    targets = [tmp_path / "a.json", tmp_path / "b.json"]
    synced = []

    def fsync(descriptor: int) -> None:
        assert not any(target.exists() for target in targets)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    with cli.written_whole(*targets) as temporaries:
        for temporary in temporaries:
            temporary.write_text(temporary.name)
    assert synced == [target.read_text() for target in targets]


def test_what_a_failed_program_wrote_goes_and_the_file_before_stays(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("before")

    def write_half() -> None:
        with cli.written_whole(target) as (temporary,):
            temporary.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "before")]


def test_of_many_names_the_first_are_told():
    assert cli.some([1, 2]) == "1, 2"
    assert cli.some(list(range(9))) == "0, 1, 2, 3, 4 ..."


def test_the_help_of_a_program_is_its_docstring_as_it_stands():
    docstring = "Do this.\n\nIn: a file.\nOut: another.\n\nExample:\n    python this.py a b\n"
    assert docstring in cli.parser(docstring).format_help()
