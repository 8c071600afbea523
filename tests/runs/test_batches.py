"""Batches on a finished run: what each needs is made, and nothing else."""

import shutil
from pathlib import Path

import bson
import numpy as np
import pytest
import yaml

from tiny_catalogs import write
from tiny_workflow import OVERLAY, artifacts_in, snakemake
from workflow.image_sets import ImageSet

ENSEMBLE = "ensemble-2"


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
    (folder / "batches.yaml").write_text(yaml.safe_dump({"answers": {"ensemble": ENSEMBLE}, "batches": batches}))
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
    return {path for path in paths if path.partition("/")[0] not in ("report", "report.html", "logs", "benchmarks")}


def files(folder: Path) -> dict[Path, int]:
    found = (path for path in (folder / "results").rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path: path.stat().st_mtime_ns for path in found if path.name != "catalog-digests.json"}


def test_a_batch_makes_what_it_needs_and_touches_nothing_else(folder):
    before = files(folder)
    run(folder, "--", "batch_2026-11-25")
    made = changed(folder, before)
    assert all("batch-2026-11-25" in path for path in made), made
    models = {path.split("/")[2][:3] for path in made if path.startswith("probabilities")}
    assert models == {"M01", "M11"}  # the members of the ensemble that answers, and no other model


def test_a_batch_of_known_pictures_alone_needs_no_forward_pass(folder):
    before = files(folder)
    run(folder, "--", "batch_again")
    assert all("batch-again" in path for path in changed(folder, before))
    answers = artifacts_in(folder, OVERLAY, folder / "batches.yaml").answers
    [average] = answers.averages[ImageSet(batch="again"), ENSEMBLE]
    assert len(np.load(folder / average.files["probabilities"])) == 0
