"""Another workflow uses Shelfmark as a module, and Shelfmark runs outside its checkout; folders have odd names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT
from tiny_workflow import copy_checkout, snakemake

OVERLAY = Path(__file__).with_name("names.yaml")
ODD = """it's "$HOME" `é` & #1;*?"""
RESULTS = f"results {ODD}"
SNAKEFILE = f"""
SHELFMARK = {{shelfmark!r}}


configfile: f"{{{{SHELFMARK}}}}/config.yaml"
configfile: {str(OVERLAY)!r}


config["results"] = {RESULTS!r}


rule mine:
    input:
        "list.txt",
        "copies",


module shelfmark:
    snakefile:
        f"{{{{SHELFMARK}}}}/Snakefile"
    config:
        config


use rule * from shelfmark as shelfmark_*


rule list_records:
    input:
        rules.shelfmark_records.input,
    output:
        "list.txt",
    shell:
        "ls {{{{input:q}}}} > {{{{output:q}}}}"


rule copy_submissions:
    input:
        rules.shelfmark_submit.input,
    output:
        directory("copies"),
    shell:
        "mkdir {{{{output:q}}}} && cp {{{{input:q}}}} {{{{output:q}}}}"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a workflow that uses Shelfmark, with Shelfmark's default profile, and has run to its end."""
    parent = tmp_path_factory.mktemp("module")
    checkout, folder = copy_checkout(parent / f"checkout {ODD}"), parent / f"run {ODD}"
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE.format(shelfmark=str(checkout)))
    shutil.copytree(ROOT / "profiles/default", folder / "profiles/default")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_workflow_that_uses_shelfmark_takes_its_files(finished):
    records = [Path(line) for line in (finished / "list.txt").read_text().splitlines()]
    assert [path.name for path in records] == ["train.idx", "train.rec", "valid.idx", "valid.rec"]
    assert all((finished / path).with_name("recipe.json").exists() for path in records)
    assert (finished / "copies/both_lite.csv.gz").exists()


def test_it_makes_files_under_free_names(finished):
    results = finished / RESULTS
    assert {path.name for path in (results / "models").iterdir()} == {"lite0", "lite0-b"}
    assert {path.name for path in (results / "submission").iterdir()} == {"both_lite.csv.gz"}
    assert "Nothing to be done" in run(finished, "--dry-run").stdout
    found = {path.name for path in finished.iterdir()}
    assert found == {".snakemake", "Snakefile", "copies", "list.txt", "profiles", RESULTS}


def test_a_workflow_with_other_triggers_is_told_of_the_profile(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(shelfmark=str(ROOT)))
    done = run(tmp_path, "--dry-run")
    assert done.returncode == 2
    assert "copy Shelfmark's profiles/default beside your Snakefile" in done.stderr.splitlines()[-1]


def test_a_command_printed_elsewhere_can_be_run_there(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", "--", "records", overlay=OVERLAY)
    [command] = [line for line in done.stdout.splitlines() if "generate_catalog.py" in line]
    assert f"python {ROOT}/scripts/generate_catalog.py " in command
    (tmp_path / "results/logs/generate_catalog").mkdir(parents=True)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert list(tmp_path.glob("results/catalog-*/train.bson"))
