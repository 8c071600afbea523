"""What learn_weights.py writes: how the members of an ensemble are combined. Starts without NumPy, as plans read it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cli

LEARNED = "learned"  # the mean whose weights and temperatures are found


@dataclass(frozen=True)
class Combination:
    """How members are combined.

    Attributes:
        taken: what it is: learned, or what was taken in its place.
        weights: one per member, of sum 1; a member of 0 is not asked.
        temperatures: one per member, by which its probabilities are tempered before (postprocessing/means.py).
    """

    taken: str
    weights: list[float]
    temperatures: list[float]

    @property
    def counting(self) -> list[int]:
        """The positions of the members that count."""
        return [number for number, weight in enumerate(self.weights) if weight]


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Attributes:
        models: the members in their order.
        combination: learned from all products.
        folds: the same without each fold of them.
        groups: members with the same splits, and how many products decided their weights among each other.
        common_products: how many products all members can be measured on.
        note: what to know where few products decided; empty where there were enough.
    """

    models: list[str]
    combination: Combination
    folds: list[Combination]
    groups: list[dict]
    common_products: int
    note: str

    @property
    def counting(self) -> list[str]:
        """The models that count."""
        return [self.models[number] for number in self.combination.counting]

    def as_json(self) -> str:
        return cli.as_json(asdict(self))


def read_learned(path: Path) -> Learned:
    """Read what was learned.

    Raises:
        cli.UserError: the file is damaged.
    """
    try:
        entries = json.loads(path.read_text())
        combinations = {"combination": Combination(**entries.pop("combination"))}
        combinations["folds"] = [Combination(**fold) for fold in entries.pop("folds")]
        return Learned(**entries, **combinations)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise cli.UserError(f"{path}: not what learn_weights.py writes: {error}; delete it and run again") from None
