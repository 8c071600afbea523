"""Another workflow uses Shelfmark as a module, and Shelfmark runs outside its checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT
from tiny_workflow import snakemake

OVERLAY = Path(__file__).with_name("states.yaml")
SNAKEFILE = f"""
configfile: "{ROOT}/config.yaml"
configfile: "{OVERLAY}"


rule pack:
    input:
        "list.txt",


module shelfmark:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        config


use rule * from shelfmark as shelfmark_*


rule list_records:
    input:
        rules.shelfmark_records.input,
    output:
        "list.txt",
    shell:
        "ls {{input:q}} > {{output:q}}"


rule copy_submissions:
    input:
        rules.shelfmark_submit.input,
    output:
        directory("copies"),
    shell:
        "mkdir {{output:q}} && cp {{input:q}} {{output:q}}"
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """The folder of a workflow that uses Shelfmark, with Shelfmark's default profile."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(ROOT / "profiles/default", tmp_path / "profiles/default")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_workflow_that_uses_shelfmark_makes_records(folder):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    names = [Path(line) for line in (folder / "list.txt").read_text().splitlines()]
    assert [path.name for path in names] == ["train.idx", "train.rec", "valid.idx", "valid.rec"]
    assert all((folder / path).with_name("recipe.json").exists() for path in names)
    assert "Nothing to be done" in run(folder, "--dry-run").stdout


def test_it_plans_submissions_and_all_that_they_need(folder):
    done = run(folder, "--dry-run", "--", "copy_submissions")
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    assert counts["shelfmark_train_epochs"] == "4"
    assert counts["shelfmark_write_submission"] == "1"
    assert counts["copy_submissions"] == "1"


def test_it_plans_everything(folder):
    done = run(folder, "--dry-run", "--", "shelfmark_all")
    assert done.returncode == 0, done.stderr
    assert "shelfmark_summarize_run" in done.stdout


def test_a_workflow_with_other_triggers_is_told_of_the_profile(folder):
    shutil.rmtree(folder / "profiles")
    done = run(folder, "--dry-run")
    assert done.returncode == 2
    assert "copy Shelfmark's profiles/default beside your Snakefile" in done.stderr.splitlines()[-1]


def test_a_command_printed_elsewhere_can_be_run_there(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", "--", "records", overlay=OVERLAY)
    [command] = [line for line in done.stdout.splitlines() if "generate_catalog.py" in line]
    assert f"python {ROOT}/scripts/generate_catalog.py " in command
    (tmp_path / "results/logs/generate_catalog").mkdir(parents=True)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert list(tmp_path.glob("results/catalog-*/train.bson"))


def test_a_command_printed_in_the_checkout_names_its_program_from_there(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "--configfile", OVERLAY]
    done = subprocess.run(
        [*command, "--config", f"results={tmp_path}", "--", "records"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\npython scripts/generate_catalog.py " in done.stdout, done.stderr
