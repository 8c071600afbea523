"""workflow.sources tells a change of code from a change of words."""

import pytest

from workflow import sources

PROGRAM = '''
"""A program."""
import neighbour


def main():
    """Say."""
    return neighbour.value()  # why
'''.lstrip()


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SCRIPTS", tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("def value():\n    return 1\n")
    (tmp_path / "stranger.py").write_text("REVISION = 3\n")
    return tmp_path


def fingerprint():
    for function in (sources.fingerprint, sources._code, sources._neighbours):
        function.cache_clear()
    return sources.fingerprint("program.py")


def changed_by(folder, file, old, new):
    before = fingerprint()
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    return fingerprint() != before


def test_a_fingerprint_is_the_same_under_every_python(scripts):
    """As it was computed by 3.11, 3.12 and 3.13, whose ast.dump differ."""
    (scripts / "program.py").write_text("def main(a: int, *, b=f'{1 + 1:>3}') -> None:\n    return [a, b]\n")
    assert fingerprint() == "710ea1a6d5dc7d43"


def test_comments_docstrings_and_layout_do_not_count(scripts):
    assert not changed_by(scripts, "program.py", "# why", "# because")
    assert not changed_by(scripts, "program.py", "Say.", "Tell.")
    assert not changed_by(scripts, "program.py", "\n\n\n", "\n\n\n\n")


def test_code_of_the_program_and_of_what_it_imports_counts(scripts):
    assert changed_by(scripts, "program.py", "neighbour.value()", "neighbour.value() + 1")
    assert changed_by(scripts, "neighbour.py", "return 1", "return 2")
    assert not changed_by(scripts, "stranger.py", "3", "4")


def test_modules_of_packages_count_however_they_are_imported(scripts):
    (scripts / "package").mkdir()
    (scripts / "package" / "__init__.py").write_text("A = 1\n")
    (scripts / "package" / "module.py").write_text("B = 1\n")
    for statement in ("from package import module", "from package.module import B", "import package.module"):
        (scripts / "program.py").write_text(f"{statement}\n")
        assert changed_by(scripts, "package/module.py", "B = ", "B = 1 + ")
        assert changed_by(scripts, "package/__init__.py", "A = ", "A = 1 + ")


def test_a_revision_is_read_and_its_absence_is_an_error(scripts):
    sources.revision.cache_clear()
    assert sources.revision("stranger.py") == 3
    with pytest.raises(ValueError, match="states no REVISION"):
        sources.revision("program.py")
