"""What a job has to do, and what it takes where no finished job has told it yet."""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import networks
from costs import measured, speeds
from costs.sizes import DISTINCT, CatalogSize
from heads import schedule
from workflow import image_sets, recipes
from workflow.image_sets import TEST, ImageSet
from workflow.outputs import OUTPUTS, PASSES

WEIGHT_BYTES = 4  # a float32
PROBABILITY_BYTES = FEATURE_BYTES = 2  # a float16
PICTURES_OF_PRODUCT = 1.75  # of the published catalog
INDEX_FILE_BYTES = 40  # of a picture, in the index's file: 31 were measured
# Of a picture, in the memory of jobs that hold a row of each; docs/data-path.md has what was measured.
ROW_BYTES = {
    "index_catalog": 200,
    "join_indexes": 40,
    "split_catalog": 60,
    "split_dumps": 60,
    "pack_records": 50,
    "draw_categories": 200,
    "show_confusions": 200,
}
LABELLED_ROW_BYTES = 130  # of a picture that is labelled by known ones
KNOWN_ROW_BYTES = 16  # of a known picture
MEBIBYTE = 1 << 20

DEVICE_RULES = ("train_epochs", *PASSES.values())  # whose jobs bring pictures through a network
# Seconds of work, however large the catalog.
LIGHT_RULES = frozenset(
    {
        "choose_thresholds",
        "convert_weights",
        "draw_answers",
        "draw_evaluations",
        "draw_learning_curves",
        "draw_plan",
        "draw_times",
        "label_categories",
        "summarize_run",
        "tabulate_answers",
        "tabulate_evaluations",
        "tabulate_models",
    }
)


@dataclass(frozen=True)
class Work:
    """What a job has to do.

    Attributes:
        trained: pictures of training steps.
        forwarded: pictures of forward passes; a mirror counts as another one.
        read: bytes that are read one after the other, before or after the device works.
        shuffled: bytes that are read in a random order.
        written: bytes that stay on the disk.
        multiplied: multiplications and additions of matrices on the CPU.
    """

    trained: float = 0.0
    forwarded: float = 0.0
    read: float = 0.0
    shuffled: float = 0.0
    written: float = 0.0
    multiplied: float = 0.0

    @property
    def pictures(self) -> float:
        """Pictures of the device's work, as if each were trained on."""
        return self.trained + self.forwarded / speeds.FORWARD_SPEEDUP


