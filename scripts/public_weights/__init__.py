"""Weights that others published, as arrays under this project's names."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from public_weights import efficientnet_lite, timm


class Source(NamedTuple):
    """How a family's public weights become its arrays, and the pixels that they were trained on."""

    renamed: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    image: str  # as in config.yaml


SOURCES = {
    "resnext": Source(timm.resnext_arrays, "{mean: [0, 0, 0], scale: 1}"),  # bn_data normalizes
    "dpn": Source(timm.dpn_arrays, "{mean: [124, 117, 104], scale: 0.0167}"),
    "densenet": Source(timm.densenet_arrays, "{mean: [0, 0, 0], scale: 1}"),
    "efficientnet-lite": Source(efficientnet_lite.renamed, "{mean: [127, 127, 127], scale: 0.0078125}"),
    "timm": Source(dict, "as scripts/describe_network.py says it"),
}


def converted(family: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of a PyTorch network as a family has them, float32.

    The numbers of batches seen, which MXNet does not keep, are left out.
    """
    learned = {name: np.asarray(array, np.float32) for name, array in arrays.items() if not _is_counter(name)}
    return SOURCES[family].renamed(learned)


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")
