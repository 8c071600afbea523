"""Parts of a run by name: what each makes, and that it makes no more."""

from pathlib import Path

import pytest

from plan.boxes import Job
from terminal import listing
from tiny_workflow import artifacts_in
from workflow import inputs

NAMES = Path(__file__).parents[1] / "runs/names.yaml"


def planned(folder: Path, target: str, *configfiles: Path) -> list[Job]:
    missing = inputs.missing(artifacts_in(folder, *configfiles), [target])
    return [Job(artifact.rule, artifact.wildcards) for artifact in missing]


@pytest.mark.parametrize(
    ("target", "counts"),
    [
        ("records", "6 files of records"),
        ("train", "4 models to train, 6 files of records, 11 epochs"),
        ("train_M11", "2 models to train, 2 files of records, 5 epochs"),  # it starts from M10
        ("predict", "4 models to train, 6 files of records, 11 epochs, 8 predictions"),
        ("submit", "4 models to train, 6 files of records, 11 epochs, 4 predictions, 3 submissions"),
        ("evaluate", "4 models to train, 6 files of records, 11 epochs, 4 predictions, 7 evaluations"),
        ("report", "4 models to train, 6 files of records, 11 epochs, 8 predictions, 3 submissions, 7 evaluations"),
    ],
)
def test_a_target_plans_its_part_of_the_work(tmp_path, monkeypatch, target, counts):
    monkeypatch.chdir(tmp_path)
    assert listing.counts(planned(tmp_path, target)).endswith(f"jobs: {counts}")


def test_a_model_of_any_name_is_a_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "odd.yaml"
    names = ["lite0", "1", "lite0-0001", "0123456789", "train"]
    odd.write_text(f"results: results\nonly: [{', '.join(f'{name!r}' for name in names)}]\n")
    for name in names:
        jobs = planned(tmp_path, f"train_{name}", NAMES, odd)
        assert [job.wildcards["model"] for job in jobs if job.rule == "train_epochs"] == [name]
