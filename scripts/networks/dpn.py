"""Dual Path Networks.

Chen et al., Dual Path Networks, 2017 (arXiv:1707.01629), table 1. Layer names and details are those of the authors'
MXNet checkpoints (cypw/DPNs on GitHub). They end in a 7x7 average pool, which does not fit the 6x6 maps of 180x180
pictures; here the last pool is global.
"""

from networks.shapes import Operators, Value

BATCH_NORM = {"fix_gamma": False, "momentum": 0.9}  # eps is MXNet's default, 1e-3


def features(
    ops: Operators,
    data: Value,
    stem: int,
    units: list[int],
    filters: list[int],
    increments: list[int],
    k_r: int,
    groups: int,
) -> Value:
    """Pooled features (batch, filters[-1] + (units[-1] + 2) * increments[-1]) of pictures (batch, 3, height, width).

    Args:
        stem: filters of the first convolution.
        units: blocks per section.
        filters: channels of the residual path per section.
        increments: channels that a block adds to the dense path, per section.
        k_r: channels of the first section's inner layers; later ones grow with the residual path.
        groups: groups of the 3x3 convolutions.
    """
    x = ops.Convolution(
        data, num_filter=stem, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv1_x_1__conv"
    )
    x = _bn_relu(ops, x, "conv1_x_1__relu-sp", "__bn")
    x = ops.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool1")
    residual, dense = x, None
    for number, (count, channels, increment) in enumerate(zip(units, filters, increments, strict=True)):
        inner = k_r * channels // filters[0]
        for block in range(1, count + 1):
            stride = 2 if block == 1 and number > 0 else 1
            name = f"conv{number + 2}_x__{block}"
            residual, dense = _block(
                ops, residual, dense, name, inner, channels, increment, groups, stride, is_first=block == 1
            )
    x = _bn_relu(ops, ops.concat(residual, dense, dim=1), "conv5_x_x__relu-sp", "__bn")
    x = ops.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool5")
    return ops.Flatten(x, name="flatten")


def _block(
    ops: Operators,
    residual: Value,
    dense: Value | None,
    name: str,
    inner: int,
    channels: int,
    increment: int,
    groups: int,
    stride: int,
    is_first: bool,
) -> tuple[Value, Value]:
    """The residual and the dense path after one block."""
    joined = residual if dense is None else ops.concat(residual, dense, dim=1)
    if is_first:
        width = channels + 2 * increment
        projected = _bn_relu_convolution(ops, joined, f"{name}_c1x1-w(s/{stride})", width, 1, stride)
        residual, dense = _cut(ops, projected, channels)
    x = _bn_relu_convolution(ops, joined, f"{name}_c1x1-a", inner, 1)
    x = _bn_relu_convolution(ops, x, f"{name}_c3x3-b", inner, 3, stride, groups)
    x = _bn_relu_convolution(ops, x, f"{name}_c1x1-c", channels + increment, 1)
    added, appended = _cut(ops, x, channels)
    return residual + added, ops.concat(dense, appended, dim=1)


def _cut(ops: Operators, x: Value, channels: int) -> tuple[Value, Value]:
    return ops.slice_axis(x, axis=1, begin=0, end=channels), ops.slice_axis(x, axis=1, begin=channels, end=None)


def _bn_relu_convolution(
    ops: Operators, x: Value, name: str, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> Value:
    return ops.Convolution(
        _bn_relu(ops, x, name, "__bn__bn"),
        num_filter=channels,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_group=groups,
        no_bias=True,
        name=f"{name}__conv",
    )


def _bn_relu(ops: Operators, x: Value, name: str, suffix: str) -> Value:
    x = ops.BatchNorm(x, name=f"{name}{suffix}", **BATCH_NORM)
    return ops.Activation(x, act_type="relu", name=f"{name}{suffix.removesuffix('__bn')}__relu")
