"""terminal/listing.py: the jobs of a dry run, rule by rule."""

from plan.boxes import Job
from terminal import listing
from workflow import reasons


def test_names_are_shortened_to_ranges():
    assert listing.ranges(["M03", "M01", "M02", "M05"]) == "M01-M03, M05"
    assert listing.ranges(["ensemble-14", "ensemble-2", "ensemble-1"]) == "ensemble-1, ensemble-2, ensemble-14"
    assert listing.ranges(["007", "M2", "M1", "lite0", "lite1", "lite0-b"]) == "007, M1-M2, lite0, lite1, lite0-b"
    epochs = [("M01", "1"), ("M01", "2"), ("M02", "1"), ("M02", "2"), ("M04", "3")]
    assert listing.names(epochs) == "M01-M02 1-2; M04 3"
    assert listing.names([()]) == ""


def test_jobs_are_listed_by_rule_with_numbers_and_reasons():
    jobs = [
        Job("train_epochs", {"model": "M01", "epoch": "0002"}, "seed: 1 -> 2"),
        Job("train_epochs", {"model": "M01", "epoch": "0001"}, reasons.NEW),
        Job("train_epochs", {"model": "M01", "epoch": "0003"}, reasons.NEW),
        Job("draw_plan", {}, reasons.FOLLOWS),
    ]
    assert listing.table(jobs, 100).splitlines()[1:] == [
        "train_epochs     3  not made yet (2), seed: 1 -> 2 (1)  M01 1-3",
        "draw_plan        1  what it is made from changes",
    ]
    assert listing.counts(jobs) == "4 jobs: 1 model to train, 3 epochs"
