"""Batches on a finished run: what each needs is made, and nothing else."""

import contextlib
import shutil
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest
import yaml

import programs
from tiny_catalogs import write
from tiny_workflow import OVERLAY, artifacts_in, snakemake
from workflow.image_sets import ImageSet

ENSEMBLE = "ensemble-2"
NOTES_AND_STABLE_NAMES = ("submission", "evaluation", "report", "report.html", "logs", "benchmarks")
ANSWERS = {"answers": {"ensemble": ENSEMBLE}, "accept": {"precision": 0.7}}


def documents(path: Path) -> list[dict]:
    return bson.decode_all(path.read_bytes())


def of_known_pictures(products: list[dict]) -> list[dict]:
    """The products whose pictures have one category each."""
    categories: dict[bytes, set] = {}
    for each in products:
        for image in each["imgs"]:
            categories.setdefault(image["picture"], set()).add(each["category_id"])
    return [each for each in products if all(len(categories[image["picture"]]) == 1 for image in each["imgs"])]


@pytest.fixture(scope="module")
def folder(finished_workflow, tmp_path_factory) -> Path:
    """A finished run, and two batches: products of test under other ids, and products of known pictures alone."""
    folder = tmp_path_factory.mktemp("batches")
    shutil.copytree(finished_workflow / "results", folder / "results")
    [catalog] = (folder / "results").glob("catalog-*")
    new = [
        {"_id": 10**6 + number, "imgs": each["imgs"]} for number, each in enumerate(documents(catalog / "test.bson"))
    ]
    write(folder / "new.bson", new[:40])
    known = documents(catalog / "train.bson")
    write(
        folder / "again.bson",
        [{"_id": f"again-{each['_id']}", "imgs": each["imgs"]} for each in of_known_pictures(known)[:5]],
    )
    batches = {"2026-11-25": str(folder / "new.bson"), "again": str(folder / "again.bson")}
    (folder / "batches.yaml").write_text(yaml.safe_dump(ANSWERS | {"batches": batches}))
    exported = f"{OVERLAY.read_text()}\n{yaml.safe_dump(ANSWERS)}"
    (folder / "exported.yaml").write_text(exported)
    return folder


def run(folder: Path, *targets: str) -> str:
    done = snakemake(folder, "--configfile", str(folder / "batches.yaml"), "--show-failed-logs", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(folder: Path, before: dict[Path, int]) -> set[str]:
    """The files that are new, gone or written anew, without those of stable names, notes and logs."""
    now = files(folder)
    paths = {
        str(path.relative_to(folder / "results")) for path in before.keys() | now if before.get(path) != now.get(path)
    }
    return {path for path in paths if path.partition("/")[0] not in NOTES_AND_STABLE_NAMES}


def files(folder: Path) -> dict[Path, int]:
    found = (path for path in (folder / "results").rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path: path.stat().st_mtime_ns for path in found if path.name != "catalog-digests.json"}


def test_a_batch_makes_what_it_needs_and_touches_nothing_else(folder):
    before = files(folder)
    run(folder, "--", "batch_2026-11-25")
    made = changed(folder, before)
    others = [
        path for path in made if "2026-11-25" not in path and not path.startswith(("calibration/", "thresholds/"))
    ]
    assert others == []
    models = {path.split("/")[2][:3] for path in made if path.startswith("probabilities")}
    assert models == {"M01", "M11"}  # the members of the ensemble that answers, and no other model
    answers = pd.read_parquet(folder / "results/answers/2026-11-25.parquet")
    assert answers["product"].tolist() == list(range(10**6, 10**6 + 40))
    review = pd.read_csv(folder / "results/review/2026-11-25.csv")
    assert set(review["product"]) == set(answers["product"][answers.accepted == ""])
    assert f"{len(review)} of 40 products" in (folder / "results/review/2026-11-25.html").read_text()


def test_the_rest_is_another_batch_the_test_products_and_the_report(folder):
    """The batch has known pictures alone, and needs no forward pass."""
    before = files(folder)
    run(folder)
    assert not [path for path in changed(folder, before) if "2026-11-25" in path]
    found = artifacts_in(folder, OVERLAY, folder / "batches.yaml").answers
    [average] = found.averages[ImageSet(batch="again"), ENSEMBLE]
    assert len(np.load(folder / average.files["probabilities"])) == 0
    answers = pd.read_csv(folder / "results/answers/again.csv.gz")
    assert answers["product"].str.startswith("again-").all()
    assert set(answers.decided_by) <= {"known picture", "known product"}
    page = (folder / "results/report/answers.html").read_text()
    assert [name for name in ("test", "2026-11-25", "again") if f">{name}</td>" not in page] == []
    assert "Nothing to be done: all files are there and up to date." in run(folder, "--dry-run")


def test_an_exported_folder_answers_without_the_catalog(folder, tmp_path):
    with contextlib.chdir(folder):
        done = programs.run("export_models", "exported.yaml", "--output", "exported")
    assert done.returncode == 0, done.stderr
    shutil.move(folder / "exported", tmp_path / "exported")
    names = {path.relative_to(tmp_path / "exported").parts[0] for path in (tmp_path / "exported").rglob("*.p*")}
    assert names == {"models", "index"}  # parameters and what is known, of no picture
    overlay = tmp_path / "exported/config.yaml"
    batch = f"batches={{today: {folder / 'new.bson'}}}"
    done = snakemake(tmp_path, "--config", batch, overlay=overlay)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 jobs: 2 predictions, 1 table of answers." in done.stderr
    paths = (folder / "results/answers/2026-11-25.parquet", tmp_path / "exported/answers/today.parquet")
    here, there = map(pd.read_parquet, paths)
    pd.testing.assert_frame_equal(here, there)
    for missing in (tmp_path / "exported/thresholds").iterdir():
        missing.unlink()
    done = snakemake(tmp_path, "--dry-run", "--config", f"batches={{b: {folder / 'again.bson'}}}", overlay=overlay)
    assert done.returncode == 2
    assert "thresholds/ensemble-2-" in done.stderr.splitlines()[-1]
    assert "no such file; set the config key results to the exported folder, or export it anew" in done.stderr
