"""An own overlay counts on top of a profile's, for the rules, for the jobs of a cluster and for the plan."""

import json
import subprocess
import sys
from pathlib import Path

import bson
import pytest
import yaml

import cli
from checkout import ROOT
from workflow import overlays

PICTURE = (ROOT / "tests/picture.jpg").read_bytes()
SMALL = ROOT / "profiles/small"
TWO_MODELS = ["M15", "M17"]  # of profiles/small


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A working directory with the files a.yaml, b.yaml, and two profiles, one of them applied without being named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    for name in ("a.yaml", "b.yaml", "Snakefile"):
        (tmp_path / name).touch()
    for profile in ("profiles/default", "gpu"):
        (tmp_path / profile).mkdir(parents=True)
        (tmp_path / profile / "config.yaml").write_text("configfile: overlay.yaml\ncores: 1\n")
        (tmp_path / profile / "overlay.yaml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "profiles/default/overlay.yaml"),
        ("--workflow-profile none", ""),
        ("--workflow-profile none --profile gpu --configfile a.yaml b.yaml", "gpu/overlay.yaml a.yaml b.yaml"),
        ("--profile=gpu --configfile a.yaml", "gpu/overlay.yaml profiles/default/overlay.yaml a.yaml"),
        ("--configfile a.yaml --configfile b.yaml", "profiles/default/overlay.yaml a.yaml b.yaml"),
        ("--configfiles a.yaml -- --configfile b.yaml", "profiles/default/overlay.yaml a.yaml"),
        ("--configfile a.yaml profiles/default/overlay.yaml", "a.yaml profiles/default/overlay.yaml"),
    ],
)
def test_files_of_profiles_come_first_then_those_of_the_command_line(site, arguments, expected):
    files = overlays.in_order(arguments.split(), [])
    assert files == [site / path for path in expected.split()]


def test_a_profile_may_be_named_by_the_environment(site, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "gpu")
    assert site / "gpu/overlay.yaml" in overlays.in_order(["--configfile", "a.yaml"], [])
    assert site / "gpu/overlay.yaml" not in overlays.in_order(["--profile", "none"], [])


def test_files_stay_as_they_are_under_a_command_line_of_another_program(site):
    assert overlays.in_order(["--output", "plan.svg", "--", "--profile", "gpu"], [site / "a.yaml"]) == [site / "a.yaml"]


def test_each_file_counts_over_those_before_it_and_config_over_all(tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("{a: {x: 1, y: 1}, b: 1, c: [1, 2]}")
    second.write_text("{a: {y: 2}, b: null, c: [3]}")
    entries = ["a={z: 3}", "d=2024_11", "e=", "f=x=y", "g=a: b #1", "h=[", "i='7'"]
    merged = overlays.merged({"a": {"x": 0, "z": 0}}, [first, second], entries)
    assert merged == {
        "a": {"x": 1, "y": 2, "z": "3"},
        "b": None,
        "c": [3],
        "d": "2024_11",
        "e": "",
        "f": "x=y",
        "g": "a: b #1",
        "h": "[",
        "i": "7",
    }


@pytest.mark.parametrize("text", [None, "a: [", "- a"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, text):
    if text:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(cli.UserError, match=r"mine\.yaml: cannot be read"):
        overlays.merged({}, [tmp_path / "mine.yaml"], [])


@pytest.fixture
def folder(tmp_path) -> Path:
    """A catalog, an overlay of a user of profiles/small, and a working directory `run`."""
    for name in ("train", "test"):
        product = {"_id": 1, "category_id": 1, "imgs": [{"picture": PICTURE}]}
        (tmp_path / f"{name}.bson").write_bytes(bson.encode(product))
    write_overlay(tmp_path, *TWO_MODELS)
    (tmp_path / "run").mkdir()
    return tmp_path


def write_overlay(folder: Path, first: str, second: str) -> None:
    """The file mine.yaml of a user who trains two models for three epochs each."""
    (folder / "mine.yaml").write_text(
        f"only: [{first}, {second}]\n"
        "models:\n"
        f"  {first}: {{phases: [{{optimizer: nag, schedule: [{{learning_rate: 1e-2, epochs: 3}}]}}]}}\n"
        f"  {second}: {{phases: [{{optimizer: nadam, schedule: [{{learning_rate: 1e-3, epochs: 3}}]}}]}}\n"
    )


def python(program: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / program, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def shown(folder: Path, *arguments: str | Path) -> dict:
    """The configuration of a dry run from a folder outside the checkout."""
    own = ["--dry-run", "--snakefile", ROOT / "Snakefile", "--directory", "run"]
    values = ["--config", f"catalog={folder}", "results=2024_11_25", "training={threads: 3}"]
    program = "tests/workflow/show_configuration.py"
    done = python(program, *own, *arguments, *values, "--", "2024_11_25/classes.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_has_the_profiles_overlay_and_the_users_and_its_jobs_have_them_too(folder, monkeypatch):
    driver = shown(folder, "--profile", SMALL, "--configfile", "mine.yaml")
    assert driver["files"] == [str(SMALL / "overlay.yaml"), str(folder / "mine.yaml")]
    config, overlay = driver["config"], yaml.safe_load((SMALL / "overlay.yaml").read_text())
    assert config["valid_fraction"] == overlay["valid_fraction"]
    assert (config["results"], config["training"]["threads"]) == ("2024_11_25", 3)
    assert list(config["models"]) == TWO_MODELS
    second = config["models"][TWO_MODELS[1]]
    assert second["batch_size"] == overlay["models"][TWO_MODELS[1]]["batch_size"]
    [phase] = second["phases"]
    [step] = phase["schedule"]
    assert (step["learning_rate"], step["epochs"]) == (0.001, 3)
    assert config["ensembles"]["only"]["models"] == TWO_MODELS

    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(SMALL))
    assert shown(folder, "--mode", "remote", "--configfiles", *driver["files"]) == driver


def test_a_run_has_the_keys_in_the_order_in_which_its_files_read_without_snakemake_have_them(folder):
    mine = folder / "mine.yaml"
    mine.write_text("ensembles: {ensemble-4: {mean: geometric}, mine: {models: [M02]}, ensemble-1: {models: [M03]}}\n")
    run, read = shown(folder, "--configfile", mine)["config"], overlays.read(ROOT, [mine])
    assert list(read["ensembles"])[-2:] == ["ensemble-14", "mine"]
    assert list(run["ensembles"]) == list(read["ensembles"])
    assert list(run["ensembles"]["ensemble-4"]) == list(read["ensembles"]["ensemble-4"])


def test_the_plan_is_of_the_configuration_that_the_rules_see(folder):
    arguments = ["--profile", SMALL, "--configfile", folder / "mine.yaml", "--config", f"catalog={folder}"]
    output = folder / "plan.svg"
    done = python("scripts/plan_workflow.py", "--output", output, "--", *arguments, f"results={folder}/results")
    assert done.returncode == 0, done.stderr
    assert f"Plan of {folder}/results by {SMALL}" in done.stdout
    models = [line for line in done.stdout.splitlines() if " epochs " in line]
    assert [line.split()[0] for line in models] == TWO_MODELS, done.stdout
    assert all("3 epochs from efficientnet-lite0" in line for line in models)
    assert "public checkpoint" not in done.stderr  # the dry run has the profile's overlay, too
