"""Engines compute with networks: they train one epoch and predict one batch. This file is the seam.

An engine is a folder beside this file. Its package has two functions, `create_trainer` and `load_predictor`, with the
arguments below. Programs reach it by `choose`, and nothing else in scripts/ imports an engine's library.
"""

import importlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

import cli
from training.checkpoints import Start
from training.progress import Progress
from training.recipe import Recipe
from training.teachers import Teacher

NAMES = ("mxnet", "torch")
# What a network gives of a picture: probabilities (classes), and the pooled features that its classifier sees.
PROBABILITIES, FEATURES = OUTPUTS = ("probabilities", "features")
# Both libraries compute with GNU OpenMP, whose threads wait for each other for 300,000 turns of a loop before they
# sleep. Where other work wants the cores, too, that doubles the CPU time; after 10,000, none of the speed is lost.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
MEMORY_ADVICE = "lower batch_size (of the model, or of prediction), or choose GPUs with more memory"


class Trainer(Protocol):
    """A network with its weights and its optimizer on devices.

    Attributes:
        devices: names of what it computes on.
    """

    devices: list[str]

    def train(self, records: Path, epoch: int, rate: float, done: Progress) -> Iterator[Progress]:
        """Train an epoch, or the rest of one; yields its progress after each block of batches, the last one whole.

        Order and augmentation of the records, and dropout, follow from the recipe's seed and the numbers of epoch and
        batch alone: with what `save` wrote when a progress was yielded, another trainer goes on exactly.

        Args:
            done: what of the epoch the weights and the optimizer have seen.
            epoch: its number, from 1.
            rate: the learning rate where it is constant, else the one that a warm-up ends at and a decay starts from.

        Raises:
            cli.UserError: the loss is not finite, records do not fill a batch, or a device fails.
        """
        ...

    def validate(self, records: Path) -> dict:
        """Metrics on all records without augmentation, and how many images these are.

        Raises:
            cli.UserError: the network's probabilities are not finite.
        """
        ...

    def save(self, params: Path, states: Path) -> None:
        """Write the weights (training/params_file.py) and the optimizer's states; both make going on exact."""
        ...


class Predictor(Protocol):
    """A network with its weights as a function from pictures to some of OUTPUTS.

    Attributes:
        columns: the number of columns of each, by name.
    """

    columns: dict[str, int]

    def means(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Means (batch, columns) float32 over each picture and its mirror, by name, of one forward pass of each.

        Args:
            pixels: (batch, 3, size, size) uint8 RGB, a whole batch; may be overwritten.

        Raises:
            cli.UserError: a device fails.
        """
        ...


class Engine(Protocol):
    """The package of an engine."""

    def create_trainer(
        self,
        recipe: Recipe,
        classes: int,
        start: Start | None,
        states: Path | None,
        teacher: Teacher | None = None,
        *,
        gpus: int,
        threads: int,
        deterministic: bool,
    ) -> Trainer:
        """A trainer that is ready for its first epoch.

        Args:
            classes: their number.
            start: what checkpoints.of_start takes weights from; random ones where None.
            states: of the optimizer, to go on with; a fresh one where None.
            teacher: whose probabilities are learned in place of labels; PyTorch's engine alone takes one.
            gpus: to compute on; 0: the CPU.
            threads: that decode pictures.
            deterministic: whether GPUs compute the same bits every time; the CPU does.

        Raises:
            cli.UserError: a file does not fit or is damaged, too few arrays match, or the GPUs are not to be had.
        """
        ...

    def load_predictor(
        self, network: dict, image: dict, params: Path, outputs: Sequence[str], *, batch_size: int, gpus: int
    ) -> Predictor:
        """A predictor with the weights of a .params.

        Args:
            network: family and numbers (scripts/networks/).
            image: size (pixels), mean, scale and perhaps deviation: a network sees (byte - mean) / deviation * scale.
            outputs: which of OUTPUTS it gives.
            batch_size: pictures of a batch, which the GPUs share.

        Raises:
            cli.UserError: the file is damaged or another network's, or the GPUs are not to be had.
        """
        ...


def choose(name: str) -> Engine:
    """Load an engine, and with it its library.

    Raises:
        cli.UserError: the library is not installed.
    """
    try:
        return importlib.import_module(f"engines.{name}")
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise cli.UserError(
            f"engine: {name}: its library is not installed; docs/engines.md says how to, and what other engines compute"
        ) from None
