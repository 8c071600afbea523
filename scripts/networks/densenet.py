"""DenseNet with bottlenecks and compression (DenseNet-BC).

Huang et al., Densely Connected Convolutional Networks, 2017 (arXiv:1608.06993), table 1. Layer names and details are
those of bruinxiong/densenet.mxnet on GitHub; its own checkpoints have no DenseNet-161, and which form the published
solution used is not recorded.
"""

from networks.shapes import Operators, Value

BATCH_NORM = {"eps": 2e-5, "momentum": 0.9}


def features(
    ops: Operators, data: Value, stem: int, units: list[int], growth: int, bottleneck: int, compression: float
) -> Value:
    """Pooled features (batch, channels) of pictures (batch, 3, height, width).

    Args:
        stem: filters of the first convolution.
        units: layers per block.
        growth: channels that a layer adds.
        bottleneck: channels of a layer's 1x1 convolution over growth.
        compression: part of the channels that a transition keeps.
    """
    x = ops.BatchNorm(data, fix_gamma=True, name="bn_data", **BATCH_NORM)
    x = ops.Convolution(x, num_filter=stem, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0")
    x = _bn_relu(ops, x, "bn0", "relu0")
    x = ops.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0")
    channels = stem
    for stage, count in enumerate(units, 1):
        for unit in range(1, count + 1):
            x = ops.concat(x, _layer(ops, x, f"DBstage{stage}_unit{unit}", growth, bottleneck), dim=1)
        channels += count * growth
        if stage < len(units):
            channels = int(channels * compression)
            x = _transition(ops, x, f"TBstage{stage}", channels)
    x = _bn_relu(ops, x, "bn1", "relu1")
    x = ops.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    return ops.Flatten(x, name="flatten0")


def _layer(ops: Operators, x: Value, name: str, growth: int, bottleneck: int) -> Value:
    x = _bn_relu(ops, x, f"{name}_bn1", f"{name}_relu1")
    x = ops.Convolution(x, num_filter=bottleneck * growth, kernel=(1, 1), no_bias=True, name=f"{name}_conv1")
    x = _bn_relu(ops, x, f"{name}_bn2", f"{name}_relu2")
    return ops.Convolution(x, num_filter=growth, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"{name}_conv2")


def _transition(ops: Operators, x: Value, name: str, channels: int) -> Value:
    x = _bn_relu(ops, x, f"{name}_bn1", f"{name}_relu1")
    x = ops.Convolution(x, num_filter=channels, kernel=(1, 1), no_bias=True, name=f"{name}_conv1")
    return ops.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg", name=f"{name}_pool1")


def _bn_relu(ops: Operators, x: Value, bn_name: str, relu_name: str) -> Value:
    x = ops.BatchNorm(x, fix_gamma=False, name=bn_name, **BATCH_NORM)
    return ops.Activation(x, act_type="relu", name=relu_name)
