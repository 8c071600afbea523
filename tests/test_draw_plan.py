"""draw_plan.py draws the boxes of a finished run."""

import json
import subprocess
import sys
from xml.etree import ElementTree

from checkout import ROOT
from workflow import recipes


def test_the_boxes_of_models_and_ensembles_are_drawn_whatever_they_are_called(config, tmp_path):
    config["models"] = {"lite0-b": config["models"]["M01"], "resnext_large": config["models"]["M02"]}
    config["ensembles"] = {"both": {"models": ["lite0-b", "resnext_large"]}}
    configuration = json.dumps(recipes.planned_parts(config))
    command = [sys.executable, ROOT / "scripts/draw_plan.py", "--configuration", configuration]
    subprocess.run([*command, "--output", tmp_path / "plan.svg"], check=True)
    texts = " ".join(filter(None, ElementTree.parse(tmp_path / "plan.svg").getroot().itertext()))
    assert "Finished: 2 models, 1 ensembles" in texts
    assert all(name in texts for name in ("lite0-b", "resnext_large", "both.csv.gz"))
