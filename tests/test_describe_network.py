"""describe_network.py: an entry that the schema takes, with the numbers of timm's network."""

import importlib.util
import shlex

import pytest
import yaml

from checkout import ROOT
from programs import error_of, run
from workflow import configuration

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed: make timm", allow_module_level=True)


def test_a_network_is_described_as_the_configuration_takes_it(config):
    told = run("describe_network", "convnext_atto.d2_in1k").stdout
    networks = yaml.safe_load(told)["networks"]
    assert networks["convnext_atto"] == {
        "family": "timm",
        "name": "convnext_atto.d2_in1k",
        "features": 320,
        "parameters": 3_374_520,  # with 1,000 classes 3.70 million, as timm's table of results says
        "image": {
            "size": 224,
            "resize": 256,
            "mean": [123.675, 116.28, 103.53],
            "deviation": [58.395, 57.12, 57.375],
        },
    }
    config["networks"] |= networks
    config["models"]["M01"] |= {"network": "convnext_atto", "engine": "torch"}
    configuration.complete(config, ROOT / "config.schema.yaml")
    words = shlex.split(told.splitlines()[-1])
    assert words[1:4] == ["python", "scripts/convert_weights.py", "hf-hub:timm/convnext_atto.d2_in1k"]
    assert words[-1] == "pretrained/convnext_atto-0000.params"


def test_a_name_that_timm_does_not_know_is_one_line():
    assert "has no network convnext_ato; do you mean convnext_atto" in error_of(run("describe_network", "convnext_ato"))
