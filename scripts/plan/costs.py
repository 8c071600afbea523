"""What the jobs of a box will take: hours, GPU hours and bytes, estimated from sizes and speeds.

What finished jobs took on this machine goes before published speeds: first of the same model, then of another one,
scaled by what the networks compute.
"""

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

import networks
from plan.boxes import MODEL, Box, Job
from plan.sizes import CatalogSize
from workflow import recipes

# Of the published solution: training speeds are of 8 GPUs; predicting M07's pictures ran at 640 to 910 views
# per second where training ran at 338; 7,772,910 of 12,371,293 pictures are distinct.
PUBLISHED_GPUS = 8
FORWARD_SPEEDUP = 2.3
DISTINCT = 0.63
VIEWS = 2  # the picture and its mirror
DATA_RATE = 100e6  # bytes per second through a data job, read or written


@cache
def parameter_count(network: str, size: int, classes: int) -> int:
    """The number of values that a network, given as JSON, learns."""
    return networks.parameter_count(json.loads(network), size, classes)


@dataclass(frozen=True)
class Cost:
    """Hours from start to end, GPU hours and bytes written.

    Hours are None where no speed is known; `is_scaled` where they follow from another network's.
    """

    hours: float | None = 0.0
    gpu_hours: float | None = 0.0
    size: int = 0
    is_scaled: bool = False


