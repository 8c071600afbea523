"""EfficientNet-Lite: EfficientNet without squeeze and excitation, with ReLU6 in place of swish.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019 (arXiv:1905.11946), table 1;
the Lite variants are those of TensorFlow's tpu repository (models/official/efficientnet/lite). Layers have the names
of its PyTorch port (efficientnet_lite_pytorch) with underscores, so that converted weights load by name.
"""

from networks.shapes import Operators, Value

STRIDES = (1, 2, 2, 2, 1, 2, 1)
EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)  # channels of a block's depthwise convolution over its input channels


def features(
    ops: Operators,
    data: Value,
    size: int,
    stem: int,
    units: list[int],
    filters: list[int],
    kernels: list[int],
    head: int,
) -> Value:
    """Pooled features (batch, head) of pictures (batch, 3, size, size).

    Args:
        size: pixels of a picture's side; padding depends on it.
        stem: filters of the first convolution.
        units: blocks per stage, seven stages.
        filters: output channels per stage.
        kernels: sides of the depthwise convolutions, per stage.
        head: filters of the last convolution.
    """
    x, size = _same_convolution(ops, data, "conv_stem", size, stem, 3, 2)
    x = _relu6(ops, _batch_norm(ops, x, "bn0"), "bn0")
    number, channels = 0, stem
    for count, output, kernel, stride, expansion in zip(units, filters, kernels, STRIDES, EXPANSIONS, strict=True):
        for unit in range(count):
            step = stride if unit == 0 else 1
            x, size = _block(ops, x, f"blocks{number}", size, channels, output, kernel, step, expansion)
            number, channels = number + 1, output
    x = _pointwise_convolution(ops, x, "conv_head", head)
    x = _relu6(ops, _batch_norm(ops, x, "bn1"), "bn1")
    x = ops.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="avg_pooling")
    return ops.Flatten(x, name="flatten")


def _block(
    ops: Operators,
    data: Value,
    name: str,
    size: int,
    channels: int,
    output: int,
    kernel: int,
    stride: int,
    expansion: int,
) -> tuple[Value, int]:
    """An inverted bottleneck, and the side of its output."""
    x, inner = data, channels * expansion
    if expansion > 1:
        x = _pointwise_convolution(ops, x, f"{name}_expand_conv", inner)
        x = _plain_layout(ops, x, channels, f"{name}_expand_conv")
        x = _relu6(ops, _batch_norm(ops, x, f"{name}_bn0"), f"{name}_bn0")
    x, size = _same_convolution(ops, x, f"{name}_depthwise_conv", size, inner, kernel, stride, groups=inner)
    x = _plain_layout(ops, x, output, f"{name}_depthwise_conv")
    x = _relu6(ops, _batch_norm(ops, x, f"{name}_bn1"), f"{name}_bn1")
    x = _pointwise_convolution(ops, x, f"{name}_project_conv", output)
    x = _batch_norm(ops, x, f"{name}_bn2")
    return (x + data if stride == 1 and channels == output else x), size


def _pointwise_convolution(ops: Operators, x: Value, name: str, channels: int) -> Value:
    return ops.Convolution(x, num_filter=channels, kernel=(1, 1), no_bias=True, name=name)


def _same_convolution(
    ops: Operators, x: Value, name: str, size: int, channels: int, kernel: int, stride: int, groups: int = 1
) -> tuple[Value, int]:
    """A convolution with TensorFlow's "same" padding, one pixel more behind than before where it is odd; its side."""
    output = -(-size // stride)
    before, odd = divmod(max((output - 1) * stride + kernel - size, 0), 2)
    if odd:
        after = before + 1
        x = ops.Pad(x, mode="constant", pad_width=(0, 0, 0, 0, before, after, before, after))
        before = 0
    x = ops.Convolution(
        x,
        num_filter=channels,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(before, before),
        num_group=groups,
        no_bias=True,
        name=name,
    )
    return x, output


def _batch_norm(ops: Operators, x: Value, name: str) -> Value:
    return ops.BatchNorm(x, fix_gamma=False, eps=1e-3, momentum=0.99, name=name)


def _relu6(ops: Operators, x: Value, name: str) -> Value:
    """min(max(x, 0), 6), by operators that take a third of the time of MXNet's clip."""
    return ops.Activation(ops.minimum(x, 6), act_type="relu", name=f"{name}_relu6")


def _plain_layout(ops: Operators, x: Value, neighbours: int, name: str) -> Value:
    """The same array in rows of pixels, where oneDNN would lay out the two sides of a batch normalization differently.

    It stores channels in blocks of 16, but of 8 beside a 1x1 convolution from or to a number of channels that is no
    multiple of 16; the backward pass of a batch normalization takes a hundred times longer where both meet.
    """
    return ops.reshape(x, shape=(0, 0, 0, -1), name=f"{name}_plain") if neighbours % 16 else x
