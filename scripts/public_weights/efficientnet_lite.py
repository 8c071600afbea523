"""EfficientNet-Lite of the package efficientnet_lite_pytorch, whose names the family has."""

import numpy as np

STATISTICS = {"running_mean": "moving_mean", "running_var": "moving_var"}
NORMALIZATION = {"weight": "gamma", "bias": "beta"}


def renamed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays under the network's names."""
    return {_name(name): array for name, array in arrays.items()}


def _name(torch_name: str) -> str:
    """The network's name of an array: _blocks.3._bn0.weight is blocks3_bn0_gamma."""
    *layers, kind = torch_name.split(".")
    layers = [layer.removeprefix("_") for layer in layers]
    if layers[-1].startswith("bn"):
        kind = (STATISTICS | NORMALIZATION)[kind]
    return "_".join([*layers, kind]).replace("blocks_", "blocks")
