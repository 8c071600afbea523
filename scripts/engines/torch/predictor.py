"""Prediction by PyTorch."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engines.torch import devices, operators
from engines.torch.faults import explained
from training import checkpoints


class Predictor:
    """An engines.Predictor.

    Args:
        copies: a network per device.
        image: how pictures go into it.
        classes: their number.
    """

    def __init__(self, copies: dict[torch.device, nn.Module], image: dict, classes: int) -> None:
        self._copies, self._image, self.classes = copies, image, classes

    @explained()
    @torch.inference_mode()
    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """See engines.Predictor. The devices share a batch."""
        shares = np.array_split(pixels, len(self._copies))
        running = [self._start(*each, share) for each, share in zip(self._copies.items(), shares, strict=True)]
        return np.concatenate([means.cpu().numpy() for means in running])

    def _start(self, device: torch.device, network: nn.Module, share: np.ndarray) -> Tensor:
        """Mean probabilities (count, classes) over pictures and mirror images, under way on a GPU."""
        pictures = devices.inputs(torch.from_numpy(share), self._image, device)
        with devices.precision(device):
            scores = [network(pictures), network(pictures.flip(3))]
        return sum(torch.softmax(each.float(), dim=1) for each in scores) / len(scores)


@explained()
def load_predictor(network: dict, image: dict, params: Path, *, batch_size: int, gpus: int) -> Predictor:
    """See engines.Engine."""
    weights, classes = checkpoints.of_trained(params, network, image["size"])
    copies = {}
    for device in devices.take(gpus)[:batch_size]:
        copy = operators.build(network, image["size"], classes)
        operators.fill(copy, weights.arguments, weights.auxiliaries)
        copies[device] = devices.on_device(copy.eval(), device)
    return Predictor(copies, image, classes)
