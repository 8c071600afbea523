"""Prediction by PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import engines
import networks
from engines.torch import compilation, devices, operators
from engines.torch.faults import explained
from training import checkpoints


class Predictor:
    """An engines.Predictor.

    Args:
        copies: a network per device, which gives scores and pooled features.
        image: how pictures go into it.
        columns: see engines.Predictor.
    """

    def __init__(self, copies: dict[torch.device, nn.Module], image: dict, columns: dict[str, int]) -> None:
        self._copies, self._image, self.columns = copies, image, columns

    @explained()
    @torch.inference_mode()
    def means(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See engines.Predictor. The devices share a batch."""
        shares = np.array_split(pixels, len(self._copies))
        running = [self._start(*each, share) for each, share in zip(self._copies.items(), shares, strict=True)]
        return {name: np.concatenate([means[name].cpu().numpy() for means in running]) for name in self.columns}

    def _start(self, device: torch.device, network: nn.Module, share: np.ndarray) -> dict[str, Tensor]:
        """Means (count, columns) over pictures and mirror images, by name, under way on a GPU."""
        pictures = devices.inputs(torch.from_numpy(share), self._image, device)
        with devices.precision(device):
            views = [network(pictures), network(pictures.flip(3))]
        found = {
            engines.PROBABILITIES: [torch.softmax(scores.float(), dim=1) for scores, _ in views],
            engines.FEATURES: [features.float() for _, features in views],
        }
        return {name: sum(found[name]) / len(views) for name in self.columns}


@explained()
def load_predictor(
    network: dict, image: dict, params: Path, outputs: Sequence[str], *, batch_size: int, gpus: int
) -> Predictor:
    """See engines.Engine."""
    found = checkpoints.load(params)
    classes = checkpoints.class_count(params, found[0], operators.classifier(network))
    copies = {}
    for device in devices.take(gpus)[:batch_size]:
        copy = operators.build(network, image["size"], classes, with_features=True)
        weights = checkpoints.of_trained(params, found, operators.layout(copy))
        operators.fill(copy, weights.arguments, weights.auxiliaries)
        copies[device] = compilation.for_device(devices.on_device(copy.eval(), device), device)
    widths = {engines.PROBABILITIES: classes, engines.FEATURES: networks.feature_count(network, image["size"])}
    return Predictor(copies, image, {name: widths[name] for name in outputs})
