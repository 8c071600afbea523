"""Networks that PyTorch compiles for a GPU: fewer kernels, each of which reads and writes less.

What is compiled stays in a folder, where the next job finds it: TORCHINDUCTOR_CACHE_DIR, else one of this user's.
TORCH_COMPILE_DISABLE=1 in the environment leaves networks as they are.
"""

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

import cli
from engines.torch import devices

CACHE = "TORCHINDUCTOR_CACHE_DIR"


class Compiled(nn.Module):
    """A network that is compiled at its first batch, and goes on as it is where that fails."""

    def __init__(self, network: nn.Module, backend: str | object = "inductor") -> None:
        super().__init__()
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        os.environ.setdefault(CACHE, str(Path(caches, "shelfmark/compiled")))
        self.network = network
        # Not registered: its arrays are the network's.
        self._compiled = (torch.compile(network, backend=backend, dynamic=False),)

    def forward(self, pictures: Tensor) -> Tensor:
        if not self._compiled:
            return self.network(pictures)
        try:
            return self._compiled[0](pictures)
        except TorchDynamoException as error:
            reason = " ".join(str(error).strip().splitlines()[:2])
            cli.warn(f"the network computes without being compiled, which is slower: {reason}")
            self._compiled = ()
            return self.network(pictures)


def for_device(network: nn.Module, device: torch.device) -> nn.Module:
    """A network as it is fastest on a device: compiled on a GPU."""
    return network if device == devices.CPU else Compiled(network)
