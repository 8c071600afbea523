"""show_curves.py shows all epochs so far, and again after each one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import show_curves
from figures.epochs import COLUMNS, latest_epochs, read_epochs
from programs import run

PART = {"cross_entropy": 1.5, "top1": 0.5, "top5": 0.75}


def write_epoch(models: Path, model: str, epoch: int) -> Path:
    path = models / f"{model}/{epoch:04d}-0123456789.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics = {
        **{"epoch": epoch, "optimizer": "adam", "fresh_optimizer": epoch == 1, "learning_rate": 1e-4},
        "devices": ["cpu(0)"],
        "train": PART | {"images_per_second": 10.0, "seconds": 2.0},
        "valid": PART | {"top1": epoch / 10, "images": 20},
    }
    before = [
        metrics | {"epoch": earlier, "valid": PART | {"top1": earlier / 10, "images": 20}}
        for earlier in range(1, epoch)
    ]
    path.write_text(json.dumps(metrics | {"before": before}))
    path.with_suffix(".recipe.json").write_text("{}")
    return path


def test_epochs_are_a_row_each_by_model_and_epoch(tmp_path):
    paths = [write_epoch(tmp_path, model, epoch) for model, epoch in (("M02", 1), ("M01", 2))]
    epochs = read_epochs(paths)
    assert list(epochs.columns) == COLUMNS
    assert epochs[["model", "epoch"]].to_numpy().tolist() == [["M01", 1], ["M01", 2], ["M02", 1]]
    assert epochs.valid_top1.tolist() == [0.1, 0.2, 0.1]


def test_what_lies_beside_the_metrics_of_epochs_is_left_out(tmp_path):
    first, last = (write_epoch(tmp_path, "M01", epoch) for epoch in (1, 2))
    os.utime(first, (0, 0))
    (tmp_path / "M01/symbol-0123456789.json").write_text("{}")
    assert latest_epochs(tmp_path) == [last]


def test_the_page_reloads_itself_and_has_the_latest_epoch_of_each_model(tmp_path):
    epochs = read_epochs([write_epoch(tmp_path, "M01", 2)])
    html = show_curves.curves_page(epochs, 20)
    assert '<meta http-equiv="refresh" content="20">' in html
    assert "<td class=text>M01</td><td>2</td><td>0.0001</td>" in html
    assert "</svg>" in html
    assert "refresh" not in show_curves.curves_page(epochs, None)


def test_without_an_epoch_the_program_says_so(tmp_path):
    done = run("show_curves", "--models", tmp_path, "--page", tmp_path / "p", "--table", tmp_path / "t")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}: no finished epoch yet; try again after a model's first\n"


def test_each_epoch_that_finishes_is_shown_until_ctrl_c(tmp_path):
    table = tmp_path / "curves.tsv"
    options = ["--models", tmp_path / "models", "--page", tmp_path / "curves.html", "--table", table, "--every", "1"]
    process = subprocess.Popen([sys.executable, show_curves.__file__, *options], stderr=subprocess.DEVNULL)
    for count in (1, 2):
        write_epoch(tmp_path / "models", "M01", count)
        end = time.monotonic() + 60
        while not table.exists() or len(pd.read_csv(table, sep="\t")) < count:
            assert time.monotonic() < end
            time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
