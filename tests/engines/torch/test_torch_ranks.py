"""Several ranks that train one model: each a process on a CPU, in place of the GPUs that a job asks for."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cli
from plain_recipes import BATCH, entries, recipe
from programs import error_of
from teachers import taught
from test_train_epochs import CLASSES, FINE_TUNING, MOMENTUM, assert_same_files, data, going_on, measured, train, words
from training import checkpoints

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.torch import batches, ranks

PROGRAM = Path(__file__).with_name("ranks_on_cpus.py")
BLOCK = {"BLOCK": "4"}  # in the environment of all jobs
SETTINGS = entries(optimizer="nag", learning_rates=[0.05], **MOMENTUM) | {"engine": "torch"}


def command(data: Path, folder: Path, settings: dict, first: int, last: int, *more: object) -> list[str]:
    return [sys.executable, str(PROGRAM), *words(data, folder, settings, first, last, *more)]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | BLOCK | environment
    )


def work(*words: object) -> None:
    """A job that ends well."""
    done = run(command(*words))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("valid top-1") == words[4] - words[3] + 1, done.stderr  # one rank speaks


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """The files of a first epoch by two ranks."""
    folder = tmp_path_factory.mktemp("trained")
    work(data, folder, SETTINGS, 1, 1, "--gpus", 2)
    return folder


def test_two_epochs_in_two_jobs_equal_two_in_one_to_the_last_bit(data, tmp_path):
    """By three ranks: gradients of two are added up in one order anyway. The first epoch is trained twice."""
    settings = SETTINGS | {"batch_size": 9, "weight_average": 0.9, "mixup": 0.2}
    together, apart = tmp_path / "together", tmp_path / "apart"
    work(data, together, settings, 1, 2, "--gpus", 3)
    work(data, apart, settings, 1, 1, "--gpus", 3)
    work(data, apart, settings, 2, 2, *going_on(apart, 1), "--gpus", 3)
    assert_same_files(together, apart, 1)
    assert_same_files(together, apart, 2)
    report = json.loads((together / "0002.json").read_text())
    assert report["devices"] == ["cpu"] * 3
    assert report["valid"]["images"] == BATCH + 3


def test_an_epoch_in_two_parts_equals_one_in_one_go_to_the_last_bit(data, trained, tmp_path):
    done = run(command(data, tmp_path, SETTINGS, 1, 1, "--gpus", 2, "--minutes", 0))
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith("error: 4 batches of the epoch are done; the next attempt goes on from there\n")
    work(data, tmp_path, SETTINGS, 1, 1, "--gpus", 2)
    assert_same_files(trained, tmp_path, 1)
    assert measured(trained, 1) == measured(tmp_path, 1)


@pytest.mark.parametrize("learn", ["labels", "a teacher"])
def test_two_ranks_do_what_one_does_but_for_rounding(data, train, taught, tmp_path, learn):
    """Where batch normalization does not depend on a rank's own share."""
    more = taught if learn == "a teacher" else []
    settings = SETTINGS | {"train": "classifier", "dropout": 0.0}
    one, two = tmp_path / "one", tmp_path / "two"
    train(one, settings, 1, 1, *more)
    work(data, two, settings, 1, 1, "--gpus", 2, *more)
    learned = [checkpoints.load(folder / "0001.params")[0] for folder in (one, two)]
    for name, array in learned[0].items():
        np.testing.assert_allclose(learned[1][name], array, rtol=1e-4, atol=1e-5, err_msg=name)
    reports = [json.loads((folder / "0001.json").read_text()) for folder in (one, two)]
    for part in ("train", "valid"):
        assert reports[1][part]["top1"] == pytest.approx(reports[0][part]["top1"])
        assert reports[1][part]["cross_entropy"] == pytest.approx(reports[0][part]["cross_entropy"], rel=1e-4)


def test_moving_statistics_are_the_mean_over_ranks(train, trained, tmp_path):
    """Those of the pixels, which no weight changes. The mean of means is that of one rank; of variances it is not."""
    train(tmp_path, SETTINGS, 1, 1)
    (_, one), (_, two) = (checkpoints.load(folder / "0001.params") for folder in (tmp_path, trained))
    np.testing.assert_allclose(two["bn_data_moving_mean"], one["bn_data_moving_mean"], rtol=1e-5)
    assert not np.allclose(two["bn_data_moving_var"], one["bn_data_moving_var"], rtol=1e-5)


