"""How far an epoch has come, and its parts: what lies on the disk of an epoch that has not ended.

A part is three files beside those of the epoch: weights and optimizer states as an epoch leaves them, and the progress.
It belongs to a job that ended too early, whatever ended it, and goes when the epoch is whole.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cli
from training.metrics import Metrics

BLOCK = 100  # batches after which an epoch may be divided; its dropout is seeded anew there, divided or not


@dataclass(frozen=True)
class Progress:
    """What of an epoch is done: blocks of batches, or all of them.

    Attributes:
        batches: that are done.
        seconds: that they took, in however many jobs.
        metrics: of the examples in them.
    """

    batches: int = 0
    seconds: float = 0.0
    metrics: Metrics = field(default_factory=Metrics)

    def after(self, batches: int, seconds: float, metrics: Metrics) -> "Progress":
        """That after some more batches, with the metrics of all examples."""
        return Progress(self.batches + batches, self.seconds + seconds, replace(metrics))

    def report(self) -> dict:
        """Metrics, images_per_second and seconds."""
        speed = self.metrics.examples / self.seconds
        return {**self.metrics.means(), "images_per_second": speed, "seconds": self.seconds}


@dataclass(frozen=True)
class Part:
    """The files of a part; `progress` is renamed last, so that the others are whole where it is."""

    params: Path
    states: Path
    progress: Path

    @classmethod
    def of(cls, epoch: Path, batches: str) -> "Part":
        """That of an epoch, given by its .params, after some batches."""
        return cls(*(epoch.with_name(f"{epoch.stem}.part-{batches}.{name}") for name in cls.__annotations__))

    def read(self) -> Progress:
        """How far the epoch had come."""
        entries = json.loads(self.progress.read_text())
        return Progress(entries["batches"], entries["seconds"], Metrics(**entries["metrics"]))


def latest_part(epoch: Path) -> Part | None:
    """The part of an epoch, given by its .params, that is the farthest; None where no part is whole."""
    found = sorted(epoch.parent.glob(Part.of(epoch, "*").progress.name))
    parts = (Part(path.with_suffix(".params"), path.with_suffix(".states"), path) for path in reversed(found))
    return next((part for part in parts if part.params.exists() and part.states.exists()), None)


def save_part(save: Callable[[Path, Path], None], epoch: Path, done: Progress) -> None:
    """Write a part of an epoch, given by its .params, in place of those before it.

    Args:
        save: writes weights and optimizer states, as an engines.Trainer does.
    """
    part = Part.of(epoch, f"{done.batches:08d}")
    with cli.written_whole(part.params, part.states, part.progress) as (params, states, progress):
        save(params, states)
        progress.write_text(cli.as_json(asdict(done)))
    remove_parts(epoch, but=(part.params, part.states, part.progress))


def remove_parts(epoch: Path, but: tuple[Path, ...] = ()) -> None:
    """Remove all that parts of an epoch, given by its .params, have left."""
    for path in set(epoch.parent.glob(Part.of(epoch, "*").params.stem + ".*")).difference(but):
        path.unlink(missing_ok=True)
