"""Models, networks, datasets and ensembles may have any name of letters, digits, _ and -."""

import re
from pathlib import Path

import pytest

from tiny_workflow import artifacts_in, snakemake
from workflow import reasons

OVERLAY = Path(__file__).with_name("names.yaml")
ODD = ("lite0", "1", "lite0-0001", "0123456789", "train")


def planned(folder: Path, *arguments: str) -> list[list[str]]:
    """The rows of a dry run: rule, number of jobs, reason and for what."""
    done = snakemake(folder, "--dry-run", *arguments, overlay=OVERLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    return [re.split("  +", line, maxsplit=3) for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The working directory of a finished run of three models."""
    folder = tmp_path_factory.mktemp("names")
    done = snakemake(folder, overlay=OVERLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_run_makes_everything_under_free_names(finished):
    results = finished / "results"
    assert {path.name for path in (results / "models").iterdir()} == {"lite0", "lite0-b", "resnext_large"}
    assert {path.name for path in (results / "submission").iterdir()} == {"both-lite.csv.gz", "everything.csv.gz"}
    summary = (results / "evaluation/summary.txt").read_text()
    assert all(name in summary for name in ("lite0", "lite0-b", "resnext_large", "both-lite", "everything"))
    epochs = (results / "report/epochs.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in epochs[1:]] == ["lite0", "lite0-b", "resnext_large"]


def test_a_finished_run_of_free_names_plans_nothing(finished):
    assert planned(finished) == [["Nothing to be done: all files are there and up to date."]]


def test_each_name_leads_to_its_own_jobs(tmp_path):
    rows = planned(tmp_path, "--config", f"only=[{','.join(ODD)}]")
    assert ["train_epochs", "5", "not made yet", "1, 0123456789, lite0, lite0-0001, train 1"] in rows
    assert [row[1] for row in rows if row[0] == "average_models"] == ["2"]  # `odd`, and `only` of all


@pytest.mark.parametrize("name", ODD)
def test_each_model_is_a_target(tmp_path, name):
    rows = planned(tmp_path, "--config", f"only=[{name}]", "--", f"train_{name}")
    assert ["train_epochs", "1", "not made yet", f"{name} 1"] in rows


def test_a_reason_compares_with_files_of_the_same_model_alone(tmp_path):
    """The model 0123456789 looks like a digest, and abcdef0123 would be found by the same pattern."""
    overlay = tmp_path / "names.yaml"
    overlay.write_text(OVERLAY.read_text().replace("lite0-b", "abcdef0123") + "results: results\n")
    overlay.write_text(overlay.read_text().replace("only: [lite0, ", 'only: ["0123456789", lite0, '))
    made = artifacts_in(tmp_path, overlay)
    lying, asked = (made.models.epochs[model][0] for model in ("abcdef0123", "0123456789"))
    for path in (*lying.files.values(), str(lying.recipe_file)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert list(reasons.reasons([asked])) == [(asked, reasons.NEW)]
