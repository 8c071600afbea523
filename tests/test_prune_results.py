"""prune_results.py lists and deletes what no given configuration leads to, and touches nothing else."""

import os
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest

import cli
import prune_results
from configurations import OTHER_RATE, OVERLAY, ROOT, notes, write
from programs import run
from training.progress import Part
from workflow import given
from workflow.given import Given
from workflow.image_sets import TEST

TEN_DIGITS = ("valid_fraction: 0.2", "valid_fraction: 0.2\ndatasets: {B: {seed: 1234567890}}")
HOLD = "import pathlib, sys, time; from workflow import drivers; drivers.claim(pathlib.Path(sys.argv[1])); print(1); "
OF_PEOPLE = (
    *("catalog-digests.json", "report.html", "curves.tsv", "plan.svg", ".driver.lock", "evaluation/M01.json"),
    *("submission/ensemble-1.csv.gz", "report/epochs.tsv", "report/0123456789.svg", "models/M01/0001.params"),
    *("models/M01/notes.txt", "models/backup-1700000000.tar", "mine-0123456789/train.bson"),
    *("records/mine/A-0123456789/train.rec", "logs/0123456789.log", "logs/mine/0123456789.log"),
    *("logs/train_epochs/0123456789.txt", "logs/train_epochs/notes.log"),
)


def files_of(side: Given) -> set[Path]:
    """All that a finished run leaves under digests, and a part of each epoch, as if it had not ended."""
    artifacts = list(side.artifacts.everything())
    made = {Path(path) for artifact in artifacts for path in artifact.files.values()}
    recipes = {artifact.recipe_file for artifact in artifacts}
    epochs = (Path(epoch.files["params"]) for model in side.artifacts.models.epochs.values() for epoch in model)
    parts = {path for epoch in epochs for path in astuple(Part.of(epoch, "00000100"))}
    return made | recipes | parts | {path for artifact in artifacts for path in notes(side, artifact)}


def lay(paths: set[Path]) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789")


def lying(side: Given) -> set[Path]:
    return {path for path in side.results.rglob("*") if path.is_file()}


def listed(*sides: Given) -> set[Path]:
    return set(prune_results.left_over(sides[0].results, prune_results.Known(list(sides))))


@pytest.fixture
def first(tmp_path) -> Given:
    return write(tmp_path / "first.yaml")


@pytest.fixture
def both(first, tmp_path) -> tuple[Given, Given]:
    """Two configurations that have run; the second has another rate in the last epoch of M10."""
    second = write(tmp_path / "second.yaml", OTHER_RATE)
    lay(files_of(first) | files_of(second) | {first.results / name for name in OF_PEOPLE})
    return first, second


@pytest.mark.parametrize("change", [OTHER_RATE, TEN_DIGITS], ids=["a rate", "a seed of ten digits"])
def test_what_one_configuration_alone_leads_to_is_listed_without_it(first, tmp_path, change):
    second = write(tmp_path / "second.yaml", change)
    lay(files_of(first) | files_of(second))
    assert listed(first) == files_of(second) - files_of(first) != set()
    assert listed(second) == files_of(first) - files_of(second) != set()
    assert listed(first, second) == set()


def test_files_that_no_rule_writes_are_not_listed(both):
    others = lying(both[0]) - files_of(both[0]) - files_of(both[1])
    assert others == {both[0].results / name for name in OF_PEOPLE}
    assert not listed(both[0]) & others


def test_a_drawn_catalog_that_a_configuration_names_as_its_catalog_stays(first, tmp_path):
    lay(files_of(first))
    catalog = Path(first.artifacts.data.catalog["train"]).parent
    (catalog / "category_names.csv").write_text("category_id,category_level1\n1,A\n")
    drawn = next(line for line in OVERLAY.splitlines() if line.startswith("generate_catalog"))
    second = write(tmp_path / "second.yaml", (drawn, f"catalog: {catalog}"))
    assert first.artifacts.data.index["train"].digest != second.artifacts.data.index["train"].digest
    assert not {path for path in listed(second) if path.parent == catalog}
    assert listed(second) > set(map(Path, first.artifacts.data.index["train"].files.values()))


def test_without_delete_files_are_told_by_folder_and_stay(both, tmp_path):
    before = lying(both[0])
    done = run("prune_results", tmp_path / "first.yaml")
    assert done.returncode == 0, done.stderr
    *groups, total = done.stdout.splitlines()
    count = len(files_of(both[1]) - files_of(both[0]))
    assert total.startswith(f"{count} files, ")
    assert total.endswith(f" in {both[0].results} belong to none of: {tmp_path / 'first.yaml'}")
    # M10's third epoch: weights, states, metrics, recipe; M11 starts from it and has two.
    assert {"models/M10: 7 files, 70 B", "models/M11: 14 files, 140 B"} <= set(groups)
    assert {line.partition(":")[0] for line in groups} >= {"probabilities/test", "by-recipe/evaluation", "logs"}
    assert "nothing is deleted" in done.stderr
    assert lying(both[0]) == before


