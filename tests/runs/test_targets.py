"""Parts of a run by name: what each makes, and that it makes no more."""

import pytest

from tiny_workflow import snakemake


@pytest.mark.parametrize(
    ("target", "planned"),
    [
        ("records", "6 files of records."),
        ("train", "4 models to train, 6 files of records, 11 epochs."),
        ("train_M11", "2 models to train, 2 files of records, 5 epochs."),  # it starts from M10
        ("predict", "4 models to train, 6 files of records, 11 epochs, 16 predictions."),
        ("submit", "4 models to train, 6 files of records, 11 epochs, 8 predictions, 3 submissions."),
        ("evaluate", "4 models to train, 6 files of records, 11 epochs, 8 predictions, 7 evaluations."),
        ("report", "4 models to train, 6 files of records, 11 epochs, 16 predictions, 3 submissions, 7 evaluations."),
    ],
)
def test_a_target_plans_its_part_of_the_work(tmp_path, target, planned):
    run = snakemake(tmp_path, "--dry-run", "--", target)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.rstrip().endswith(f"jobs: {planned}")
