"""EfficientNet-Lite: EfficientNet without squeeze and excitation, with ReLU6 in place of swish.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019 (arXiv:1905.11946), table 1;
the Lite variants are those of TensorFlow's tpu repository (models/official/efficientnet/lite). Layers have the names
of its PyTorch port (efficientnet_lite_pytorch) with underscores, so that converted weights load by name.
"""

from mxnet_for_numpy2 import mx

BATCH_NORM = {"eps": 1e-3, "momentum": 0.99}
STRIDES = (1, 2, 2, 2, 1, 2, 1)
EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)  # channels of a block's depthwise convolution over its input channels


def features(
    data: mx.sym.Symbol, size: int, stem: int, units: list[int], filters: list[int], kernels: list[int], head: int
) -> mx.sym.Symbol:
    """Pooled features (batch, head) of pictures (batch, 3, size, size).

    Args:
        size: pixels of a picture's side; padding depends on it.
        stem: filters of the first convolution.
        units: blocks per stage, seven stages.
        filters: output channels per stage.
        kernels: sides of the depthwise convolutions, per stage.
        head: filters of the last convolution.
    """
    x, size = _padded(data, size, 3, 2)
    x = _convolution(x, "conv_stem", stem, 3, 2)
    x = _bn_relu6(x, "bn0")
    number, channels = 0, stem
    for count, output, kernel, stride, expansion in zip(units, filters, kernels, STRIDES, EXPANSIONS, strict=True):
        for unit in range(count):
            step = stride if unit == 0 else 1
            x, size = _block(x, f"blocks{number}", size, channels, output, kernel, step, expansion)
            number, channels = number + 1, output
    x = _convolution(x, "conv_head", head, 1)
    x = _bn_relu6(x, "bn1")
    x = mx.sym.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="avg_pooling")
    return mx.sym.Flatten(x, name="flatten")


def _block(
    data: mx.sym.Symbol, name: str, size: int, channels: int, output: int, kernel: int, stride: int, expansion: int
) -> tuple[mx.sym.Symbol, int]:
    """An inverted bottleneck, and the side of its output."""
    x, inner = data, channels * expansion
    if expansion > 1:
        x = _convolution(x, f"{name}_expand_conv", inner, 1)
        x = _bn_relu6(x, f"{name}_bn0")
    x, size = _padded(x, size, kernel, stride)
    x = _convolution(x, f"{name}_depthwise_conv", inner, kernel, stride, groups=inner)
    x = _bn_relu6(x, f"{name}_bn1")
    x = _convolution(x, f"{name}_project_conv", output, 1)
    x = mx.sym.BatchNorm(x, fix_gamma=False, name=f"{name}_bn2", **BATCH_NORM)
    return (x + data if stride == 1 and channels == output else x), size


def _padded(x: mx.sym.Symbol, size: int, kernel: int, stride: int) -> tuple[mx.sym.Symbol, int]:
    """TensorFlow's "same" padding, one pixel more behind than before where it is odd; and the side of the output."""
    output = -(-size // stride)
    before, odd = divmod(max((output - 1) * stride + kernel - size, 0), 2)
    after = before + odd
    return mx.sym.Pad(x, mode="constant", pad_width=(0, 0, 0, 0, before, after, before, after)), output


def _convolution(
    x: mx.sym.Symbol, name: str, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> mx.sym.Symbol:
    return mx.sym.Convolution(
        x,
        num_filter=channels,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        num_group=groups,
        no_bias=True,
        name=name,
    )


def _bn_relu6(x: mx.sym.Symbol, name: str) -> mx.sym.Symbol:
    x = mx.sym.BatchNorm(x, fix_gamma=False, name=name, **BATCH_NORM)
    return mx.sym.clip(x, 0, 6, name=f"{name}_relu6")
