"""Each job computes on GPUs of its own. The driver is a stand-in with two GPUs; who takes which is real."""

import subprocess
import sys
import uuid

import pytest
import yaml

import cli
import gpus
from checkout import ROOT

HOLDER = """
import gpus, os
gpus.take(gpus.visible(), {})
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
input()
"""
OVERLAY = ROOT / "tests/runs/overlay.yaml"


@pytest.fixture
def machine(gpu_driver, monkeypatch) -> None:
    """A machine with two GPUs, for this process's children."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(gpu_driver))
    monkeypatch.setenv("SHELFMARK_TEST", uuid.uuid4().hex[:8])
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "scripts"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def holder(machine):
    """Starts processes that take so many GPUs, say which, and hold them until they end."""
    processes = []

    def start(wanted: int) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen([sys.executable, "-c", HOLDER.format(wanted)], **pipes))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_gpus_of_this_machine_are_listed(machine):
    first, second = gpus.visible()
    assert first[1:] == second[1:] == (8, 6, "GPU of a test")
    assert first.uuid != second.uuid


def test_a_driver_that_does_not_start_is_an_error_and_not_no_gpu(machine, monkeypatch):
    monkeypatch.setenv("SHELFMARK_TEST_STATUS", "803")
    with pytest.raises(cli.UserError, match=r"does not start \(CUDA error 803\); choose another node"):
        gpus.visible()


def test_a_driver_that_is_too_old_is_named_with_what_it_has_to_be(machine, monkeypatch):
    monkeypatch.setenv("SHELFMARK_TEST_VERSION", "11070")
    with pytest.raises(cli.UserError, match=r"too old for CUDA 11\.8: update it to 520 or newer"):
        gpus.visible()


def test_a_driver_without_a_gpu_is_no_error(machine, monkeypatch):
    monkeypatch.setenv("SHELFMARK_TEST_STATUS", str(gpus.NO_DEVICE))
    assert gpus.visible() == []


def test_without_a_driver_there_is_none(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    assert gpus.visible() == []


def test_two_jobs_get_a_gpu_each_and_a_third_one_that_of_a_killed_job(holder):
    first = holder(1)
    assert first.stdout.readline() == "0\n"
    second = holder(1)
    assert second.stdout.readline() == "1\n"
    third = holder(1)
    assert third.stderr.readline() == "waiting until 1 of 2 GPUs are free: other jobs compute on them\n"
    second.kill()
    assert third.stdout.readline() == "1\n"


def test_a_job_of_two_gpus_waits_for_both_and_holds_none_meanwhile(holder):
    first = holder(1)
    assert first.stdout.readline() == "0\n"
    both = holder(2)
    assert both.stderr.readline().startswith("waiting until 2 of 2 GPUs")
    other = holder(1)
    assert other.stdout.readline() == "1\n"
    first.kill()
    other.kill()
    assert both.stdout.readline() == "0,1\n"


def test_only_gpus_that_the_process_may_use_are_taken(holder, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert holder(1).stdout.readline() == "1\n"


def test_a_job_without_gpus_sees_none(holder):
    assert holder(0).stdout.readline() == "\n"


def test_more_gpus_than_there_are_is_an_error(machine):
    with pytest.raises(cli.UserError, match=r"3 GPUs are asked for, 2 are visible on .*lower gpus"):
        gpus.take(gpus.visible(), 3)


def test_the_profile_offers_the_gpus_that_it_finds_and_a_job_that_wants_more_is_named_first(machine, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    changes = {"catalog": str(tmp_path / "catalog"), "results": str(tmp_path), "models": {"M09": {"gpus": 4}}}
    overlay.write_text(yaml.safe_dump(changes))
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/gpu", "--configfile", OVERLAY, overlay]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode
    assert "error: models.M09.gpus: jobs ask for up to 4 GPUs, there are 2 here; lower these keys" in run.stderr
    assert not list(tmp_path.glob("index"))
