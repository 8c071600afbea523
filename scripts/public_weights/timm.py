"""ResNeXt, SE-ResNeXt, DPN and DenseNet of timm (PyTorch Image Models), whose layers have other names and details.

Layers and details are those of timm 1.0's modules resnet, dpn and densenet.
"""

import re
from collections.abc import Callable

import numpy as np

from networks import densenet, resnext

EPS = 1e-5  # of timm's BatchNorm in ResNeXt and DenseNet; in DPN it is the family's
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of RGB from 0 to 1
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

KINDS = {"weight": "weight", "bias": "bias"}
BATCH_NORM_KINDS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}

Layers = tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # patterns of whole names and what they become

RESNEXT_LAYERS: Layers = (
    (r"(conv|bn)1", r"\g<1>0"),
    (r"layer(\d+)\.(\d+)\.downsample\.0", lambda found: f"{_unit(found)}_sc"),
    (r"layer(\d+)\.(\d+)\.downsample\.1", lambda found: f"{_unit(found)}_sc_bn"),
    (r"layer(\d+)\.(\d+)\.se\.fc(\d)", lambda found: f"{_unit(found)}_excitation{found[3]}"),
    (r"layer(\d+)\.(\d+)\.((?:conv|bn)\d)", lambda found: f"{_unit(found)}_{found[3]}"),
    (r"fc", "fc"),
)
DPN_LAYERS: Layers = (
    (r"features\.conv1_1\.conv", "conv1_x_1__conv"),
    (r"features\.conv1_1\.bn", "conv1_x_1__relu-sp__bn"),
    (r"features\.conv(\d)_(\d+)\.c1x1_w_s(\d)\.conv", r"conv\1_x__\2_c1x1-w(s/\3)__conv"),
    (r"features\.conv(\d)_(\d+)\.c1x1_w_s(\d)\.bn", r"conv\1_x__\2_c1x1-w(s/\3)__bn__bn"),
    (r"features\.conv(\d)_(\d+)\.(c\dx\d)_(\w)\.conv", r"conv\1_x__\2_\3-\4__conv"),
    (r"features\.conv(\d)_(\d+)\.(c\dx\d)_(\w)\.bn", r"conv\1_x__\2_\3-\4__bn__bn"),
    (r"features\.conv5_bn_ac\.bn", "conv5_x_x__relu-sp__bn"),
    (r"classifier", "fc"),
)
DENSENET_LAYERS: Layers = (
    (r"features\.conv0", "conv0"),
    (r"features\.norm0", "bn0"),
    (r"features\.denseblock(\d+)\.denselayer(\d+)\.conv(\d)", r"DBstage\1_unit\2_conv\3"),
    (r"features\.denseblock(\d+)\.denselayer(\d+)\.norm(\d)", r"DBstage\1_unit\2_bn\3"),
    (r"features\.transition(\d+)\.conv", r"TBstage\1_conv1"),
    (r"features\.transition(\d+)\.norm", r"TBstage\1_bn1"),
    (r"features\.norm5", "bn1"),
    (r"classifier", "fc"),
)


def resnext_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of timm's ResNeXt or SE-ResNeXt as the family resnext has them."""
    return _normalization() | _with_eps(_renamed(arrays, RESNEXT_LAYERS), resnext.BATCH_NORM["eps"])


def dpn_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of timm's DPN as the family dpn has them.

    Its normalization of pixels is no part of the network: with the means folded into the first convolution, zero
    padding would mean other pixels.
    """
    return _renamed(arrays, DPN_LAYERS)


def densenet_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of timm's DenseNet as the family densenet has them."""
    return _normalization() | _with_eps(_renamed(arrays, DENSENET_LAYERS), densenet.BATCH_NORM["eps"])


def _unit(found: re.Match) -> str:
    """The unit of a stage; timm counts units from 0."""
    return f"stage{found[1]}_unit{int(found[2]) + 1}"


def _renamed(arrays: dict[str, np.ndarray], layers: Layers) -> dict[str, np.ndarray]:
    renamed = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition(".")
        kinds = BATCH_NORM_KINDS if f"{layer}.running_mean" in arrays else KINDS
        ours = f"{_layer(layer, layers)}_{kinds.get(kind, kind)}"
        renamed[ours] = array.reshape(len(array), -1) if _is_dense(ours) else array
    return renamed


def _layer(name: str, layers: Layers) -> str:
    for pattern, ours in layers:
        if found := re.fullmatch(pattern, name):
            return ours(found) if callable(ours) else found.expand(ours)
    return name


def _is_dense(name: str) -> bool:
    """Whether a layer is fully connected here; timm has convolutions of 1x1 in some of their places."""
    return name == "fc_weight" or re.search(r"_excitation\d_weight$", name) is not None


def _with_eps(arrays: dict[str, np.ndarray], eps: float) -> dict[str, np.ndarray]:
    """The same function with the family's eps in BatchNorm: its gamma takes up the difference."""
    corrected = dict(arrays)
    for name, array in arrays.items():
        layer, is_variance, _ = name.partition("_moving_var")
        if is_variance:
            gamma, variance = f"{layer}_gamma", array.astype(np.float64)
            corrected[gamma] = (arrays[gamma] * np.sqrt((variance + eps) / (variance + EPS))).astype(np.float32)
    return corrected


def _normalization() -> dict[str, np.ndarray]:
    """bn_data, which timm has not: it normalizes pixels from 0 to 255 as ImageNet's are."""
    return {
        "bn_data_gamma": np.ones(3, np.float32),
        "bn_data_beta": np.zeros(3, np.float32),
        "bn_data_moving_mean": 255 * IMAGENET_MEAN,
        "bn_data_moving_var": (255 * IMAGENET_DEVIATION) ** 2 - np.float32(resnext.BATCH_NORM["eps"]),
    }
