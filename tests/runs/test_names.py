"""Models, networks, datasets and ensembles may have any name of letters, digits, _ and -.

A run under such names is in test_module.py.
"""

import re
from pathlib import Path

import pytest

from tiny_workflow import artifacts_in, snakemake
from workflow import reasons

OVERLAY = Path(__file__).with_name("names.yaml")
ODD = ("lite0", "1", "lite0-0001", "0123456789", "train")


def test_each_name_leads_to_its_own_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    targets = [*(f"train_{name}" for name in ODD), "submit", "evaluate"]
    done = snakemake(tmp_path, "--dry-run", "--config", f"only=[{','.join(ODD)}]", "--", *targets, overlay=OVERLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [re.split("  +", line, maxsplit=3) for line in done.stdout.splitlines()]
    assert ["train_epochs", "5", "not made yet", "1, 0123456789, lite0, lite0-0001, train 1"] in rows
    [evaluations] = [row for row in rows if row[0] == "evaluate_predictions"]
    assert {*evaluations[3].split(", ")} == {*ODD, "odd", "only"}
    assert [row[1] for row in rows if row[0] == "average_models"] == ["4"]  # two shards of `odd` and of `only`, of all


def test_a_reason_compares_with_files_of_the_same_model_alone(tmp_path):
    """The model 0123456789 looks like a digest, and abcdef0123 would be found by the same pattern."""
    overlay = tmp_path / "names.yaml"
    overlay.write_text(OVERLAY.read_text().replace("lite0-b", "abcdef0123") + "results: results\n")
    overlay.write_text(overlay.read_text().replace("only: [lite0, ", 'only: ["0123456789", lite0, '))
    made = artifacts_in(tmp_path, overlay)
    lying, asked = (made.models.epochs[model][0] for model in ("abcdef0123", "0123456789"))
    for path in (*lying.files.values(), str(lying.recipe_file)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert list(reasons.reasons([asked])) == [(asked, reasons.NEW)]
