"""Training by PyTorch, epoch by epoch."""

import contextlib
import dataclasses
import itertools
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import cli
from engines.torch import compilation, devices, operators, optimizers
from engines.torch.averages import WeightAverage
from engines.torch.batches import Share, mixed_share, training_batches, validation_batches
from engines.torch.faults import explained
from engines.torch.ranks import Ranks
from engines.torch.timm_networks import TimmNetwork
from networks.shapes import Shape
from records.files import batch_count
from training import checkpoints
from training.checkpoints import Arrays
from training.metrics import SMALLEST_PROBABILITY, Metrics, check_loss, check_valid_loss
from training.progress import BLOCK, Progress
from training.recipe import Recipe
from training.teachers import Teacher

SLOPE = 0.25  # of the PReLU that the initial weights are for, as the published solution set it


def initial_arrays(layout: checkpoints.Layout, seed: int) -> tuple[Arrays, Arrays]:
    """Learned arrays and moving statistics of a network that has learned nothing, as MXNet's MSRAPrelu has them.

    He et al., Delving Deep into Rectifiers, 2015 (arXiv:1502.01852), by the mean of inputs and outputs.
    """
    generator = np.random.default_rng(seed)

    def array(name: str, shape: Shape) -> np.ndarray:
        if name.endswith("_weight"):
            outputs, inputs, *window = shape
            variance = 2 / ((1 + SLOPE**2) * (outputs + inputs) * math.prod(window) / 2)
            return generator.normal(0, math.sqrt(variance), shape).astype(np.float32)
        return np.full(shape, name.endswith(("_gamma", "_moving_var")), np.float32)

    return tuple({name: array(name, shape) for name, shape in kind.items()} for kind in layout[:2])


def prepare(recipe: Recipe, classes: int, start: checkpoints.Start | None, device: torch.device) -> nn.Module:
    """A network with its weights, ready for the first epoch.

    Raises:
        cli.UserError: a file does not fit, or fewer arrays match the start than the recipe asks for.
    """
    torch.manual_seed(recipe.seed)
    network = operators.build(recipe.network, recipe.image["size"], classes, recipe.dropout)
    layout, is_timms = operators.layout(network), isinstance(network, TimmNetwork)
    arguments, auxiliaries = operators.numbers(network) if is_timms else initial_arrays(layout, recipe.seed)
    if start:
        fitting = checkpoints.of_start(start, recipe, layout, network.adapted if is_timms else checkpoints.as_it_is)
        arguments, auxiliaries = arguments | fitting.arguments, auxiliaries | fitting.auxiliaries
    operators.fill(network, arguments, auxiliaries)
    if recipe.trains_classifier_only:
        for name, array in operators.learned_arrays(network).items():
            array.requires_grad_(name in layout.classifier)
    return devices.on_device(network, device)


