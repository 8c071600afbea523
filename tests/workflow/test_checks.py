"""workflow.checks: what ends a run before its first job."""

from pathlib import Path

import pytest
from snakemake.settings.types import DeploymentMethod, DeploymentSettings

import cli
from checkout import ROOT
from workflow import catalogs, checks, overlays
from workflow.artifacts import Artifacts


@pytest.fixture
def made(tmp_path) -> Artifacts:
    """The published models on a drawn catalog, with no public checkpoint at hand."""
    drawn = "{train_products: 9, test_products: 9, seed: 1}"
    entries = [f"results={tmp_path}/results", f"pretrained={tmp_path}", f"generate_catalog={drawn}"]
    return catalogs.artifacts_of(overlays.read(ROOT, [], entries))


def test_an_image_that_nobody_built_is_named(tmp_path):
    image = tmp_path / "shelfmark.sif"
    in_containers = DeploymentSettings(deployment_method={DeploymentMethod.APPTAINER})
    with pytest.raises(cli.UserError, match=r"shelfmark\.sif: no such file; build it as docs/cluster\.md says"):
        checks.check_image(image, in_containers)
    checks.check_image(image, DeploymentSettings())
    image.touch()
    checks.check_image(image, in_containers)


def test_checkpoints_are_missing_where_a_planned_model_starts_from_one(made, tmp_path):
    first = {model: epochs[0] for model, epochs in made.models.epochs.items()}
    assert checks.missing_checkpoints(made, {first["M11"], made.models.epochs["M02"][1]}) == {}
    asked = {first["M02"], first["M03"], first["M05"]}
    found = checks.missing_checkpoints(made, asked)
    assert found == {tmp_path / "dpn92-5k-0000.params": ["M02", "M03"], tmp_path / "dpn98-0000.params": ["M05"]}
    with pytest.raises(cli.UserError, match="2 public checkpoints are missing"):
        checks.check_pretrained_weights(made, asked)
    for path in found:
        path.touch()
    checks.check_pretrained_weights(made, asked)


def test_a_missing_timm_ends_a_run_that_would_compute_with_it(made, monkeypatch):
    made.config["networks"]["dpn-98"] = {"family": "timm", "name": "x", "features": 1, "parameters": 1}
    found = {"timm": "installed"}
    monkeypatch.setattr(checks.importlib.util, "find_spec", found.get)
    last, of_another = (made.models.epochs[model][-1] for model in ("M05", "M06"))
    checks.check_timm(made.config, {last, of_another})
    found.clear()
    checks.check_timm(made.config, {of_another, made.data.classes})
    with pytest.raises(cli.UserError, match=r"networks\.dpn-98\.family: M05 needs the package timm, .*; make timm"):
        checks.check_timm(made.config, {last, of_another})


def test_products_that_were_left_out_of_an_index_that_stays_end_a_run(made):
    index = made.data.index["test"]
    rejects = Path(index.files["rejects"])
    rejects.parent.mkdir(parents=True)
    rejects.write_text("product_id,reason\n7,no picture\n")
    with pytest.raises(
        cli.UserError, match="1 bad product or picture was left out, first product_id 7; reason no picture"
    ):
        checks.check_rejects(made, set())
    checks.check_rejects(made, {index})
    made.config["on_bad_product"] = "skip"
    checks.check_rejects(made, set())


def test_keys_that_ask_for_more_gpus_than_there_are_end_a_run(made, monkeypatch):
    monkeypatch.setattr(checks.gpus, "visible", lambda: ["a GPU"] * 3)
    config = made.config
    epochs = made.models.epochs
    config["models"]["M01"]["gpus"], config["prediction"]["gpus"] = 2, 1
    planned = {epochs["M01"][0], epochs["M02"][0], epochs["M02"][1], epochs["M03"][0]}
    with pytest.raises(
        cli.UserError, match=r"^models\.M02\.gpus, models\.M03\.gpus: jobs ask for up to 4 GPUs, there are 2"
    ):
        checks.check_gpus(config, planned, 2)
    checks.check_gpus(config, {epochs["M01"][0]}, 2)
    with pytest.raises(cli.UserError, match=r"^models\.M02\.gpus: jobs ask for up to 4 GPUs, there are 3"):
        checks.check_gpus(config, {epochs["M01"][0], epochs["M02"][0]}, None)
    prediction = next(shard for shards in made.answers.predictions.values() for shard in shards)
    with pytest.raises(cli.UserError, match=r"^prediction\.gpus: jobs ask for up to 1"):
        checks.check_gpus(config, {prediction}, 0)
    config["prediction"]["gpus"] = 0
    checks.check_gpus(config, {prediction}, 0)
