"""draw_plan.py draws the boxes of a finished run."""

import json
from xml.etree import ElementTree

from programs import run
from workflow import recipes


def test_the_boxes_of_models_and_ensembles_are_drawn_whatever_they_are_called(config, tmp_path):
    config["models"] = {"lite0-b": config["models"]["M01"], "resnext_large": config["models"]["M02"]}
    config["ensembles"] = {"both": {"models": ["lite0-b", "resnext_large"]}}
    configuration = json.dumps(recipes.planned_parts(config))
    done = run("draw_plan", "--configuration", configuration, "--output", tmp_path / "plan.svg")
    assert done.returncode == 0, done.stderr
    texts = " ".join(filter(None, ElementTree.parse(tmp_path / "plan.svg").getroot().itertext()))
    assert "Finished: 2 models, 1 ensembles" in texts
    assert all(name in texts for name in ("lite0-b", "resnext_large", "both.csv.gz"))
