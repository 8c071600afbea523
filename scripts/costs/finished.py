"""What jobs that have finished on this machine took, and what others will take by that."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

from costs.estimator import DEVICE_RULES, Estimator
from workflow import image_sets
from workflow.outputs import DIGEST, PASSES

# The names of benchmark files below {rule}/, as the rules give them, of rules whose jobs do not all take about as long.
NAMES = {
    "index_catalog": "{catalog}-{digest}",
    "pack_records": "{dataset}-{part}-{digest}",
    "train_epochs": "{model}-{epoch}-{digest}",
    **dict.fromkeys(PASSES.values(), "{images}-{images_digest}-{model}-{digest}-{shard}"),
    "train_head": "{head}-{digest}",
    "apply_head": "{images}-{images_digest}-{head}-{digest}-{shard}",
    "learn_weights": "{ensemble}-{digest}",
    "average_models": "{images}-{ensemble}-{digest}-{shard}",
    "evaluate_predictions": "{evaluated}-{digest}",
    "write_answers": "{batch}-{digest}",
    "write_review": "{batch}-{digest}",
}
# The wildcards in these names that may have hyphens; the others have none, so that each name has one reading.
HYPHENATED = {
    "catalog": ".+",
    "model": ".+",
    "head": ".+",
    "dataset": ".+",
    "ensemble": ".+",
    "evaluated": ".+",
    "batch": ".+",
    "images": image_sets.NAMES,
}
ALIKE = {"epoch", "shard", "digest", "images_digest"}  # jobs that differ in these alone take about as long

Kind = tuple[str, ...]  # of jobs that take about as long: their rule, and their other wildcards in the order of NAMES


@dataclass(frozen=True)
class Expectation:
    """Seconds that a job will take; None where no speed is known. `is_scaled` where they follow from another kind's."""

    seconds: float | None
    is_scaled: bool = False


def kind_of(rule: str, wildcards: dict[str, str]) -> Kind:
    names = re.findall(r"{(\w+)}", NAMES.get(rule, ""))
    return (rule, *(wildcards[name] for name in names if name not in ALIKE))


@cache
def benchmark_pattern(rule: str) -> re.Pattern:
    """What the names of a rule's benchmark files look like; a group per wildcard."""
    if rule not in NAMES:
        return re.compile(".*")

    def group(wildcard: re.Match) -> str:
        usual = DIGEST if wildcard[1].endswith("digest") else "[^-]+"
        return f"(?P<{wildcard[1]}>{HYPHENATED.get(wildcard[1], usual)})"

    return re.compile(re.sub(r"{(\w+)}", group, NAMES[rule]))


def read_finished(benchmarks: Path) -> dict[Kind, list[float]]:
    """Seconds of the jobs that left `{rule}/{name}.tsv` in a folder, by their kind."""
    found: dict[Kind, list[float]] = {}
    for path in sorted(benchmarks.glob("*/*.tsv")):
        rule = path.parent.name
        if match := benchmark_pattern(rule).fullmatch(path.stem):
            found.setdefault(kind_of(rule, match.groupdict()), []).append(wall_seconds(path))
    return found


def wall_seconds(path: Path) -> float:
    """What a job took, by the benchmark file that Snakemake wrote of it."""
    with path.open() as file:
        return mean(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))


class Forecast:
    """What jobs will take: what finished ones of their kind took, else what follows from others, else an estimate.

    Args:
        estimator: of the configuration.
        finished: seconds of finished jobs by their kind, perhaps of models that the configuration does not have.
    """

    def __init__(self, estimator: Estimator, finished: dict[Kind, list[float]]):
        self.estimator = estimator
        self.finished = finished
        self.models = estimator.config["models"]

    def expect(self, rule: str, wildcards: dict[str, str]) -> Expectation:
        """What a job will take."""
        if rule == "train_epochs" and self.estimator.measured_speed(rule, wildcards):
            return Expectation(self.estimator.seconds(rule, wildcards))  # a benchmark has its last part alone
        if alike := self.finished.get(kind_of(rule, wildcards)):
            return Expectation(mean(alike))
        if paces := self._paces(rule, wildcards):
            return Expectation(self._load(rule, wildcards) * mean(paces), is_scaled=True)
        if self.estimator.has_guessed_speed(rule, wildcards):
            return Expectation(None)
        return Expectation(self.estimator.seconds(rule, wildcards))

    def _paces(self, rule: str, wildcards: dict[str, str]) -> list[float]:
        """Seconds per load of models whose epochs ran on as many GPUs: of the job's own model, else of all."""
        if rule not in DEVICE_RULES:
            return []
        gpus = self.estimator.gpus(rule, wildcards)
        paces = {}
        for model in self.models:
            epoch = {"model": model, "epoch": "0001"}
            seconds = self.finished.get(kind_of("train_epochs", epoch))
            if seconds and self.estimator.gpus("train_epochs", epoch) == gpus:
                paces[model] = mean(seconds) / self._load("train_epochs", epoch)
        own = paces.get(wildcards["model"])
        return [own] if own else list(paces.values())

    def _load(self, rule: str, wildcards: dict[str, str]) -> float:
        """What a job's device computes: pictures, as if each were trained on, times what one costs in its network."""
        return self.estimator.work(rule, wildcards).pictures * self._picture_cost(wildcards["model"])

    def _picture_cost(self, model: str) -> float:
        """What a picture costs beside other networks: by published speeds, else by the number of weights."""
        networks = map(self.estimator.network, self.models)
        if self.models[model]["gpus"] and all("published_images_per_second" in network for network in networks):
            return 1 / self.estimator.network(model)["published_images_per_second"]
        return self.estimator.parameters(model)
