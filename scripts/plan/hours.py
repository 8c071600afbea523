"""What the jobs of a box will take: hours, GPU hours and bytes."""

from dataclasses import dataclass

from costs.estimator import Estimator
from costs.finished import Forecast
from plan.boxes import MODEL, Box


@dataclass(frozen=True)
class Cost:
    """Hours from start to end, GPU hours and bytes written.

    Hours are None where no speed is known; `is_scaled` where they follow from another network's.
    """

    hours: float | None = 0.0
    gpu_hours: float | None = 0.0
    size: int = 0
    is_scaled: bool = False


def cost(box: Box, forecast: Forecast) -> Cost:
    """What the box's jobs will take, where jobs that do not wait for one another run side by side."""
    estimator = forecast.estimator
    size = round(sum(estimator.work(job.rule, job.wildcards).written for job in box.jobs))
    expected = [(job, forecast.expect(job.rule, job.wildcards)) for job in box.jobs]
    if any(each.seconds is None for _, each in expected):
        return Cost(None, None, size)
    by_rule: dict[str, list[float]] = {}
    for job, each in expected:
        by_rule.setdefault(job.rule, []).append(each.seconds)
    seconds = sum(sum(each) if rule == "train_epochs" else max(each) for rule, each in by_rule.items())
    gpu_seconds = sum(each.seconds * estimator.gpus(job.rule, job.wildcards) for job, each in expected)
    return Cost(seconds / 3600, gpu_seconds / 3600, size, any(each.is_scaled for _, each in expected))


def gpus(box: Box, estimator: Estimator) -> int:
    """GPUs that the box's jobs can use at once."""
    wanted = [estimator.gpus(job.rule, job.wildcards) for job in box.jobs]
    return max(wanted, default=0) if box.column == MODEL else sum(wanted)
