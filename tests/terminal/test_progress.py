"""terminal/progress.py: the lines while a run goes on."""

import pytest

from plan.boxes import Job
from terminal.progress import Progress

MODELS = {
    "M01": {"phases": [{"schedule": [{"epochs": 4}]}], "start": {}},
    "M02": {"phases": [{"schedule": [{"epochs": 2}]}], "start": {"model": "M01"}},
}


def epoch(model: str, number: int) -> Job:
    return Job("train_epochs", {"model": model, "epoch": f"{number:04d}"}, "")


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"valid": {"top1": 0.412}}')
    return path


def test_an_epochs_line_has_its_accuracy_and_what_the_rest_takes_as_measured(metrics):
    progress = Progress([epoch("M01", number) for number in (1, 2, 3, 4)], MODELS)
    progress.start(epoch("M01", 1), now=0)
    line = progress.finish(epoch("M01", 1), 600.0, "", metrics, now=840)  # it waited for four minutes
    assert line == "M01 epoch 1 of 4: valid top-1 41.2 %; training 25 % done, 42 min left"


def test_epochs_that_wait_for_one_another_take_their_sum_however_many_run_side_by_side(metrics):
    progress = Progress([epoch("M01", 1), epoch("M01", 2), epoch("M02", 1), epoch("M02", 2)], MODELS)
    progress.start(epoch("M01", 1), now=0)
    line = progress.finish(epoch("M01", 1), 600.0, "", metrics, now=60)  # a pace of ten jobs at a time
    assert line.endswith("30 min left")


def test_nothing_is_estimated_before_a_job_of_the_kind_was_measured(metrics):
    predict = Job("predict_images", {"images": "test", "model": "M01", "shard": "0000"}, "")
    progress = Progress([epoch("M01", 1), epoch("M01", 2), predict], MODELS)
    progress.start(epoch("M01", 1), now=0)
    assert progress.finish(epoch("M01", 1), None, "", metrics, now=9) == "M01 epoch 1 of 4: valid top-1 41.2 %"
    assert progress.done_text() == "1 of 2 epochs and 0 of 1 predictions are done"


def test_an_evaluations_line_has_its_accuracy_and_the_number_of_products(tmp_path):
    job = Job("evaluate_predictions", {"evaluated": "lite-1"}, "")
    evaluation = tmp_path / "lite-1.json"
    evaluation.write_text('{"products": 1359, "accuracy": 0.9694}')
    line = Progress([job, job], MODELS).finish(job, 1.0, "", evaluation, now=1)
    assert line == "lite-1: 96.9 % of 1,359 valid products right"
    evaluation.write_text('{"products": 0, "accuracy": null}')
    assert not Progress([job], MODELS).finish(job, 1.0, "", evaluation, now=1)


def test_shards_share_a_line_and_weights_have_none():
    shards = [Job("predict_images", {"images": "test", "model": "M01", "shard": f"{n:04d}"}, "") for n in range(2)]
    weights = Job("convert_weights", {"weights": "efficientnet-lite0"}, "")
    progress = Progress([*shards, weights], MODELS)
    progress.start(shards[0], now=0)
    assert not progress.finish(weights, None, "Convert the weights", None, now=1)
    assert not progress.finish(shards[0], 5.0, "", None, now=5)
    assert progress.finish(shards[1], 5.0, "", None, now=9) == "M01 predicted test; all prediction done"


def test_a_rule_without_a_line_has_its_message_where_it_took_long():
    jobs = [Job("some_rule", {}, ""), Job("some_rule", {"part": "b"}, "")]
    progress = Progress(jobs, MODELS)
    assert not progress.finish(jobs[0], 0.3, "Do it", None, now=1)
    assert progress.finish(jobs[1], 75.0, "Do it", None, now=76) == "Do it (75 s)"
