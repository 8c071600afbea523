"""The network families in plain NumPy (inference), written from the papers for comparison with the symbols.

Arrays are float64 (batch, channels, height, width); weights come by the names of the public checkpoints.
"""

import numpy as np

import networks

Arrays = dict[str, np.ndarray]


def scores(spec: dict, arrays: Arrays, pictures: np.ndarray) -> np.ndarray:
    """Class scores (batch, classes) of pictures."""
    family = {"resnext": resnext, "dpn": dpn, "densenet": densenet, "efficientnet-lite": efficientnet_lite}[
        spec["family"]
    ]
    pooled = family(spec, arrays, pictures).mean(axis=(2, 3))
    return pooled @ arrays["fc_weight"].T + arrays["fc_bias"]


def random_arrays(spec: dict, size: int, classes: int, generator: np.random.Generator) -> tuple[Arrays, Arrays]:
    """Learned arrays and moving statistics that leave no part of a network without effect."""
    return tuple(
        {name: _random_array(name, shape, generator) for name, shape in shapes.items()}
        for shapes in networks.array_shapes(spec, size, classes)
    )


def in_float32(arrays: Arrays) -> Arrays:
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _random_array(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    if name.endswith("_weight"):
        return generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    if name.endswith(("_gamma", "_moving_var")):
        return generator.uniform(0.5, 1.5, shape) * (5000 if name == "bn_data_moving_var" else 1)
    return generator.normal(0, 0.3, shape)


def resnext(spec: dict, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    x = norm(arrays, "bn_data", x, 2e-5, gamma=1.0)
    x = relu(norm(arrays, "bn0", conv(x, arrays["conv0_weight"], stride=2, pad=3), 2e-5))
    x = max_pool(x)
    for stage, count in enumerate(spec["units"], 1):
        for unit in range(1, count + 1):
            stride = 2 if stage > 1 and unit == 1 else 1
            x = resnext_unit(spec, arrays, f"stage{stage}_unit{unit}_", x, stride)
    return x


def resnext_unit(spec: dict, arrays: Arrays, name: str, x: np.ndarray, stride: int) -> np.ndarray:
    def convolved(data, part, bn, **options):
        return norm(arrays, name + bn, conv(data, arrays[f"{name}{part}_weight"], **options), 2e-5)

    y = relu(convolved(x, "conv1", "bn1"))
    y = relu(convolved(y, "conv2", "bn2", stride=stride, pad=1, groups=spec["groups"]))
    y = convolved(y, "conv3", "bn3")
    if "se_ratio" in spec:
        hidden = y.mean(axis=(2, 3)) @ arrays[f"{name}excitation1_weight"].T + arrays[f"{name}excitation1_bias"]
        gate = relu(hidden) @ arrays[f"{name}excitation2_weight"].T + arrays[f"{name}excitation2_bias"]
        y = y / (1 + np.exp(-gate))[:, :, None, None]
    has_projection = f"{name}sc_weight" in arrays
    return relu(y + (convolved(x, "sc", "sc_bn", stride=stride) if has_projection else x))


def dpn(spec: dict, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    x = conv(x, arrays["conv1_x_1__conv_weight"], stride=2, pad=3)
    x = max_pool(relu(norm(arrays, "conv1_x_1__relu-sp__bn", x, 1e-3)))
    for section, (count, width) in enumerate(zip(spec["units"], spec["filters"], strict=True), 2):
        for block in range(1, count + 1):
            stride = 2 if section > 2 and block == 1 else 1
            x = dpn_block(spec, arrays, f"conv{section}_x__{block}_", x, width, stride, block == 1)
    return relu(norm(arrays, "conv5_x_x__relu-sp__bn", x, 1e-3))


def dpn_block(
    spec: dict, arrays: Arrays, name: str, x: np.ndarray, width: int, stride: int, is_first: bool
) -> np.ndarray:
    """Both paths side by side: the residual one in the first `width` channels, the dense one behind."""

    def activated(data, part, **options):
        normed = relu(norm(arrays, f"{name}{part}__bn__bn", data, 1e-3))
        return conv(normed, arrays[f"{name}{part}__conv_weight"], **options)

    paths = activated(x, f"c1x1-w(s/{stride})", stride=stride) if is_first else x
    y = activated(x, "c1x1-a")
    y = activated(y, "c3x3-b", stride=stride, pad=1, groups=spec["groups"])
    y = activated(y, "c1x1-c")
    return np.concatenate([paths[:, :width] + y[:, :width], paths[:, width:], y[:, width:]], axis=1)


def densenet(spec: dict, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    x = norm(arrays, "bn_data", x, 2e-5, gamma=1.0)
    x = max_pool(relu(norm(arrays, "bn0", conv(x, arrays["conv0_weight"], stride=2, pad=3), 2e-5)))
    for stage, count in enumerate(spec["units"], 1):
        for unit in range(1, count + 1):
            name = f"DBstage{stage}_unit{unit}_"
            y = conv(relu(norm(arrays, f"{name}bn1", x, 2e-5)), arrays[f"{name}conv1_weight"])
            y = conv(relu(norm(arrays, f"{name}bn2", y, 2e-5)), arrays[f"{name}conv2_weight"], pad=1)
            x = np.concatenate([x, y], axis=1)
        if stage < len(spec["units"]):
            name = f"TBstage{stage}_"
            x = conv(relu(norm(arrays, f"{name}bn1", x, 2e-5)), arrays[f"{name}conv1_weight"])
            height, width = x.shape[2] // 2, x.shape[3] // 2
            x = x[:, :, : 2 * height, : 2 * width].reshape(*x.shape[:2], height, 2, width, 2).mean(axis=(3, 5))
    return relu(norm(arrays, "bn1", x, 2e-5))


def efficientnet_lite(spec: dict, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    """Blocks as in the paper's table 1, one row (repeats, kernel, stride, expansion) per stage."""

    def normed(data, conv_name, bn_name, **options):
        return norm(arrays, bn_name, same_conv(data, arrays[f"{conv_name}_weight"], **options), 1e-3)

    x = relu6(normed(x, "conv_stem", "bn0", stride=2))
    number = 0
    for count, stride, expansion in zip(spec["units"], [1, 2, 2, 2, 1, 2, 1], [1] + 6 * [6], strict=True):
        for unit in range(count):
            name = f"blocks{number}_"
            y = relu6(normed(x, f"{name}expand_conv", f"{name}bn0")) if expansion > 1 else x
            stride_here = stride if unit == 0 else 1
            depthwise = {"stride": stride_here, "groups": y.shape[1]}
            y = relu6(normed(y, f"{name}depthwise_conv", f"{name}bn1", **depthwise))
            y = normed(y, f"{name}project_conv", f"{name}bn2")
            x = x + y if stride_here == 1 and x.shape == y.shape else y
            number += 1
    return relu6(normed(x, "conv_head", "bn1"))


def same_conv(x: np.ndarray, weight: np.ndarray, stride: int = 1, groups: int = 1) -> np.ndarray:
    """TensorFlow's padding: as many outputs as fit a stride each, the odd zero at the bottom and on the right."""
    kernel, size = weight.shape[2], x.shape[2]
    missing = max((int(np.ceil(size / stride)) - 1) * stride + kernel - size, 0)
    sides = (missing // 2, missing - missing // 2)
    return conv(np.pad(x, ((0, 0), (0, 0), sides, sides)), weight, stride, groups=groups)


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 6)


def conv(x: np.ndarray, weight: np.ndarray, stride: int = 1, pad: int = 0, groups: int = 1) -> np.ndarray:
    patches = windows(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))), weight.shape[2], stride)
    inputs = np.split(patches, groups, axis=1)
    filters = np.split(weight, groups)
    parts = [np.einsum("ncyxhw,ochw->noyx", i, f) for i, f in zip(inputs, filters, strict=True)]
    return np.concatenate(parts, axis=1)


def max_pool(x: np.ndarray) -> np.ndarray:
    """3x3, stride 2; the border is never the greatest."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    return windows(padded, 3, 2).max(axis=(4, 5))


def windows(x: np.ndarray, side: int, stride: int) -> np.ndarray:
    """All square windows that fit: (batch, channels, rows, columns, side, side)."""
    every = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(2, 3))
    return every[:, :, ::stride, ::stride]


def norm(arrays: Arrays, name: str, x: np.ndarray, eps: float, gamma: float | None = None) -> np.ndarray:
    scale = arrays[f"{name}_gamma"] if gamma is None else np.full(x.shape[1], gamma)
    scale = scale / np.sqrt(arrays[f"{name}_moving_var"] + eps)
    shift = arrays[f"{name}_beta"] - arrays[f"{name}_moving_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)