class Estimator:
    """Estimates jobs, given by their rule and their wildcards, under one configuration.

    Args:
        config: the complete configuration.
        size: the catalog's.
        models: the folder of models, whose finished epochs tell how fast they are trained here; None: nothing does.
    """

    def __init__(self, config: dict, size: CatalogSize, models: Path | None = None):
        self.config = config
        self.size = size
        self._models = models

    def work(self, rule: str, wildcards: dict[str, str]) -> Work:
        """What a job has to do.

        Raises:
            ValueError: this file does not know the rule.
        """
        train, test = self.size.train.bytes, self.size.test.bytes
        shards = self.config["prediction"]["shards"]
        match rule:
            case "generate_catalog":
                work = Work(written=train + test)
            case "index_catalog":
                work = Work(read=self.size.file(wildcards["catalog"]).bytes)
            case (
                "join_indexes" | "split_dumps" | "list_images" | "draw_categories" | "show_confusions" | "write_review"
            ):
                work = Work(read=INDEX_FILE_BYTES * (self.size.train.pictures + self.size.test.pictures))
            case "split_catalog":
                work = Work(read=train, written=train)
            case "pack_records":
                part = train * self._share(wildcards["dataset"], wildcards["part"])
                work = Work(shuffled=part, written=part)
            case "train_epochs":
                work = self._epoch(wildcards["model"], int(wildcards["epoch"]))
            case "train_head" | "apply_head" | "predict_images" | "extract_features" | "predict_with_features":
                work = self._head(rule, wildcards) if "head" in rule else self._pass(wildcards)
            case "average_models":
                members = self._members(wildcards["ensemble"])
                shard = self._probability_bytes(image_sets.named(wildcards["images"])) / shards
                work = Work(read=len(members) * shard, written=shard)
            case "write_submission" | "write_answers":
                images = image_sets.called(wildcards.get("batch", TEST.called))
                reads_names = rule == "write_answers" and "name_field" in self.config.get("answers", {})
                of_names = self.size.file(images.name).bytes if reads_names else 0
                work = Work(read=self._probability_bytes(images) + of_names)
            case "evaluate_predictions" | "learn_weights" | "rank_subsets" | "audit_labels" | "calibrate_answers":
                images = [image_sets.valid_of(self.config, member) for member in self._looked_at(wildcards)]
                work = Work(read=sum(map(self._probability_bytes, images)))
            case _ if rule in LIGHT_RULES:
                work = Work()
            case _:
                raise ValueError(f"rule {rule}: no work is known; add it to scripts/costs/estimator.py")
        return work

    def seconds(self, rule: str, wildcards: dict[str, str]) -> float:
        """Seconds from a job's start to its end; a guess where has_guessed_speed."""
        work = self.work(rule, wildcards)
        seconds = (work.read + work.written) / speeds.STREAMING + work.shuffled / speeds.SHUFFLING
        seconds += work.multiplied / (speeds.MULTIPLYING * self.config["training"]["threads"])
        if rule == "generate_catalog":
            seconds += work.written / speeds.DRAWING
        if rule in DEVICE_RULES:
            published = speeds.training_speed(*self._network_and_gpus(rule, wildcards), self._engine(rule, wildcards))
            seconds += work.pictures / (self.measured_speed(rule, wildcards) or published)
        return seconds

    def measured_speed(self, rule: str, wildcards: dict[str, str]) -> float | None:
        """Pictures per second that a job's model was trained on here, on as many devices; None where it was not."""
        if self._models is None or rule not in DEVICE_RULES:
            return None
        model = wildcards["model"]
        recipe = {"network": recipes.network_spec(self.config, model), "image": recipes.image(self.config, model)}
        return measured.training_speed(
            self._models / model, recipe, self.gpus(rule, wildcards), self._engine(rule, wildcards)
        )

    def has_guessed_speed(self, rule: str, wildcards: dict[str, str]) -> bool:
        """Whether a job works on a device whose speed with its network nobody published or measured here."""
        if rule not in DEVICE_RULES or self.measured_speed(rule, wildcards):
            return False
        return not speeds.is_published(*self._network_and_gpus(rule, wildcards))

    def memory(self, rule: str, wildcards: dict[str, str]) -> float:
        """Bytes of memory at a job's peak: a fixed part, and the rows of the indexes that it holds.

        Pictures and probabilities go through a job block by block, so they count in the fixed part.

        Raises:
            ValueError: this file does not say it of the rule.
        """
        train, held = self.size.train.pictures, 0.0
        match rule:
            case "index_catalog" | "join_indexes":
                mebibytes, held = 1000, ROW_BYTES[rule] * self.size.file(wildcards["catalog"]).pictures
            case "split_catalog" | "split_dumps" | "pack_records":
                mebibytes, held = 2000, ROW_BYTES[rule] * train
            case "generate_catalog":  # products may have pictures of any that were drawn before
                mebibytes = 200 + 2 * self.work(rule, wildcards).written / MEBIBYTE
            case "draw_categories" | "show_confusions":
                mebibytes, held = 1000, ROW_BYTES[rule] * train
            case "list_images":
                mebibytes, held = 1000, self._labelling_bytes(image_sets.named(wildcards["images"]), 1)
            case "train_epochs":
                mebibytes = 4000 + 2000 * self.gpus(rule, wildcards)
            case _ if rule in PASSES.values():
                mebibytes = 2000 + 75 * self.config["prediction"]["threads"]
            case "train_head" | "apply_head":
                mebibytes, held = 4000, 2 * LABELLED_ROW_BYTES * train
            case "average_models":
                mebibytes = 500
            case "write_submission" | "write_answers" | "write_review":
                answered = image_sets.called(wildcards.get("batch", TEST.called))
                mebibytes, held = 1500, self._labelling_bytes(answered, 1)
            case "evaluate_predictions" | "learn_weights" | "rank_subsets" | "audit_labels" | "calibrate_answers":
                seeds = recipes.split_seeds(self.config)
                mebibytes, held = 2000, self._labelling_bytes(ImageSet(seeds[0]), len(seeds))
            case _:
                raise ValueError(f"rule {rule}: no memory is known; add it to scripts/costs/estimator.py")
        return mebibytes * MEBIBYTE + held

    def _labelling_bytes(self, images: ImageSet, times: int) -> float:
        """Bytes of memory to label the pictures of so many image sets by those of training products."""
        labelled = self._image_set_pictures(images) / DISTINCT
        return times * (LABELLED_ROW_BYTES * labelled + KNOWN_ROW_BYTES * self.size.train.pictures)

    def gpus(self, rule: str, wildcards: dict[str, str]) -> int:
        """GPUs of a job; 0 also where it works on the CPU."""
        match rule:
            case "train_epochs":
                return self.config["models"][wildcards["model"]]["gpus"]
            case _ if rule in PASSES.values():
                return self.config["prediction"]["gpus"]
        return 0

    def network(self, model: str) -> dict:
        """A model's network as the configuration has it."""
        return self.config["networks"][self.config["models"][model]["network"]]

    def parameters(self, model: str) -> int:
        """Values that a model learns."""
        if recipes.is_timms(self.config, model):
            network = self.network(model)
            return network["parameters"] + self.size.classes * (network["features"] + 1)
        spec = json.dumps(recipes.network_spec(self.config, model))
        return _parameter_count(spec, recipes.image(self.config, model)["size"], self.size.classes)

    def _network_and_gpus(self, rule: str, wildcards: dict[str, str]) -> tuple[dict, int]:
        return self.network(wildcards["model"]), self.gpus(rule, wildcards)

    def _engine(self, rule: str, wildcards: dict[str, str]) -> str:
        """What computes a job of DEVICE_RULES."""
        section = self.config["models"][wildcards["model"]] if rule == "train_epochs" else self.config["prediction"]
        return section["engine"]

    def _members(self, name: str) -> list[str]:
        """The models of an ensemble, or a model itself."""
        return recipes.as_ensemble(self.config, name)["models"]

    def _looked_at(self, wildcards: dict[str, str]) -> list[str]:
        """The models that a job looks at on valid products; all, where it names none."""
        name = wildcards.get("evaluated") or wildcards.get("ensemble")
        return self._members(name) if name else recipes.trained(self.config)

    def _epoch(self, name: str, epoch: int) -> Work:
        """Training and validation; records are read while the device works."""
        dataset = self.config["models"][name]["dataset"]
        train, valid = (self.size.train.pictures * self._share(dataset, part) for part in ("train", "valid"))
        return Work(trained=train, forwarded=valid, written=self._checkpoint_bytes(name, epoch))

    def _checkpoint_bytes(self, name: str, epoch: int) -> int:
        """float32 weights, and where they stay the optimizer's states, which hold the weights beside their average."""
        model = self.config["models"][name]
        weights = WEIGHT_BYTES * self.parameters(name)
        if not recipes.keeps_states(model, epoch, self.config["training"]["keep_states"]):
            return weights
        phase = list(recipes.epoch_settings(model))[epoch - 1][0]
        kept = 1 if phase["optimizer"] in recipes.OPTIMIZERS_WITH_MOMENTUM else 2
        return weights * (1 + kept + ("weight_average" in phase))

    def _share(self, dataset: str, part: str) -> float:
        """The part of the training catalog's pictures that becomes a dataset's records."""
        valid = self.config["valid_fraction"]
        copies_stay = not self.config["datasets"][dataset]["first_copies_only"]
        return {"train": 1 - valid, "valid": valid}[part] * (1.0 if copies_stay else DISTINCT)

    def _image_set_pictures(self, images: ImageSet) -> float:
        """Distinct pictures of an image set; those that are known besides are not taken off."""
        if images.seed is None:
            return DISTINCT * self.size.file(images.name).pictures
        valid = self.config["valid_fraction"]
        return DISTINCT * {"train": 1 - valid, "valid": valid}[images.part] * self.size.train.pictures

    def _pass(self, wildcards: dict[str, str]) -> Work:
        """A shard of an image set through a network."""
        forwarded = speeds.VIEWS * self._image_set_pictures(image_sets.named(wildcards["images"]))
        shards = self.config["prediction"]["shards"]
        return Work(forwarded=forwarded / shards, written=sum(self.kept_bytes(wildcards).values()))

    def kept_bytes(self, wildcards: dict[str, str]) -> dict[str, float]:
        """Bytes of what a shard of a pass keeps, by name, whichever of outputs.PASSES it is."""
        images, model = image_sets.named(wildcards["images"]), wildcards["model"]
        sizes = {"probabilities": self._probability_bytes(images), "features": self._feature_bytes(images, model)}
        kept = OUTPUTS[self._passes.get((images, model), "predict_images")]
        return {name: size / self.config["prediction"]["shards"] for name, size in sizes.items() if name in kept}

    @cached_property
    def _passes(self) -> dict[tuple[ImageSet, str], str]:
        return image_sets.passes(self.config)

    def _feature_bytes(self, images: ImageSet, model: str) -> float:
        """Bytes of a model's features of an image set."""
        return FEATURE_BYTES * self._features(model) * self._image_set_pictures(images)

    def _features(self, model: str) -> int:
        spec = json.dumps(recipes.network_spec(self.config, model))
        return _feature_count(spec, recipes.image(self.config, model)["size"])

    def _head(self, rule: str, wildcards: dict[str, str]) -> Work:
        """Training of a head, or a shard of what it says of an image set, from all features of it."""
        name, shards = wildcards["head"], self.config["prediction"]["shards"]
        is_training = rule == "train_head"
        images = image_sets.learned_by(self.config, name) if is_training else image_sets.named(wildcards["images"])
        head, pictures = self.config["heads"][name], self._image_set_pictures(images)
        read = sum(self._feature_bytes(images, model) for model in head["models"])
        widths = schedule.widths(sum(map(self._features, head["models"])), head["hidden"], self.size.classes)
        if is_training:
            rows = round(pictures / DISTINCT)
            return Work(read=read, multiplied=schedule.operations(rows, round(rows / PICTURES_OF_PRODUCT), widths))
        multiplied = 2.0 * pictures * schedule.values(widths) / shards
        return Work(read=read / shards, written=self._probability_bytes(images) / shards, multiplied=multiplied)

    def _probability_bytes(self, images: ImageSet) -> float:
        """Bytes of a model's probabilities on an image set."""
        return PROBABILITY_BYTES * self.size.classes * self._image_set_pictures(images)


@cache
def _feature_count(network: str, size: int) -> int:
    """networks.feature_count of a network that is given as JSON."""
    return networks.feature_count(json.loads(network), size)


@cache
def _parameter_count(network: str, size: int, classes: int) -> int:
    """networks.parameter_count of a network that is given as JSON."""
    return networks.parameter_count(json.loads(network), size, classes)
