"""Stable names belong to the configuration that ran last, from the start of its run on."""

from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from tiny_workflow import OVERLAY
from workflow import catalogs, overlays, published
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts

GEOMETRIC = {"ensembles": {"ensemble-1": {"mean": "geometric"}, "ensemble-2": None}}


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def of_settings(results: Path, changes: dict) -> Artifacts:
    file = results.parent / "changes.yaml"
    file.write_text(yaml.safe_dump(changes | {"results": str(results)}))
    return catalogs.artifacts_of(overlays.read(ROOT, [OVERLAY, file]))


def finish(artifact: Artifact) -> None:
    for path in map(Path, artifact.files.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))


def finish_all(made: Artifacts) -> None:
    for artifact in made.everything():
        finish(artifact)
    published.publish(made.everything())


def shown(results: Path) -> dict[str, str]:
    folders = [results / folder for folder in published.KINDS]
    return {f"{path.parent.name}/{path.name}": path.read_text() for folder in folders for path in folder.glob("*")}


def test_what_is_made_stands_under_its_stable_name(results):
    made = of_settings(results, {})
    finish(made.answers.submissions["ensemble-1"])
    published.publish(made.everything())
    [path] = made.answers.submissions["ensemble-1"].files.values()
    assert shown(results) == {"submission/ensemble-1.csv.gz": path}


def test_before_a_run_what_another_configuration_has_made_goes_and_what_is_the_same_stays(results):
    before = of_settings(results, {})
    finish_all(before)
    report = results / "report.html"
    report.touch()
    stood = shown(results)
    published.withdraw(results, of_settings(results, GEOMETRIC))
    gone = set(stood) - set(shown(results))
    assert {"submission/ensemble-1.csv.gz", "submission/ensemble-2.csv.gz", "evaluation/ensemble-2.json"} <= gone
    assert shown(results).items() <= stood.items()
    assert shown(results).keys() >= {"submission/ensemble-4.csv.gz", "evaluation/M01.json", "report/categories.svg"}
    assert not report.exists()


def test_going_back_shows_the_earlier_results_again(results):
    before, after = of_settings(results, {}), of_settings(results, GEOMETRIC)
    finish_all(before)
    stood = shown(results)
    published.withdraw(results, after)
    finish_all(after)
    assert "submission/ensemble-2.csv.gz" not in shown(results)
    published.withdraw(results, before)
    published.publish(before.everything())
    assert shown(results) == stood


def test_a_stable_file_that_somebody_changed_is_put_right(results):
    made = of_settings(results, {})
    finish_all(made)
    stood = shown(results)
    (results / "submission/ensemble-1.csv.gz").write_text("another")
    published.withdraw(results, made)
    published.publish(made.everything())
    assert shown(results) == stood


def test_what_others_keep_in_these_folders_stays(results):
    made = of_settings(results, {})
    finish_all(made)
    (results / "report/notes.md").touch()
    published.withdraw(results, made)
    assert (results / "report/notes.md").exists()
