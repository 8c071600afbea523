"""Lines of a run's progress, by work done and not by number of jobs.

What is left to do is estimated from the seconds that finished jobs of the same kind took in this run, and not
before there is one.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from plan.boxes import Job
from plan.drawing import hours_text
from workflow import recipes


class Stage(NamedTuple):
    name: str
    pieces: str


# The rules whose jobs are most of the work: a line tells what is left of them.
STAGES = {
    "train_epochs": Stage("training", "epochs"),
    "predict_images": Stage("prediction", "predictions"),
    "predict_with_features": Stage("prediction with features", "predictions with features"),
    "extract_features": Stage("features", "passes for features"),
}
# Jobs that share a line, which appears when the last of them is done.
LINES = {
    "generate_catalog": "catalog drawn",
    "index_catalog": "{catalog} indexed",
    "split_catalog": "train.bson split with seed {seed}",
    "split_dumps": "train split with seed {seed}",
    "pack_records": "dataset {dataset} packed",
    "predict_images": "{model} predicted {images}",
    "predict_with_features": "{model} predicted {images}",
    "extract_features": "{model} gave features of {images}",
    "train_head": "head {head} trained",
    "write_submission": "submission of {ensemble} written",
    "write_answers": "{batch} answered",
}
LONG = 10.0  # seconds that a job of another rule takes at least to be worth a line
Kind = tuple[str, str, str]


def kind(job: Job) -> Kind:
    """What jobs have in common that take about the same time: rule, model, image set."""
    return job.rule, job.wildcards.get("model", ""), job.wildcards.get("images", "")


class Progress:
    """What is planned, what is done and what that took.

    Args:
        jobs: all that will run.
        models: the configuration's.
    """

    def __init__(self, jobs: Iterable[Job], models: dict):
        self.models = models
        self.planned = list(jobs)
        self.done: Counter[str] = Counter()  # by rule
        self.open = Counter(map(kind, self.planned))
        self.open_lines = Counter(map(_line, self.planned))
        self.started: dict[str, float] = {}
        self.seconds: dict[Kind, list[float]] = defaultdict(list)

    def start(self, job: Job, now: float) -> None:
        """A job was started or submitted, at a time in seconds."""
        self.started.setdefault(job.rule, now)

    def finish(self, job: Job, seconds: float | None, message: str, metrics: Path | None, now: float) -> str | None:
        """The line that a finished job is worth, if it is.

        Args:
            seconds: what it took; None where that is not known.
            message: its rule's, for jobs of rules that have no line of their own.
            metrics: the file of what an epoch or an evaluation measured.
            now: the time, in seconds.
        """
        self.done[job.rule] += 1
        self.open[kind(job)] -= 1
        self.open_lines[_line(job)] -= 1
        if seconds is not None:
            self.seconds[kind(job)].append(seconds)
        if job.rule == "train_epochs":
            text = epoch_text(job, self.models[job.wildcards["model"]], json.loads(metrics.read_text()))
        elif job.rule == "evaluate_predictions":
            text = evaluation_text(job, json.loads(metrics.read_text()))
        elif job.rule in LINES:
            text = "" if self.open_lines[_line(job)] else _line(job)
        else:
            text = f"{message} ({seconds:.0f} s)" if seconds is not None and seconds >= LONG else ""
        return text and "; ".join(filter(None, [text, self.stage_text(job.rule, now)]))

    def done_text(self) -> str:
        """4 of 31 epochs and 0 of 28 predictions are done; of jobs, where none of these is planned."""
        planned = Counter(job.rule for job in self.planned)
        pieces = [
            f"{self.done[rule]} of {planned[rule]} {stage.pieces}" for rule, stage in STAGES.items() if planned[rule]
        ]
        return f"{' and '.join(pieces) or f'{self.done.total()} of {planned.total()} jobs'} are done"

    def expected(self, wanted: Kind) -> float | None:
        """Seconds of a job, by those of its kind that are done, else by the nearest kind's; None without any."""
        rule, _, images = wanted
        alike = (
            lambda other: other == wanted,
            lambda other: (other[0], other[2]) == (rule, images),
            lambda other: other[0] == rule,
        )
        for is_alike in alike:
            if seconds := [each for other, done in self.seconds.items() if is_alike(other) for each in done]:
                return mean(seconds)
        return None

    def stage_text(self, rule: str, now: float) -> str:
        """How much of a stage is done and how long the rest takes at the pace so far; empty while none is measured."""
        done = sum(sum(seconds) for other, seconds in self.seconds.items() if other[0] == rule)
        if rule not in STAGES or not done:
            return ""
        rest = {other: count * self.expected(other) for other, count in self.open.items() if other[0] == rule}
        left = sum(rest.values())
        if not left:
            return f"all {STAGES[rule].name} done"
        share = min(99, math.floor(100 * done / (done + left)))
        pace = done / max(now - self.started[rule], 1.0)
        longest = max(self._chain(other[1], rest) for other in rest) if rule == "train_epochs" else 0.0
        return f"{STAGES[rule].name} {share} % done, {hours_text(max(left / pace, longest) / 3600)} left"

    def _chain(self, model: str, rest: dict[Kind, float]) -> float:
        """Seconds of a model's open epochs and of those that have to be done before them."""
        before = self.models[model]["start"].get("model")
        return rest.get(("train_epochs", model, ""), 0.0) + (self._chain(before, rest) if before else 0.0)


def epoch_text(job: Job, model: dict, metrics: dict) -> str:
    """M04 epoch 2 of 4: valid top-1 41.2 %."""
    text = f"{job.wildcards['model']} epoch {int(job.wildcards['epoch'])} of {recipes.epoch_count(model)}"
    top1 = metrics["valid"]["top1"]
    return f"{text}: no valid pictures" if top1 is None else f"{text}: valid top-1 {100 * top1:.1f} %"


def evaluation_text(job: Job, evaluation: dict) -> str:
    """M04: 96.9 % of 359 valid products right."""
    count, name = evaluation["products"], job.wildcards["evaluated"]
    return f"{name}: {100 * evaluation['accuracy']:.1f} % of {count:,} valid products right" if count else ""


def _line(job: Job) -> str:
    return LINES.get(job.rule, job.rule).format(**job.wildcards)
