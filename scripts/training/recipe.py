"""What epochs of a model are trained with."""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

import cli

# How the names of learned arrays end that weight decay acts on. MXNet leaves out the others, biases and betas, where an
# optimizer is given by its name, as the published scripts gave it.
DECAYED = ("_weight", "_gamma")


@dataclass(frozen=True)
class Recipe:
    """The part of a recipe file that an engine heeds; workflow/recipes.py says where each entry comes from.

    Attributes:
        network: family and numbers (scripts/networks/).
        image: size, mean, scale, deviation where there is one and, where pictures are larger before they are cropped,
            resize.
        optimizer: nag, sgd, adam, nadam or adamw.
        learning_rates: one per epoch.
        momentum, weight_decay: 0 where the optimizer has none; only arrays named as DECAYED says decay.
        batch_size: pictures of a step, which the devices share.
        dropout: probability of dropping a pooled feature.
        label_smoothing: share of the probability that the other classes get.
        mirror: whether pictures are mirrored at random.
        hsl: largest shifts of hue, saturation and lightness (of 255).
        seed: of weights, order and augmentation.
        transfer: {"min_transfer": share of the arrays that must match}; None where the start is the epoch before.
        course: how the learning rate runs inside epochs (workflow.recipes.rate_course); None: it is constant.
        body_rate: the learning rate of all but the classifier, as a share.
        train: "all", or "classifier": all else stays as it is, moving statistics too.
        mixup: both numbers of the beta distribution of the shares that pictures are mixed in; 0: they are not.
        weight_average: the share of itself that the moving average of the weights keeps at a step; 0: there is none.
        engine: that trains (scripts/engines/).
    """

    network: dict
    image: dict
    optimizer: str
    learning_rates: list[float]
    momentum: float
    weight_decay: float
    batch_size: int
    dropout: float
    label_smoothing: float
    mirror: bool
    hsl: list[int]
    seed: int
    transfer: dict | None = None
    course: dict | None = None
    body_rate: float = 1.0
    train: str = "all"
    mixup: float = 0.0
    weight_average: float = 0.0
    engine: str = "mxnet"

    @property
    def min_transfer(self) -> float:
        """The share of the network's arrays that a start must give; an epoch goes on from all of them."""
        return self.transfer["min_transfer"] if self.transfer else 1.0

    @property
    def trains_classifier_only(self) -> bool:
        return self.train == "classifier"

    def check_share(self, devices: int) -> None:
        """Refuse a number of devices that cannot share a batch.

        Raises:
            cli.UserError: it does not divide the batch.
        """
        if self.batch_size % devices:
            raise cli.UserError(
                f"a batch of {self.batch_size} cannot be shared by {devices} GPUs; change the model's batch_size"
            )

    def dropout_seed(self, epoch: int, block: int) -> int:
        """Seed of the dropout of a block of batches (from 0); no two blocks of a model have the same one.

        Args:
            epoch: its number, from 1, of at most four digits.
        """
        return (self.seed + epoch + 10_000 * block) % (1 << 31)

    def rate_share(self, epoch: int, batch: int, batches: int) -> float:
        """The learning rate of a batch as a share of its epoch's; a warm-up takes at most a quarter of its epochs.

        Args:
            epoch: its number, from 1.
            batch: the batch's number in the epoch, from 0.
            batches: of an epoch.
        """
        if self.course is None:
            return 1.0
        total = self.course["epochs"] * batches
        done = (epoch - 1 - self.course["after"]) * batches + batch
        warmup = min(self.course["warmup_steps"], total // 4)
        if done < warmup:
            return (done + 1) / warmup
        if self.course["decay"] == "constant":
            return 1.0
        # Loshchilov and Hutter, SGDR, 2017 (arXiv:1608.03983), equation 5, to 0 and without restarts.
        return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (total - warmup)))


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file; what identifies records and weights is left out."""
    entries = json.loads(path.read_text())
    return Recipe(**{field.name: entries[field.name] for field in fields(Recipe) if field.name in entries})
