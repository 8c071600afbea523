"""Top-1 and top-5 accuracy and cross entropy, added up over batches."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli

SMALLEST_PROBABILITY = 1e-12


def epochs_until(report: dict) -> list[dict]:
    """The reports of all epochs up to one whose report has those before it in `before`."""
    return [*report["before"], {key: value for key, value in report.items() if key != "before"}]


def check_loss(loss: float, epoch: int, batch: int, batches: int) -> None:
    """End a training whose loss, that of a batch (from 1), is not finite.

    Raises:
        cli.UserError: it is not.
    """
    if not math.isfinite(loss):
        raise cli.UserError(
            f"epoch {epoch}, batch {batch} of {batches}: the loss is {loss}; lower the learning rate of this epoch; the"
            " epoch before is kept"
        )


def check_valid_loss(loss: float, records: Path) -> None:
    """End a training after an epoch whose loss on the valid part is not finite.

    Raises:
        cli.UserError: it is not.
    """
    if not math.isfinite(loss):
        raise cli.UserError(
            f"{records}: after this epoch the network's probabilities are not finite; lower the epoch's learning rate;"
            " the epoch before is kept"
        )


@dataclass
class Metrics:
    """Sums over the examples seen so far: how many, how many are right at once or among five, cross entropies."""

    examples: int = 0
    top1: int = 0
    top5: int = 0
    cross_entropy: float = 0.0

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> float:
        """Add a batch; returns its cross entropy, NaN where a probability of any class is not finite.

        The cross entropy is the plain one, without label smoothing, as in the published logs. A class that is as
        probable as the right one counts as better: a network that says the same of all classes is never right.

        Args:
            probabilities: (batch, classes) float32.
            labels: (batch,) class ids.
        """
        if not np.isfinite(probabilities).all():
            return math.nan
        labels = labels.astype(np.int64)
        of_label = probabilities[np.arange(len(labels)), labels]
        cross_entropy = -np.log(np.maximum(of_label, SMALLEST_PROBABILITY)).sum(dtype=np.float64)
        rank = (probabilities >= of_label[:, None]).sum(axis=1)  # 1: no other class is as probable
        self.add_sums(len(labels), int((rank <= 1).sum()), int((rank <= 5).sum()), cross_entropy)
        return cross_entropy / len(labels)

    def add_sums(self, examples: int, top1: int, top5: int, cross_entropy: float) -> None:
        """Add examples whose sums are known: how many are right at once or among five, and their cross entropies."""
        self.top1 += top1
        self.top5 += top5
        self.cross_entropy += cross_entropy
        self.examples += examples

    def means(self) -> dict[str, float | None]:
        """Means over the examples; None where there are none."""
        sums = {"top1": self.top1, "top5": self.top5, "cross_entropy": self.cross_entropy}
        return {name: total / self.examples if self.examples else None for name, total in sums.items()}