def test_delete_removes_what_is_listed_and_the_folders_that_are_empty_then(both, tmp_path):
    run_before = files_of(both[1]) - files_of(both[0])
    kept = lying(both[0]) - run_before
    done = run("prune_results", tmp_path / "first.yaml", "--delete")
    assert done.returncode == 0, done.stderr
    assert f"{len(run_before)} files, " in done.stderr
    assert lying(both[0]) == kept
    assert not [path for path in both[0].results.rglob("*") if path.is_dir() and not any(path.iterdir())]


def intermediate(side: Given) -> set[Path]:
    """Splits, records and probabilities, as a reader of docs/results.md would list them."""
    patterns = ("split/*/*.bson", "records/*/*.rec", "records/*/*.idx", "probabilities/*/*/*.npy", "ensemble/*/*/*.npy")
    return {path for pattern in patterns for path in side.results.glob(pattern)}


def test_a_finished_run_needs_no_splits_records_and_probabilities(first, tmp_path):
    lay(files_of(first))
    kept = lying(first) - intermediate(first)
    done = run("prune_results", tmp_path / "first.yaml", "--intermediate", "--delete")
    assert done.returncode == 0, done.stderr
    assert f"in {first.results} are not needed any more by: {tmp_path / 'first.yaml'}" in done.stdout
    assert lying(first) - {first.results / ".driver.lock"} == kept
    targets = [path for name in ("all", "train") for path in first.artifacts.target(name)]
    assert first.artifacts.missing(targets) == []


def test_what_is_not_finished_keeps_what_it_needs(first):
    """An epoch needs the records of its model, a submission its averages, wherever else they are used up."""
    lay(files_of(first))
    everything = intermediate(first)
    made = first.artifacts
    last, submission = made.models.epochs["M10"][-1], made.answers.submissions["ensemble-2"]
    for path in (*last.files.values(), submission.files["submission"]):
        Path(path).unlink()
    needed = {Path(each) for part in made.data.records["A"].values() for each in list(part.files.values())[:2]}
    needed |= {Path(each.files["probabilities"]) for each in made.answers.averages[TEST, "ensemble-2"]}
    assert set(prune_results.intermediate([first])) == everything - needed


def test_what_another_configuration_needs_stays(first, tmp_path):
    lay(files_of(first))
    everything = set(prune_results.intermediate([first]))
    second = write(tmp_path / "second.yaml", OTHER_RATE)
    left = everything - set(prune_results.intermediate([first, second]))
    assert {path.relative_to(first.results).parts[0] for path in left} >= {"records", "split"}


def test_nothing_is_deleted_under_a_running_driver(both, tmp_path):
    before = lying(both[0])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-uc", HOLD + "time.sleep(60)", both[0].results]
    driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    driver.stdout.readline()
    done = run("prune_results", tmp_path / "first.yaml", "--delete")
    driver.kill()
    driver.communicate()
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {both[0].results}: another driver works here")
    assert done.stderr.count("\n") == 1
    assert lying(both[0]) == before


def test_configurations_with_other_results_are_refused(both, tmp_path):
    (tmp_path / "away").mkdir()
    elsewhere = write(tmp_path / "away/third.yaml")
    done = run("prune_results", tmp_path / "first.yaml", tmp_path / "away/third.yaml", "--delete")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path / 'away/third.yaml'}: its results are {elsewhere.results},"
        f" those of {tmp_path / 'first.yaml'} are {both[0].results}; name configurations with the same results\n"
    )
    assert lying(both[0]) >= files_of(both[1])


def test_configurations_may_be_a_profiles_and_have_values_on_top(tmp_path):
    (tmp_path / "results").mkdir()
    demo = given.read(None, "profiles/demo", [f"results={tmp_path / 'results'}"])
    assert demo.results == tmp_path / "results"
    assert demo.artifacts.config["image"]["size"] == 32
    assert demo.command == f"snakemake --profile profiles/demo --config results={tmp_path / 'results'}"


@pytest.mark.parametrize(
    ("profile", "entry", "message"),
    [
        (None, "results", "--config results: write key=value"),
        ("profiles/none", "results=nowhere", "profiles/none: no such profile; name its folder, such as profiles/demo"),
        (
            "profiles/demo",
            "results=no/where",
            "no/where: no such folder of results; run it first: snakemake --profile profiles/demo"
            " --config results=no/where",
        ),
    ],
)
def test_what_leads_nowhere_is_told(profile, entry, message):
    with pytest.raises(cli.UserError) as told:
        given.read(None, profile, [entry])
    assert str(told.value) == message
