"""ResNeXt and SE-ResNeXt.

Xie et al., Aggregated Residual Transformations for Deep Neural Networks, 2017 (arXiv:1611.05431), table 1; Hu et al.,
Squeeze-and-Excitation Networks, 2018 (arXiv:1709.01507), figure 3. Layer names and details are those of the ResNeXt
example of MXNet 0.12 and of its public checkpoints imagenet1k-resnext-101 and -64x4d; the 64x4d variant has
inner layers as wide as the output (width 1), the 32x4d one half as wide. The squeeze-and-excitation branch stands
before the addition and has the names of the published solution.
"""

from networks.shapes import Operators, Value

BATCH_NORM = {"eps": 2e-5, "momentum": 0.9}


def features(
    ops: Operators,
    data: Value,
    stem: int,
    units: list[int],
    filters: list[int],
    groups: int,
    width: float,
    se_ratio: float | None = None,
) -> Value:
    """Pooled features (batch, filters[-1]) of pictures (batch, 3, height, width).

    Args:
        stem: filters of the first convolution.
        units: units per stage.
        filters: output channels per stage.
        groups: groups of the 3x3 convolutions (cardinality).
        width: channels of a unit's inner layers over its output channels.
        se_ratio: hidden size of squeeze and excitation over output channels; none without.
    """
    x = ops.identity(data, name="id")
    x = ops.BatchNorm(x, fix_gamma=True, name="bn_data", **BATCH_NORM)
    x = ops.Convolution(x, num_filter=stem, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0")
    x = _bn_relu(ops, x, "bn0", "relu0")
    x = ops.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    for stage, (count, channels) in enumerate(zip(units, filters, strict=True), 1):
        for unit in range(1, count + 1):
            stride = 2 if unit == 1 and stage > 1 else 1
            name = f"stage{stage}_unit{unit}"
            x = _unit(ops, x, name, channels, stride, groups, width, se_ratio, is_first=unit == 1)
    x = ops.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    return ops.Flatten(x, name="flatten0")


def _unit(
    ops: Operators,
    data: Value,
    name: str,
    channels: int,
    stride: int,
    groups: int,
    width: float,
    se_ratio: float | None,
    is_first: bool,
) -> Value:
    inner = int(channels * width)
    x = _convolution(ops, data, f"{name}_conv1", inner, 1)
    x = _bn_relu(ops, x, f"{name}_bn1", f"{name}_relu1")
    x = _convolution(ops, x, f"{name}_conv2", inner, 3, stride, groups)
    x = _bn_relu(ops, x, f"{name}_bn2", f"{name}_relu2")
    x = _convolution(ops, x, f"{name}_conv3", channels, 1)
    x = ops.BatchNorm(x, fix_gamma=False, name=f"{name}_bn3", **BATCH_NORM)
    if se_ratio is not None:
        x = _squeeze_and_excite(ops, x, name, channels, se_ratio)
    shortcut = data
    if is_first:
        shortcut = _convolution(ops, data, f"{name}_sc", channels, 1, stride)
        shortcut = ops.BatchNorm(shortcut, fix_gamma=False, name=f"{name}_sc_bn", **BATCH_NORM)
    return ops.Activation(x + shortcut, act_type="relu", name=f"{name}_relu")


def _squeeze_and_excite(ops: Operators, x: Value, name: str, channels: int, se_ratio: float) -> Value:
    gate = ops.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name=f"{name}_squeeze")
    gate = ops.Flatten(gate, name=f"{name}_flatten")
    gate = ops.FullyConnected(gate, num_hidden=int(channels * se_ratio), name=f"{name}_excitation1")
    gate = ops.Activation(gate, act_type="relu", name=f"{name}_excitation1_relu")
    gate = ops.FullyConnected(gate, num_hidden=channels, name=f"{name}_excitation2")
    gate = ops.Activation(gate, act_type="sigmoid", name=f"{name}_excitation2_sigmoid")
    return ops.broadcast_mul(x, ops.reshape(gate, shape=(-1, channels, 1, 1)))


def _convolution(
    ops: Operators, x: Value, name: str, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> Value:
    return ops.Convolution(
        x,
        num_filter=channels,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_group=groups,
        no_bias=True,
        name=name,
    )


def _bn_relu(ops: Operators, x: Value, bn_name: str, relu_name: str) -> Value:
    x = ops.BatchNorm(x, fix_gamma=False, name=bn_name, **BATCH_NORM)
    return ops.Activation(x, act_type="relu", name=relu_name)
