"""profiles/small fine-tunes packaged weights: on real photographs, two epochs are far better than chance."""

import json
from pathlib import Path

import bson
import pytest
import yaml

from checkout import GROCERY, ROOT
from tiny_workflow import snakemake
from workflow import overlays, recipes

PROFILE = ROOT / "profiles/small/overlay.yaml"
PACKAGED = {"efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"}


def test_nothing_has_to_be_fetched_and_a_frozen_network_and_the_first_model_answer_alone():
    config = overlays.read(ROOT, [PROFILE])
    assert {model["start"]["pretrained"] for model in config["models"].values()} <= PACKAGED
    at_once, first, *_, largest = (ensemble["models"] for ensemble in config["ensembles"].values())
    frozen, *trained = config["models"]
    assert at_once == list(config["heads"])
    assert config["heads"][at_once[0]]["models"] == [frozen]
    assert recipes.trained(config) == trained
    assert first == trained[:1]
    assert largest == trained
    assert not any(model["gpus"] for model in config["models"].values())


def write_catalog(folder: Path, categories: set[int]) -> None:
    """The products of some categories of the grocery catalog."""
    for name in ("train", "test"):
        products = bson.decode_all((GROCERY / f"{name}.bson").read_bytes())
        kept = [product for product in products if product.get("category_id") in categories | {None}]
        (folder / f"{name}.bson").write_bytes(b"".join(map(bson.encode, kept if name == "train" else kept[:20])))


def finished(folder: Path, overlay: dict, ensemble: str) -> dict:
    """The evaluation of an ensemble, after a run of the profile with these changes on ten categories."""
    products = bson.decode_all((GROCERY / "train.bson").read_bytes())
    write_catalog(folder, set(sorted({product["category_id"] for product in products})[:10]))
    mine = folder / "mine.yaml"
    mine.write_text(yaml.safe_dump(overlay | {"catalog": str(folder), "results": "results"}))
    done = snakemake(folder, "--show-failed-logs", overlay=mine)
    assert done.returncode == 0, done.stderr
    assert (folder / f"results/submission/{ensemble}.csv.gz").exists()
    return json.loads((folder / f"results/evaluation/{ensemble}.json").read_text())


@pytest.mark.slow
@pytest.mark.skipif(not GROCERY.exists(), reason="needs the grocery catalog beside the checkout")
def test_a_frozen_network_and_a_head_answer_before_anything_is_trained(tmp_path):
    evaluation = finished(tmp_path, overlays.merged({}, [PROFILE], {}) | {"only": ["F15"]}, "lite-0")
    assert evaluation["accuracy"] > 0.9
    assert not (tmp_path / "results/models").exists()
    assert not (tmp_path / "results/records").exists()


@pytest.mark.slow
@pytest.mark.skipif(not GROCERY.exists(), reason="needs the grocery catalog beside the checkout")
def test_two_epochs_of_the_first_model_tell_photographs_apart(tmp_path):
    overlay = overlays.merged({}, [PROFILE], {})
    [phase] = overlay["models"]["M15"]["phases"]
    phase["schedule"][0]["epochs"] = 2
    assert finished(tmp_path, overlay | {"only": ["M15"]}, "lite-1")["accuracy"] > 0.5