class Estimator:
    """Estimates boxes under one configuration.

    Args:
        config: the complete configuration.
        size: the catalog's.
        benchmarks: the folder that holds `<rule>/<wildcards>.tsv` of finished jobs.
    """

    def __init__(self, config: dict, size: CatalogSize, benchmarks: Path):
        self.config = config
        self.size = size
        self.benchmarks = benchmarks

    def cost(self, box: Box) -> Cost:
        """What the box's jobs will take, where jobs that do not wait for one another run side by side."""
        size = sum(map(self._bytes, box.jobs))
        estimates = [self._seconds(job) for job in box.jobs]
        seconds = [each for each, _ in estimates]
        if None in seconds:
            return Cost(None, None, size)
        gpu_seconds = sum(each * self._gpus(job) for job, each in zip(box.jobs, seconds, strict=True))
        by_rule: dict[str, list[float]] = {}
        for job, each in zip(box.jobs, seconds, strict=True):
            by_rule.setdefault(job.rule, []).append(each)
        in_turn = sum(sum(each) if rule == "train_epochs" else max(each) for rule, each in by_rule.items())
        return Cost(in_turn / 3600, gpu_seconds / 3600, size, any(is_scaled for _, is_scaled in estimates))

    def gpus(self, box: Box) -> int:
        """GPUs that the box's jobs can use at once."""
        gpus = [self._gpus(job) for job in box.jobs]
        return max(gpus, default=0) if box.column == MODEL else sum(gpus)

    def _seconds(self, job: Job) -> tuple[float | None, bool]:
        """A job's seconds, and whether they follow from another job's kind."""
        if measured := self._measured(job):
            return mean(measured), False
        scaled = self._scaled(job)
        return (self._published(job), False) if scaled is None else (scaled, True)

    def _measured(self, job: Job) -> list[float]:
        return measured_seconds(self.benchmarks / job.rule, job.wildcards.get("model", ""))

    def _scaled(self, job: Job) -> float | None:
        """Seconds by what other models took; of a prediction by what its own model took to train, if it did."""
        if job.rule not in ("train_epochs", "predict_images"):
            return None
        model = job.wildcards["model"]
        work = self._work(job)
        trained = [Job("train_epochs", {"model": other}, "") for other in self.config["models"]]
        trained = [each for each in trained if self._gpus(each) == self._gpus(job) and self._measured(each)]
        own = [each for each in trained if each.wildcards["model"] == model]
        paces = [mean(self._measured(each)) / self._work(each) for each in own or trained]
        return work * mean(paces) if paces else None

    def _work(self, job: Job) -> float:
        """What a job computes, in trained pictures of a network that trains one picture per second."""
        model = job.wildcards["model"]
        return self._pictures_of(job) * self._weight(model)

    def _weight(self, model: str) -> float:
        """How long a picture takes beside other networks: by published speeds, else by the number of weights."""
        network = self._network(model)
        speeds = [each.get("published_images_per_second") for each in self._networks()]
        if self._gpus(Job("train_epochs", {"model": model}, "")) and all(speeds):
            return 1 / network["published_images_per_second"]
        return self._parameters(model)

    def _parameters(self, model: str) -> int:
        network = json.dumps(recipes.network_spec(self.config, model))
        return parameter_count(network, recipes.image(self.config, model)["size"], self.size.classes)

    def _network(self, model: str) -> dict:
        return self.config["networks"][self.config["models"][model]["network"]]

    def _networks(self) -> list[dict]:
        return list(map(self._network, self.config["models"]))

    def _published(self, job: Job) -> float | None:
        if job.rule == "train_epochs":
            return self._epoch_seconds(job.wildcards["model"])
        if job.rule == "predict_images":
            speed, gpus = self._speed(job.wildcards["model"]), self.config["prediction"]["gpus"]
            return self._pictures_of(job) / (speed * gpus / PUBLISHED_GPUS) if speed and gpus else None
        return self._bytes_read(job) / DATA_RATE

    def _speed(self, model: str) -> float | None:
        """Pictures per second that PUBLISHED_GPUS train on; None for a CPU, whose speed nobody published."""
        network = self._network(model)
        if self._gpus(Job("train_epochs", {"model": model}, "")) == 0:
            return None
        return network.get("published_images_per_second")

    def _epoch_seconds(self, model: str) -> float | None:
        speed = self._speed(model)
        if speed is None:
            return None
        pictures = self._pictures_of(Job("train_epochs", {"model": model}, ""))
        return pictures / (speed * self.config["models"][model]["gpus"] / PUBLISHED_GPUS)

    def _pictures_of(self, job: Job) -> float:
        """Pictures of a job, as if each were trained: one that is only predicted takes less."""
        if job.rule == "predict_images":
            return VIEWS * self._pictures(job.wildcards["images"]) / self._shards() / FORWARD_SPEEDUP
        valid = self.config["valid_fraction"]
        train = (1 - valid) * self._dataset_share(self.config["models"][job.wildcards["model"]]["dataset"])
        return self.size.train_pictures * (train + valid / FORWARD_SPEEDUP)

    def _gpus(self, job: Job) -> int:
        if job.rule == "train_epochs":
            return self.config["models"][job.wildcards["model"]]["gpus"]
        return self.config["prediction"]["gpus"] if job.rule == "predict_images" else 0

    def _dataset_share(self, dataset: str) -> float:
        return DISTINCT if self.config["datasets"][dataset]["first_copies_only"] else 1.0

    def _shards(self) -> int:
        return self.config["prediction"]["shards"]

    def _pictures(self, images: str) -> float:
        """Distinct pictures of an image set; those that are known besides are not taken off."""
        if images == "test":
            return DISTINCT * self.size.test_pictures
        return DISTINCT * self.config["valid_fraction"] * self.size.train_pictures

    def _bytes(self, job: Job) -> int:
        """Bytes that a job leaves on the disk."""
        size, wildcards = self.size, job.wildcards
        valid = self.config["valid_fraction"]
        match job.rule:
            case "generate_catalog":
                written = size.train_bytes + size.test_bytes
            case "split_catalog":
                written = size.train_bytes
            case "pack_records":
                part = valid if wildcards["part"] == "valid" else 1 - valid
                written = part * self._dataset_share(wildcards["dataset"]) * size.train_bytes
            case "train_epochs":
                written = self._checkpoint_bytes(wildcards["model"], int(wildcards["epoch"]))
            case "predict_images":
                written = 2 * size.classes * self._pictures(wildcards["images"]) / self._shards()
            case "average_models":
                written = 2 * size.classes * self._pictures("test") / self._shards()
            case _:
                written = 0
        return round(written)

    def _checkpoint_bytes(self, model_name: str, epoch: int) -> int:
        """float32 weights, and the optimizer's states where they are kept."""
        model = self.config["models"][model_name]
        weights = 4 * self._parameters(model_name)
        if not recipes.keeps_states(model, epoch, self.config["training"]["keep_states"]):
            return weights
        phase = list(recipes.epoch_settings(model))[epoch - 1][0]
        return weights * (2 if phase["optimizer"] in recipes.OPTIMIZERS_WITH_MOMENTUM else 3)

    def _bytes_read(self, job: Job) -> float:
        size = self.size
        probabilities = 2 * size.classes * self._pictures("test") / self._shards()
        match job.rule:
            case "index_catalog":
                return size.train_bytes if job.wildcards["catalog"] == "train" else size.test_bytes
            case "split_catalog" | "pack_records":
                return size.train_bytes + self._bytes(job)
            case "average_models":
                members = self.config["ensembles"][job.wildcards["ensemble"]]["models"]
                return (len(members) + 1) * probabilities
            case "write_submission":
                return self._shards() * probabilities
            case _:
                return self._bytes(job)


@cache
def measured_seconds(benchmarks: Path, model: str) -> list[float]:
    """Wall seconds of a rule's finished jobs; with a model's name, of this model."""
    return [wall_seconds(path) for path in sorted(benchmarks.glob("*.tsv")) if model in path.name]


def wall_seconds(path: Path) -> float:
    """What a job took, by the benchmark file that Snakemake wrote of it."""
    with path.open() as file:
        return mean(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))


def critical_path(boxes: dict[str, Box], costs: dict[str, Cost]) -> tuple[list[str], float]:
    """The chain of boxes that takes longest, and its hours, to which boxes without a known time add nothing."""

    @cache
    def chain(key: str) -> tuple[float, tuple[str, ...]]:
        hours, before = max(map(chain, boxes[key].sources), default=(0.0, ()))
        return hours + (costs[key].hours or 0.0), (*before, key)

    hours, path = max(map(chain, boxes))
    return [key for key in path if boxes[key].will_run], hours