def smoothed_cross_entropy(scores: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """The mean over a batch; the true class has 1 - smoothing, the others smoothing / (classes - 1) each."""
    logarithms = torch.log_softmax(scores, dim=1)
    of_label = logarithms.gather(1, labels[:, None])[:, 0]
    if not smoothing:
        return -of_label.mean()
    of_others = (logarithms.sum(dim=1) - of_label) / (scores.shape[1] - 1)
    return -((1 - smoothing) * of_label + smoothing * of_others).mean()


def mixed(pictures: Tensor, share: float) -> Tensor:
    """This share of each picture of a batch, and the rest of its partner: the first one's is the last one."""
    return pictures if share == 1 else share * pictures + (1 - share) * pictures.flip(0)


def cross_entropy_to(scores: Tensor, targets: Tensor) -> Tensor:
    """The mean over a batch, to probabilities (batch, classes) of which each row adds up to 1."""
    return -(targets * torch.log_softmax(scores, dim=1)).sum(dim=1).mean()


def mixed_loss(scores: Tensor, labels: Tensor, share: float, smoothing: float) -> Tensor:
    """The smoothed cross entropy of mixed pictures, whose labels are mixed alike."""
    loss = smoothed_cross_entropy(scores, labels, smoothing)
    return (
        loss if share == 1 else share * loss + (1 - share) * smoothed_cross_entropy(scores, labels.flip(0), smoothing)
    )


def sums_of(scores: Tensor, labels: Tensor) -> Tensor:
    """What training.metrics.Metrics adds up over a batch: (4,) float64, on the device, which nobody has to wait for.

    A score that is not finite makes all probabilities of its picture NaN, and so the cross entropy.
    """
    probabilities = torch.softmax(scores, dim=1)
    of_label = probabilities.gather(1, labels[:, None])
    rank = (probabilities >= of_label).sum(dim=1)
    cross_entropy = -of_label.clamp(min=SMALLEST_PROBABILITY).log().sum(dtype=torch.float64)
    return torch.stack(
        [torch.full_like(cross_entropy, len(labels)), (rank <= 1).sum(), (rank <= 5).sum(), cross_entropy]
    )


def metrics_of(sums: Tensor) -> Metrics:
    *counts, cross_entropy = sums.tolist()
    return Metrics(*map(int, counts), cross_entropy)


class Trainer:
    """An engines.Trainer, as one of several ranks perhaps: all have the same weights, and each its share of a batch.

    Args:
        network: as prepare leaves it.
        average: of the network's numbers, where the recipe asks for one.
        threads: that decode pictures.
        teacher: of a student.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: optimizers.Optimizer,
        average: WeightAverage | None,
        recipe: Recipe,
        ranks: Ranks,
        threads: int,
        teacher: Teacher | None = None,
    ) -> None:
        self._network, self._optimizer, self._average, self._recipe = network, optimizer, average, recipe
        self._ranks, self._device, self._teacher = ranks, ranks.device, teacher
        self._trained = ranks.wrapped(compilation.for_device(network, self._device))
        self._reading = {
            "threads": threads,
            "pinned": self._device != devices.CPU,
            "share": Share(ranks.number, ranks.count),
        }
        self.devices = [devices.name(self._device, number) for number in range(ranks.count)]

    def train(self, records: Path, epoch: int, rate: float, done: Progress) -> Iterator[Progress]:
        recipe = self._recipe
        total = batch_count(records, recipe.batch_size)
        sums = torch.tensor(dataclasses.astuple(done.metrics), dtype=torch.float64, device=self._device)
        progress = cli.progress(total, "batch", f"epoch {epoch}", not self._ranks.is_first, done.batches)
        with explained(), progress as bar:
            batches = training_batches(
                records, recipe, epoch, first=done.batches, teacher=self._teacher, **self._reading
            )
            for first in range(done.batches, total, BLOCK):
                self._network.train()
                if recipe.trains_classifier_only:
                    self._fix_statistics()
                start = time.monotonic()
                torch.manual_seed(self._ranks.own_seed(recipe.dropout_seed(epoch, first // BLOCK)))
                losses = []
                for number, (pictures, classes, *taught) in enumerate(itertools.islice(batches, BLOCK), first):
                    labels = classes.to(self._device, non_blocking=True)
                    share = mixed_share(recipe, epoch, number)
                    scores = self._scores(self._trained, pictures, share)
                    self._network.zero_grad()
                    self._loss(scores, labels, taught, share).backward()
                    self._optimizer.step(rate * recipe.rate_share(epoch, number, total))
                    if self._average:
                        self._average.add(self._optimizer.updates)
                    of_batch = self._ranks.sum_(sums_of(scores.detach(), labels))
                    sums += of_batch
                    # The loss before is asked for while a GPU works on this batch, which it need not wait for.
                    losses.append(of_batch[3] / of_batch[0])
                    if len(losses) > 1:
                        check_loss(losses[-2].item(), epoch, number, total)
                    bar.update()
                check_loss(losses[-1].item(), epoch, first + len(losses), total)
                self._share_statistics()
                done = done.after(len(losses), time.monotonic() - start, metrics_of(sums))
                yield done

    @explained()
    @torch.inference_mode()
    def validate(self, records: Path) -> dict:
        self._network.eval()
        sums = torch.zeros(4, dtype=torch.float64, device=self._device)
        with self._averaged():
            for pictures, labels in validation_batches(records, self._recipe, **self._reading):
                sums += sums_of(self._scores(self._network, pictures), labels.to(self._device, non_blocking=True))
        metrics = metrics_of(self._ranks.sum_(sums))
        means = metrics.means()
        check_valid_loss(means["cross_entropy"], records)
        return {**means, "images": metrics.examples}

    @explained()
    def save(self, params: Path, states: Path) -> None:
        with self._averaged():
            checkpoints.save(params, *operators.numbers(self._network))
        arguments, auxiliaries = operators.numbers(self._network) if self._average else ({}, {})
        self._optimizer.save(states, arguments | auxiliaries)

    def _averaged(self) -> contextlib.AbstractContextManager:
        """What the network is inside the block is what an epoch leaves."""
        return self._average.in_place() if self._average else contextlib.nullcontext()

    def _scores(self, network: nn.Module, pictures: Tensor, share: float = 1.0) -> Tensor:
        """Scores (batch, classes) float32 of pictures (batch, size, size, 3) uint8, mixed where they keep a share."""
        seen = devices.inputs(pictures.permute(0, 3, 1, 2), self._recipe.image, self._device)
        with devices.precision(self._device):
            return network(mixed(seen, share)).float()

    def _loss(self, scores: Tensor, labels: Tensor, taught: list[Tensor], share: float) -> Tensor:
        """By the labels, or by what a teacher says."""
        if not taught:
            return mixed_loss(scores, labels, share, self._recipe.label_smoothing)
        [targets] = taught
        return cross_entropy_to(scores, mixed(targets.to(self._device, non_blocking=True), share))

    def _share_statistics(self) -> None:
        """Have all ranks go on with the mean of their moving statistics; where these are fixed, they are the same."""
        if not self._recipe.trains_classifier_only:
            statistics = list(operators.moving_statistics(self._network).values())
            self._ranks.mean_(statistics + (self._average.statistics if self._average else []))

    def _fix_statistics(self) -> None:
        """Let batch normalizations use their moving statistics in training too, and leave them as they are."""
        for layer in self._network.modules():
            if isinstance(layer, operators.BatchNorm | nn.modules.batchnorm._BatchNorm):
                layer.eval()


class Leader:
    """An engines.Trainer that is the first of several ranks, which follow it."""

    def __init__(self, trainer: Trainer, ranks: Ranks) -> None:
        self._trainer, self._ranks = trainer, ranks
        self.devices, self.save = trainer.devices, trainer.save

    def train(self, records: Path, epoch: int, rate: float, done: Progress) -> Iterator[Progress]:
        self._ranks.tell("train", str(records), epoch, rate, done.batches)
        with contextlib.closing(self._trainer.train(records, epoch, rate, done)) as steps:
            while done:
                with self._ranks.together("go on"):
                    done = next(steps, None)
                if done:
                    yield done

    def validate(self, records: Path) -> dict:
        with self._ranks.together("validate", str(records)):
            return self._trainer.validate(records)


def follow(trainer: Trainer, ranks: Ranks) -> None:
    """Do what the first rank says, until it ends."""
    steps = (step for step in ())
    for order in ranks.orders():
        match order:
            case ["train", records, epoch, rate, batches]:
                steps.close()
                steps = trainer.train(Path(records), epoch, rate, Progress(batches))
            case ["go on"]:
                next(steps, None)
            case ["validate", records]:
                trainer.validate(Path(records))


@explained()
def create_trainer(
    recipe: Recipe,
    classes: int,
    start: checkpoints.Start | None,
    states: Path | None,
    teacher: Teacher | None = None,
    *,
    gpus: int,
    threads: int,
    deterministic: bool,
) -> Trainer | Leader:
    """See engines.Engine. With several GPUs this process is the first of as many ranks; another one ends here."""
    ranks = Ranks.join(gpus)
    if deterministic:
        devices.be_deterministic()
    recipe.check_share(ranks.count)
    network = prepare(recipe, classes, start, ranks.device)
    arrays = operators.learned_arrays(network)
    optimizer = optimizers.create(recipe, arrays, operators.roles(network))
    average = WeightAverage(network, recipe.weight_average) if recipe.weight_average else None
    if states:
        weights = optimizer.load(states, list(arrays))
        if average and not weights:
            raise cli.UserError(f"{states}: no weights, whose average the start is; train the epoch before again")
        if average:
            operators.fill(network, weights, weights)
    trainer = Trainer(network, optimizer, average, recipe, ranks, max(threads // ranks.count, 1), teacher)
    if ranks.count == 1:
        return trainer
    if ranks.is_first:
        return Leader(trainer, ranks)
    follow(trainer, ranks)
    sys.exit(0)
