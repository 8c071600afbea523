"""The moving average of a network's numbers over its training steps."""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn


class WeightAverage:
    """The exponential moving average of what a network has in floating point: weights and moving statistics.

    Tarvainen and Valpola, Mean teachers are better role models, 2017 (arXiv:1703.01780), section 2. The first steps
    keep less, as in TensorFlow's ExponentialMovingAverage: (1 + step) / (10 + step), from the first step on. So the
    weights that a phase starts from are forgotten.

    Args:
        network: whose numbers are the average so far.
        share: of itself that the average keeps at a step.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        learned = _floats(network.parameters())
        self._learned, self._numbers = len(learned), learned + _floats(network.buffers())
        self._means = [array.clone() for array in self._numbers]
        self._share = share

    @property
    def statistics(self) -> list[Tensor]:
        """The averages of the moving statistics, to be changed in place."""
        return self._means[self._learned :]

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Take in what the network is after a step, from 1."""
        torch._foreach_lerp_(self._means, self._numbers, 1 - min(self._share, (1 + step) / (10 + step)))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the network be its average inside the block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for array, mean in zip(self._numbers, self._means, strict=True):
            kept = array.clone()
            array.copy_(mean)
            mean.copy_(kept)


def _floats(arrays: Iterable[Tensor]) -> list[Tensor]:
    return [array.detach() for array in arrays if array.is_floating_point()]
