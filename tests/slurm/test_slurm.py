"""The workflow on a real SLURM: the same results, the requests that arrive, and what accidents cost."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

import cluster as slurm
import pytest
import yaml

from checkout import ROOT
from workflow.image_sets import TEST

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]

RESULTS = ("models/M[01][01]/*.params", "probabilities/*/*/*.npy", "submission/*", "evaluation/*.json")
MODELS = ("M01", "M05", "M09", "M10")  # all from random weights


def test_the_demo_ends_with_the_same_submissions_as_on_one_machine(reference, demo_through_slurm):
    place, _ = demo_through_slurm
    expected, found = reference.bytes_of(*RESULTS), place.bytes_of(*RESULTS)
    assert list(found) == list(expected)
    assert [name for name in found if found[name] != expected[name]] == []


# CPUs, MiB, minutes, GPUs. A drawn catalog is too small to weigh: these are the fixed parts of scripts/costs/.
REQUESTS = {
    "generate_catalog": (1, 415, 10, 0),
    "index_catalog": (2, 2000, 10, 0),
    "split_catalog": (1, 4000, 10, 0),
    "pack_records": (1, 4000, 10, 0),
    "list_images": (1, 2000, 10, 0),
    "predict_images": (1, 4150, 10, 1),
    "average_models": (2, 1000, 10, 0),
    "write_submission": (1, 3000, 10, 0),
    "evaluate_predictions": (1, 4000, 10, 0),
    "draw_categories": (1, 2000, 10, 0),
    "show_confusions": (1, 2000, 10, 0),
}


@pytest.mark.parametrize(("rule", "request_"), REQUESTS.items())
def test_what_a_rule_requests_arrives_in_its_job_records(demo_through_slurm, rule, request_):
    cpus, memory, limit, gpus = request_
    records = [record for record in demo_through_slurm[1] if record["Rule"] == rule]
    assert records
    for record in records:
        assert record["CPUs/Task"] == str(cpus)
        assert memory <= slurm.mebibytes(record["MinMemoryNode"]) <= memory + 8
        assert limit <= slurm.minutes(record["TimeLimit"]) <= limit + 1
        assert slurm.gpus(record) == gpus
        assert record["Partition"] == ("gpu" if gpus else "cpu")
        assert record["NumNodes"] == "1"
        assert record["Requeue"] == "1"


def test_epochs_fused_by_epochs_per_job_are_one_job_with_the_time_of_all(demo_through_slurm):
    legs = {record["Comment"]: record for record in demo_through_slurm[1] if record["Rule"] == "train_epochs"}
    assert sorted(legs) == [f"rule_{model}-0_train_epochs" for model in ("M01", "M10", "M11")]
    for name, epochs in (("M01", 3), ("M11", 2)):
        record = legs[f"rule_{name}-0_train_epochs"]
        assert epochs * 10 <= slurm.minutes(record["TimeLimit"]) <= epochs * 11
        assert record["CPUs/Task"] == "2"
        assert record["MinMemoryNode"] == "16000M"
        assert record["TresPerJob"] == "gres:gpu:v100:2"
        assert record["Requeue"] == "1"


def test_records_are_copied_to_the_nodes_own_disk_before_training(demo_through_slurm):
    logs = list((demo_through_slurm[0].folder / "results/demo/logs/train_epochs").iterdir())
    assert logs
    assert all(" MB copied to " in log.read_text() for log in logs)


def test_light_rules_are_not_in_the_queue(demo_through_slurm):
    assert {record["Rule"] for record in demo_through_slurm[1]} == {*REQUESTS, "train_epochs"}


def test_a_program_uses_the_gpus_and_cpus_that_slurm_granted_and_no_others(demo_through_slurm):
    place, records = demo_through_slurm
    cpus = {record["JobId"]: record["CPUs/Task"] for record in records}
    for program, count in (("train_epochs", 2), ("predict_images", 1), ("index_catalog", 0)):
        for _, _, job, _, granted, threads, asked in place.journal("start", program):
            assert len(set(granted.split(",")) - {"none"}) == int(asked) == count
            assert threads == cpus[job]


def test_accidents_cost_the_epoch_in_flight_and_no_finished_one(cluster, untrained, reference):
    """A node that goes down, a time limit, scancel and a requeue, each in the second epoch of a model."""
    place, second_epochs = untrained, [f"train_epochs-{model}-2" for model in MODELS]
    for epoch in second_epochs:
        place.hold(epoch)
    driver = place.driver("--", *(place.epoch(model, 2) for model in MODELS))
    for epoch in second_epochs:
        place.wait_for_hold(epoch)

    held = {epoch: place.journal("held", epoch)[0] for epoch in second_epochs}
    crashed = held[second_epochs[0]][3]
    cluster.crash_node(crashed)
    for epoch, (_, _, job, node, *_) in held.items():
        if node == crashed:
            assert place.wait_for_hold(epoch, times=2) == job  # it was SLURM that queued it again
    cluster.start_node(crashed)

    timed_out, cancelled, requeued, untouched = second_epochs
    job = {epoch: place.journal("held", epoch)[-1][2] for epoch in second_epochs}
    holds = {epoch: len(place.journal("held", epoch)) for epoch in second_epochs}
    subprocess.run(["scontrol", "update", f"JobId={job[timed_out]}", "EndTime=now+1"], check=True)
    subprocess.run(["scancel", job[cancelled]], check=True)
    subprocess.run(["scontrol", "requeue", job[requeued]], check=True)
    place.release(untouched)
    for epoch in (cancelled, requeued, timed_out):
        place.wait_for_hold(epoch, times=holds[epoch] + 1)
        place.release(epoch)
    place.finish(driver)

    for model in MODELS:
        assert len(place.journal("start", f"train_epochs-{model}-1")) == 1
        assert [line[3] for line in place.journal("end", f"train_epochs-{model}-2")].count("0") == 1
    patterns = [f"models/{model}/000[12]-*.params" for model in MODELS]
    assert place.bytes_of(*patterns) == reference.bytes_of(*patterns)


def test_after_its_driver_is_killed_a_run_goes_on_and_does_nothing_twice(cluster, untrained, reference):
    place = untrained
    place.hold("train_epochs-M01-2")
    driver = place.driver("--", place.epoch("M01", 2))
    place.wait_for_hold("train_epochs-M01-2")
    driver.send_signal(signal.SIGKILL)
    driver.wait()

    restarted = place.driver("--", place.epoch("M01", 2))
    slurm.wait_for(lambda: "waiting for jobs of an earlier driver: " in place.log(), 120, "the word of the new driver")
    place.release("train_epochs-M01-2")
    place.finish(restarted)

    assert [line[1] for line in place.journal("start", "train_epochs")] == ["train_epochs-M01-1", "train_epochs-M01-2"]
    assert place.bytes_of("models/M01/000[12]-*.params") == reference.bytes_of("models/M01/000[12]-*.params")


def test_a_second_driver_of_the_results_is_refused_and_the_first_goes_on(cluster, untrained):
    """With a job that runs and one that SLURM has not started yet."""
    place, images = untrained, untrained.made.data.images[TEST].files["images"]
    (place.folder / images).unlink()
    place.hold("train_epochs-M01-1")
    with cluster.closed("cpu"):
        first = place.driver("--", place.epoch("M01", 2), images)
        running = place.wait_for_hold("train_epochs-M01-1")
        slurm.wait_for(lambda: set(cluster.jobs()) - {running}, 60, "a job that waits")

        second = place.driver("--", place.epoch("M01", 2))
        assert second.wait(120) != 0
        assert f"error: results/demo: another driver works here (process {first.pid} of " in place.log()

    place.release("train_epochs-M01-1")
    place.finish(first)
    assert "attempt" not in place.log()
    assert len(place.journal("start", "train_epochs")) == 2


def test_a_driver_of_other_results_leaves_the_jobs_of_these_alone(cluster, untrained, reference):
    """A driver is killed and started again; the job of the one beside it waits in the queue and then runs."""
    place, other = untrained, "results/other"
    shutil.copytree(place.folder / "results/demo", place.folder / other)
    place.hold("train_epochs-M01-1")
    killed = place.driver("--", place.epoch("M01", 1))
    running = place.wait_for_hold("train_epochs-M01-1")
    with cluster.closed("gpu"):
        epoch = place.epoch("M05", 1).replace("results/demo", other)
        beside = place.driver("--config", f"results={other}", "--", epoch)
        [waiting] = slurm.wait_for(lambda: set(cluster.jobs()) - {running}, 60, "the job of the driver beside")

        killed.send_signal(signal.SIGKILL)
        killed.wait()
        restarted = place.driver("--", place.epoch("M01", 1))
        words = f"waiting for jobs of an earlier driver: {running} ("
        slurm.wait_for(lambda: words in place.log(), 120, "the word of the new driver")

    place.release("train_epochs-M01-1")
    place.finish(restarted)
    place.finish(beside)
    started = {program: job for _, program, job, *_ in place.journal("start", "train_epochs")}
    assert started == {"train_epochs-M01-1": running, "train_epochs-M05-1": waiting}
    assert not any(word in place.log() for word in ("cancelling", "attempt"))
    found = place.bytes_of("models/M01/0001-*.params", "../other/models/M05/0001-*.params")
    expected = reference.bytes_of("models/M01/0001-*.params", "models/M05/0001-*.params")
    assert list(found.values()) == list(expected.values())


TAKER = """
import sys, time
import cli, gpus
def main():
    granted = gpus.os.environ["CUDA_VISIBLE_DEVICES"]
    gpus.take(gpus.visible(), int(sys.argv[1]))
    print(granted, gpus.os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    input()
cli.run(main)
"""


@pytest.fixture
def taker(cluster, gpu_driver, monkeypatch):
    """Starts jobs on a node that are granted two GPUs, take so many of them, and hold them until told to end."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(gpu_driver))
    monkeypatch.setenv("SHELFMARK_TEST", uuid.uuid4().hex[:8])
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "scripts"))
    request = ["srun", "--partition=gpu", "--nodelist=node1", "--gpus=2", "--mem=1G", sys.executable, "-c", TAKER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as jobs:
        yield lambda wanted: jobs.enter_context(subprocess.Popen([*request, str(wanted)], **pipes))


def test_jobs_take_the_gpus_that_they_ask_for_of_those_that_slurm_granted_them_and_no_others(taker):
    """NVIDIA's driver is a stand-in; SLURM's grants are real."""
    jobs = [taker(2), taker(1), taker(0)]
    granted, taken = zip(*(job.stdout.readline().rstrip("\n").split(" ") for job in jobs), strict=True)
    assert sorted(",".join(granted).split(",")) == ["0", "1", "2", "3", "4", "5"]
    assert taken == (granted[0], granted[1].partition(",")[0], "")
    _, errors = taker(3).communicate(timeout=60)
    assert "error: 3 GPUs are asked for, 2 are visible on " in errors
    for job in jobs:
        job.communicate("\n")


def test_a_fault_that_stays_is_met_once_and_a_killed_job_runs_again(cluster, failing, tmp_path):
    """Jobs whose GPUs are not there, whose loss diverges, and whose program the kernel ends."""
    place, target = failing, failing.epoch("M10", 1)
    (place.folder / "journal").write_text("")
    (place.folder / "asks-for-gpus").touch()
    assert place.driver("--", target).wait(300) == 1
    (place.folder / "asks-for-gpus").unlink()
    why = r"MXNet for GPUs is not installed|\S+ has no NVIDIA driver"  # the second one after make gpu
    assert re.match(f"error: 2 GPUs are asked for, but ({why})", place.log().splitlines()[-1])
    assert len(place.journal("start", "train_epochs-M10-1")) == 1

    overlay = tmp_path / "rate.yaml"
    phases = [{"optimizer": "adam", "schedule": [{"learning_rate": 1e30, "epochs": 1}]}]
    overlay.write_text(yaml.safe_dump({"models": {"M10": {"phases": phases}}}))
    diverging = type(place)(place.folder, place.site, overlay)
    assert diverging.driver("--", diverging.epoch("M10", 1)).wait(300) == 1
    assert place.log().splitlines()[-1].startswith("error: epoch 1, batch ")
    assert len(place.journal("start", "train_epochs-M10-1")) == 2
    assert "attempt 1 of 3" not in place.log()

    (place.folder / "kill-train_epochs-M10-1").touch()
    place.finish(place.driver("--", target))
    assert "Train M10, epoch 0001: attempt 1 of 3 failed, it runs again (" in place.log()
    assert [line[3] for line in place.journal("end", "train_epochs-M10-1")] == ["2", "2", "137", "0"]


def test_an_epoch_that_takes_longer_than_the_site_grants_is_divided(cluster, workplace, tmp_path):
    """No request exceeds the site's limits, the attempts do not count, and the epoch is that of one job."""
    steps = tmp_path / "steps.yaml"
    steps.write_text("models: {M10: {batch_size: 2}}\n")
    place = workplace("divided", steps)
    place.local("--", "records")
    whole = type(place)(shutil.copytree(place.folder, tmp_path / "whole", symlinks=True), place.site, steps)
    whole.local("--", whole.epoch("M10", 1))

    limits = yaml.safe_load(place.site.read_text())
    limits["set-resources"]["train_epochs"] |= {"max_runtime": 3, "max_mem_mb": 5000}
    place.site = tmp_path / "site.yaml"
    place.site.write_text(yaml.safe_dump(limits))
    place.hold("train_epochs-M10-1")
    driver = place.driver("--retries", "0", "--", place.epoch("M10", 1))
    place.wait_for_hold("train_epochs-M10-1")
    time.sleep(75)  # two more blocks as long as this one do not fit into three minutes
    place.release("train_epochs-M10-1")
    place.finish(driver)

    assert "epoch 0001: its time is over, it goes on in another job (100 batches of the epoch are done)" in place.log()
    assert [line[3] for line in place.journal("end", "train_epochs-M10-1")] == ["1", "0"]
    records = [record for record in cluster.records(place.folder) if record["Rule"] == "train_epochs"]
    assert [slurm.minutes(record["TimeLimit"]) for record in records] == [3, 3]
    assert [record["MinMemoryNode"] for record in records] == ["5000M", "5000M"]
    assert place.bytes_of("models/M10/0001-*.*s") == whole.bytes_of("models/M10/0001-*.*s") != {}
    assert not list(place.folder.glob("results/demo/models/M10/*.part-*"))


def test_a_failed_jobs_line_is_the_last_on_the_drivers_terminal(cluster, failing):
    """Of a job that has its own line, and of a group that SLURM ended in the midst of its batches."""
    place = failing
    epoch, index = place.made.models.epochs["M09"][0], place.made.data.index["train"]
    place.hold("train_epochs-M09-1")
    driver = place.driver("--retries", "0", "--", epoch.files["params"])
    subprocess.run(
        ["scontrol", "update", f"JobId={place.wait_for_hold('train_epochs-M09-1')}", "EndTime=now+1"], check=True
    )
    assert driver.wait(120) == 1
    head, line = place.log().splitlines()[-2:]
    log = f"results/demo/logs/train_epochs/M09-0001-{epoch.digest}.log"
    assert head.startswith(f"failed: Train M09, epoch 0001; log: {log}; SLURM's log: ")
    assert line.startswith("error: SLURM ended it: time limit")

    [catalog] = index.sources["catalog"]
    (place.folder / index.files["index"]).unlink()
    (place.folder / "journal").write_text("")
    os.truncate(place.folder / catalog, 100_000)
    driver = place.driver("--", index.files["index"])
    assert driver.wait(300) == 1
    *_, count, head, line = place.log().splitlines()
    assert len(place.journal("start", "index_catalog")) == 1
    assert count.startswith("1 job failed, ")
    assert head.startswith(f"failed: Index the pictures of {catalog}; log: results/demo/logs/")
    assert line.startswith(f"error: {catalog}: byte ")