def test_torchrun_starts_the_ranks(data, trained, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = run(launcher + command(data, tmp_path, SETTINGS, 1, 1, "--gpus", 2)[1:])
    assert done.returncode == 0, done.stderr
    assert_same_files(trained, tmp_path, 1)


def test_torchrun_has_to_start_a_rank_for_each_gpu(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(cli.UserError, match="3 GPUs are asked for, torchrun started 2 ranks"):
        ranks.Ranks.join(3)


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS | FINE_TUNING], ids=["nag", "adamw"])
def test_all_ranks_together_see_the_batches_of_one(data, settings):
    settings = recipe(**settings)

    def seen(share: batches.Share) -> list:
        found = batches.training_batches(data / "train.rec", settings, 2, 1, 1, pinned=False, share=share)
        return [(pictures.numpy(), labels.numpy()) for pictures, labels in found]

    whole, *shares = seen(batches.WHOLE), seen(batches.Share(0, 2)), seen(batches.Share(1, 2))
    assert len(whole) == 5
    for batch, *parts in zip(whole, *shares, strict=True):
        for array, *own in zip(batch, *parts, strict=True):
            np.testing.assert_array_equal(np.concatenate(own), array)


def test_all_ranks_together_validate_each_record_once(data):
    settings = recipe(batch_size=6)
    labels = [
        label
        for number in range(3)
        for _, found in batches.validation_batches(
            data / "valid.rec", settings, 1, pinned=False, share=batches.Share(number, 3)
        )
        for label in found.tolist()
    ]
    assert sorted(labels) == sorted(number % CLASSES for number in range(BATCH + 3))


# Faults


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def ends(process: int) -> bool:
    """Whether a process is no more within some seconds."""
    for _ in range(100):
        if not Path(f"/proc/{process}").exists() or ") Z " in Path(f"/proc/{process}/stat").read_text():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_job_that_is_killed_leaves_no_rank_behind(data, tmp_path, number):
    words = command(data, tmp_path, SETTINGS | {"learning_rates": [0.001]}, 1, 500, "--gpus", 2)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as job:
        next(line for line in job.stderr if "valid top-1" in line)
        [rank] = children(job.pid)
        job.send_signal(number)
        assert ends(rank)
    assert job.returncode == (128 + number if number == signal.SIGTERM else -number)


def test_a_rank_that_dies_ends_the_job_with_one_line(data, tmp_path):
    done = run(command(data, tmp_path, SETTINGS, 1, 1, "--gpus", 2), FAILS="1")
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "Traceback"))]
    assert line == "error: rank 1 of 2 has ended with signal SIGKILL; another attempt may succeed"
    assert {path.name for path in tmp_path.iterdir()} == {"0001.recipe.json"}


def test_a_record_that_another_rank_reads_is_named_in_one_line(data, tmp_path):
    content, offsets = (data / "train.rec").read_bytes(), (data / "train.idx").read_text()
    (tmp_path / "bad.idx").write_text(offsets)
    order = batches.order(recipe(**SETTINGS), 1, 5 * BATCH + 3, 6)
    bad = int(offsets.splitlines()[order[1, BATCH // 2]].split()[1])
    start = content.index(b"\xff\xd8\xff", bad)
    (tmp_path / "bad.rec").write_bytes(content[:start] + b"\0\0\0" + content[start + 3 :])
    done = run(command(data, tmp_path, SETTINGS, 1, 1, "--gpus", 2, "--train", tmp_path / "bad.rec"))
    assert f"bad.rec: byte {bad}: the picture has no format that is taken" in error_of(done)


def test_a_loss_that_is_not_a_number_is_told_once(data, tmp_path):
    settings = SETTINGS | {"optimizer": "sgd", "learning_rates": [1e38]}
    done = run(command(data, tmp_path, settings, 1, 1, "--gpus", 2))
    assert "epoch 1, batch 2 of 6: the loss is nan" in error_of(done)
