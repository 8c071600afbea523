"""What the jobs of a box will take: hours, GPU hours and bytes, estimated from sizes and speeds.

A benchmark that a finished job of the same kind left behind goes before any formula.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

from plan.boxes import Box, Job
from workflow import recipes

# Of the published solution: training speeds are of 8 GPUs; predicting M07's pictures ran at 640 to 910 views
# per second where training ran at 338; 7,772,910 of 12,371,293 pictures are distinct.
PUBLISHED_GPUS = 8
FORWARD_SPEEDUP = 2.3
DISTINCT = 0.63
VIEWS = 2  # the picture and its mirror
DATA_RATE = 100e6  # bytes per second through a data job, read or written
SAMPLE = 1 << 26  # bytes of a catalog that are looked at to count its pictures


@dataclass(frozen=True)
class CatalogSize:
    """Pictures and bytes of train.bson and test.bson, and the number of classes."""

    train_pictures: int
    train_bytes: int
    test_pictures: int
    test_bytes: int
    classes: int


PUBLISHED_CATALOG = CatalogSize(12_371_293, int(58.2e9), 3_095_080, int(14.5e9), 5270)


@dataclass(frozen=True)
class Cost:
    """Hours from start to end, GPU hours and bytes written; hours are None where no speed is known."""

    hours: float | None = 0.0
    gpu_hours: float | None = 0.0
    size: int = 0


def catalog_size(config: dict) -> CatalogSize:
    """The catalog's size, counted in the first bytes of each file and scaled up."""
    folder = Path(config["catalog"])
    (train, train_bytes), (test, test_bytes) = (
        _file_size(folder / f"{name}.bson", config.get("generate_catalog", {}).get(f"{name}_products", 0))
        for name in ("train", "test")
    )
    names = folder / "category_names.csv"
    lines = names.read_bytes().count(b"\n") - 1 if names.exists() else PUBLISHED_CATALOG.classes
    return CatalogSize(train, train_bytes, test, test_bytes, lines)


def _file_size(path: Path, products: int) -> tuple[int, int]:
    """Pictures and bytes of a file; one that is still to be drawn has two pictures of 5 kB per product."""
    if not path.exists():
        return 2 * products, 10_000 * products
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    return round(head.count(b"picture\0") * size / max(len(head), 1)), size


def parameter_count(spec: dict, classes: int) -> int:
    """The number of a network's weights, without the small vectors of batch normalisation."""
    count, inner = {"resnext": _resnext, "dpn": _dpn, "densenet": _densenet}[spec["family"]](spec)
    return round(count + 3 * 49 * spec["stem"] + inner * classes)


def _resnext(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for units, filters in zip(spec["units"], spec["filters"], strict=True):
        width = spec["width"] * filters
        block = 9 * width**2 / spec["groups"] + width * filters
        block += 2 * spec.get("se_ratio", 0) * filters**2
        count += units * block + inner * (width + filters) + (units - 1) * filters * width
        inner = filters
    return count, inner


def _dpn(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for units, filters, increment in zip(spec["units"], spec["filters"], spec["increments"], strict=True):
        width = spec["k_r"] * filters / 256
        count += inner * (filters + 2 * increment)
        for unit in range(units):
            if unit > 0:
                inner = filters + (unit + 2) * increment
            count += inner * width + 9 * width**2 / spec["groups"] + width * (filters + increment)
        inner = filters + (units + 2) * increment
    return count, inner


def _densenet(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for stage, units in enumerate(spec["units"]):
        if stage > 0:
            halved = int(inner * spec["compression"])
            count += inner * halved
            inner = halved
        hidden = spec["bottleneck"] * spec["growth"]
        for _ in range(units):
            count += inner * hidden + 9 * hidden * spec["growth"]
            inner += spec["growth"]
    return count, inner


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
        seconds = [self._seconds(job) for job in box.jobs]
        if None in seconds:
            return Cost(None, None, size)
        gpu_seconds = sum(each * self._gpus(job) for job, each in zip(box.jobs, seconds, strict=True))
        by_rule: dict[str, list[float]] = {}
        for job, each in zip(box.jobs, seconds, strict=True):
            by_rule.setdefault(job.rule, []).append(each)
        in_turn = sum(sum(each) if rule == "train_epochs" else max(each) for rule, each in by_rule.items())
        return Cost(in_turn / 3600, gpu_seconds / 3600, size)

    def _seconds(self, job: Job) -> float | None:
        measured = measured_seconds(self.benchmarks / job.rule, job.wildcards.get("model", ""))
        return mean(measured) if measured else self._formula(job)

    def _formula(self, job: Job) -> float | None:
        if job.rule == "train_epochs":
            return self._epoch_seconds(job.wildcards["model"])
        if job.rule == "predict_images":
            speed = self._speed(job.wildcards["model"])
            if speed is None:
                return None
            views = VIEWS * self._pictures(job.wildcards["images"]) / self._shards()
            gpus = self.config["prediction"]["gpus"]
            return views / (FORWARD_SPEEDUP * speed * gpus / PUBLISHED_GPUS)
        return self._bytes_read(job) / DATA_RATE

    def _speed(self, model: str) -> float | None:
        """Pictures per second that PUBLISHED_GPUS train on; None for a CPU, whose speed nobody published."""
        network = self.config["networks"][self.config["models"][model]["network"]]
        if self._gpus(Job("train_epochs", {"model": model}, "")) == 0:
            return None
        return network.get("published_images_per_second")

    def _epoch_seconds(self, model: str) -> float | None:
        speed = self._speed(model)
        if speed is None:
            return None
        valid = self.config["valid_fraction"]
        train = (1 - valid) * self._dataset_share(self.config["models"][model]["dataset"])
        pictures = self.size.train_pictures * (train + valid / FORWARD_SPEEDUP)
        return pictures / (speed * self.config["models"][model]["gpus"] / PUBLISHED_GPUS)

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
        weights = 4 * parameter_count(self.config["networks"][model["network"]], self.size.classes)
        if not recipes.keeps_states(model, epoch):
            return weights
        phase = list(recipes.epoch_settings(model))[epoch - 1][0]
        return weights * (2 if phase["optimizer"] in recipes.OPTIMIZERS_WITH_MOMENTUM else 3)

    def _bytes_read(self, job: Job) -> float:
        size = self.size
        probabilities = 2 * size.classes * self._pictures("test") / self._shards()
        match job.rule:
            case "index_catalog" | "digest_catalog":
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
    return [_wall_seconds(path) for path in sorted(benchmarks.glob("*.tsv")) if model in path.name]


def _wall_seconds(path: Path) -> float:
    with path.open() as file:
        return mean(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))


def critical_path(boxes: dict[str, Box], costs: dict[str, Cost]) -> tuple[list[str], float]:
    """The chain of boxes that takes longest, and its hours; boxes without a known time count nothing."""

    @cache
    def chain(key: str) -> tuple[float, tuple[str, ...]]:
        hours, before = max(map(chain, boxes[key].sources), default=(0.0, ()))
        return hours + (costs[key].hours or 0.0), (*before, key)

    hours, path = max(map(chain, boxes))
    return [key for key in path if boxes[key].will_run], hours


def total(costs: Iterable[Cost]) -> Cost:
    """The sums; unknown hours count nothing."""
    costs = list(costs)
    return Cost(
        sum(cost.hours or 0.0 for cost in costs),
        sum(cost.gpu_hours or 0.0 for cost in costs),
        sum(cost.size for cost in costs),
    )
