"""What a user sees of bad input: one clear line, a non-zero exit, nothing half-written.

What is bad in which way is told by the programs and checks, and tested there: here it has to reach the terminal.
"""

import os
import re
from pathlib import Path

import bson
import pytest

from checkout import ROOT
from tiny_workflow import artifacts_in, snakemake
from workflow.artifact import Artifact

JPEG = (ROOT / "tests/picture.jpg").read_bytes()
NAMES = "category_id,category_level1,category_level2,category_level3\n10,A,B,C\n20,A,B,D\n"


def product(number: int, category: int = 10, pictures: int = 1) -> dict:
    return {"_id": number, "category_id": category, "imgs": [{"picture": JPEG}] * pictures}


@pytest.fixture
def catalog(tmp_path) -> Path:
    """A good catalog of a few products, for a test to spoil."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "category_names.csv").write_text(NAMES)
    write(folder / "train.bson", [product(number, 10 + 10 * (number % 2)) for number in range(1, 9)])
    write(folder / "test.bson", [product(number) for number in range(20, 24)])
    return folder


def write(path: Path, products: list[dict]) -> None:
    path.write_bytes(b"".join(map(bson.encode, products)))


def configured(catalog: Path, *lines: str) -> Path:
    """An overlay beside the catalog."""
    overlay = catalog.parent / "overlay.yaml"
    text = [f"catalog: {catalog}", "results: results", "valid_fraction: 0.25", *lines]
    overlay.write_text("\n".join(text) + "\n")
    return overlay


def run_anyhow(catalog: Path, *targets: str) -> tuple[int, str]:
    """Run up to the given targets; returns exit status and what was said."""
    done = snakemake(catalog.parent, "--show-failed-logs", *targets, overlay=configured(catalog))
    return done.returncode, done.stdout + done.stderr


def run(catalog: Path, *targets: str) -> list[str]:
    """Run up to the given targets and return the lines that name errors; the run must fail."""
    status, output = run_anyhow(catalog, *targets)
    assert status != 0, output
    assert "Traceback" not in output, output
    return [line.strip() for line in output.splitlines() if line.strip().startswith("error: ")]


def indexes_of(catalog: Path) -> list[Artifact]:
    """Of train and test."""
    return list(artifacts_in(catalog.parent, configured(catalog)).data.index.values())


def leftovers(folder: Path) -> list[Path]:
    """Files below results/ other than logs, benchmarks, recipes, and what the driver notes for itself."""
    files = [path for path in (folder / "results").rglob("*") if path.is_file() and not path.name.startswith(".")]
    made = [path for path in files if not {"logs", "benchmarks"} & set(path.parts)]
    return [path for path in made if not path.name.endswith("recipe.json") and path.name != "catalog-digests.json"]


def test_a_container_image_that_nobody_built_is_named_before_anything_runs(catalog, monkeypatch, tmp_path):
    image = ROOT / "shelfmark.sif"
    if image.exists():
        pytest.skip(f"{image} is there")
    apptainer = tmp_path / "bin" / "apptainer"  # only asked for its version: without an image it has nothing to run
    apptainer.parent.mkdir()
    apptainer.write_text("#!/bin/sh\necho apptainer version 1.4.5\n")
    apptainer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apptainer.parent}:{os.environ['PATH']}")
    [error] = run(catalog, "--software-deployment-method", "apptainer", "--", "records")
    assert error.startswith(f"error: {image}: no such file; build it")
    assert not leftovers(catalog.parent)


def test_an_unknown_configuration_key_is_named(catalog):
    [error] = run(catalog, "--config", "catalogue=x")
    assert "catalogue" in error


def test_each_bad_file_of_a_catalog_is_named_with_the_position(catalog):
    write(catalog / "train.bson", [product(1), product(2, pictures=0), product(3)])
    (catalog / "test.bson").write_bytes(bson.encode(product(20))[:-9])
    indexes = [index.files["index"] for index in indexes_of(catalog)]
    train, test = sorted(run(catalog, "--keep-going", "--", *indexes), key=lambda line: "test.bson" in line)
    assert train.startswith(f"error: {catalog / 'train.bson'}: byte {len(bson.encode(product(1)))}: product 2: ")
    assert test.startswith(f"error: {catalog / 'test.bson'}: byte 0: product 20: the file ends 9 bytes before")
    assert leftovers(catalog.parent) == []


def test_products_that_were_left_out_stop_a_run_that_may_not_leave_them_out(catalog):
    write(catalog / "train.bson", [product(number, pictures=number != 2) for number in range(1, 9)])
    index = indexes_of(catalog)[0].files["index"]
    status, output = run_anyhow(catalog, "--config", "on_bad_product=skip", "most_bad_products=0.2", "--", index)
    assert status == 0, output
    [error] = run(catalog, "submit")
    assert re.search(r"train-[0-9a-f]{10}\.rejects\.csv: 1 bad product or picture was left out", error)
    assert "product_id 2" in error
    assert "on_bad_product: skip" in error


def test_categories_with_all_products_in_valid_are_a_warning_and_stay_apart_by_group(catalog):
    products = [product(number, 10 + 10 * (number > 6)) | {"shop": f"shop {number > 6}"} for number in range(1, 9)]
    write(catalog / "train.bson", products)
    overlay = configured(catalog, "group_field: shop")
    valid = artifacts_in(catalog.parent, overlay).data.splits[1].files["valid"]
    done = snakemake(catalog.parent, "--show-failed-logs", valid, overlay=overlay)
    assert done.returncode == 0, done.stderr
    assert [each["_id"] for each in bson.decode_all((catalog.parent / valid).read_bytes())] == [7, 8]
    assert [line for line in done.stderr.splitlines() if line.startswith("warning: ")] == [
        f"warning: {catalog}/train.bson: split 1 has all products of 1 of 2 categories in its valid part, so that"
        " its models cannot learn them: 20"
    ]


def test_all_missing_checkpoints_are_named_with_the_way_out(catalog):
    targets = ["train_M02", "train_M03", "train_M07"]
    [error] = run(catalog, *targets)
    assert "2 public checkpoints are missing" in error
    assert "models: {M02: {start: {pretrained: null}}}" in error
    assert leftovers(catalog.parent) == []
    note = snakemake(catalog.parent, "--dry-run", "--", *targets, overlay=configured(catalog))
    assert note.returncode == 0, note.stderr
    listed = note.stderr[note.stderr.index("note: 2 public checkpoints are missing") :].splitlines()[1:]
    assert [line.partition(": published")[0] for line in listed] == [
        "  pretrained/dpn92-5k-0000.params for M02, M03",
        "    or: python scripts/convert_weights.py hf-hub:timm/dpn92.mx_in1k --network dpn-92"
        " --output pretrained/dpn92-5k-0000.params",
        "  pretrained/imagenet1k-resnext-101-64x4d-0000.params for M07",
        "    or: python scripts/convert_weights.py hf-hub:timm/resnext101_64x4d.gluon_in1k --network resnext-101-64x4d"
        " --output pretrained/imagenet1k-resnext-101-64x4d-0000.params",
    ]
    assert sum("published" in line for line in listed) == 2


def test_a_missing_catalog_is_named_before_anything_runs(tmp_path):
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    [error] = run(catalog, "--dry-run")
    assert error.startswith(f"error: {catalog}/train.bson: no such file, nor a folder train of .bson files; set the")
