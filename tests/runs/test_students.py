"""A student from end to end: its teacher's members predict the train pictures, it learns their mean and is measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from tiny_workflow import OVERLAY, artifacts_in, snakemake

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

STUDENT = Path(__file__).with_name("student.yaml")


@pytest.mark.slow
def test_a_student_learns_what_its_teacher_says_and_is_measured_where_nobody_trained(tmp_path):
    files = ["--configfile", str(OVERLAY), str(STUDENT)]
    run = snakemake(tmp_path, *files, "--show-failed-logs", "--", "evaluate")
    assert run.returncode == 0, run.stdout + run.stderr
    made = artifacts_in(tmp_path, OVERLAY, STUDENT)
    student, teacher = (
        json.loads((tmp_path / made.answers.evaluations[name].files["evaluation"]).read_text())
        for name in ("S", "ensemble-4")
    )
    assert student["products"] == teacher["products"] > 0
    assert student["members"] == 1
    last = made.models.epochs["S"][-1]
    taught = np.concatenate([np.load(tmp_path / path) for path in last.sources["taught"]]).astype(np.float32)
    epochs = json.loads((tmp_path / last.files["metrics"]).read_text())
    assert epochs["valid"]["top1"] > 0.2
    np.testing.assert_allclose(taught.sum(axis=1), 1, atol=0.01)
    again = snakemake(tmp_path, *files, "--dry-run", "--", "evaluate")
    assert "all files are there" in again.stderr + again.stdout
