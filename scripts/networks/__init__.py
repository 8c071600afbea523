"""Networks, built from the numbers of a `networks:` entry of config.yaml by an engine's operators.

Those of the family TIMM are none of these: PyTorch's engine builds them. Here only their numbers are known.

A family is one module; its layers have the names of the public MXNet checkpoints, so that published weights load
by name. Every network ends in a fully connected layer `fc`.
"""

import math

from networks import densenet, dpn, efficientnet_lite, resnext
from networks.shapes import Operators, Shape, ShapeOperators, Value

FAMILIES = {
    "resnext": resnext.features,
    "dpn": dpn.features,
    "densenet": densenet.features,
    "efficientnet-lite": efficientnet_lite.features,
}
TIMM = "timm"
CLASSIFIER = ("fc_weight", "fc_bias")  # the arrays of the last layer
PADDED_BY_SIZE = ("efficientnet-lite",)  # the others pad alike for every size


def build(ops: Operators, spec: dict, size: int, classes: int, dropout: float = 0.0) -> Value:
    """Build a network up to its class scores.

    Args:
        ops: mx.sym, or what stands for it.
        spec: family and its numbers.
        size: pixels of a picture's side.
        classes: outputs of the last layer.
        dropout: probability of dropping a pooled feature in training, before the last layer.

    Returns:
        `fc`: (batch, classes) scores of `data`, (batch, 3, size, size) RGB.

    Raises:
        shapes.TooSmallError: nothing is left of pictures of this size; of MXNet's operators, its own error, later.
    """
    pooled = features(ops, spec, size)
    if dropout > 0:
        pooled = ops.Dropout(pooled, p=dropout, name="dropout")
    return classifier(ops, pooled, classes)


def features(ops: Operators, spec: dict, size: int) -> Value:
    """Build a network up to its pooled features (batch, width), which are the input of its classifier; see build."""
    numbers = {key: value for key, value in spec.items() if key != "family"}
    if spec["family"] in PADDED_BY_SIZE:
        numbers["size"] = size
    return FAMILIES[spec["family"]](ops, ops.Variable("data"), **numbers)


def classifier(ops: Operators, pooled: Value, classes: int) -> Value:
    """The last layer of every network: scores of pooled features."""
    return ops.FullyConnected(pooled, num_hidden=classes, name="fc")


def array_shapes(spec: dict, size: int, classes: int) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Shapes of a network's learned arrays and of its moving statistics, by MXNet's names.

    Raises:
        shapes.TooSmallError: nothing is left of pictures of this size.
    """
    ops = ShapeOperators(size)
    build(ops, spec, size, classes)
    return ops.arguments, ops.auxiliaries


def feature_count(spec: dict, size: int) -> int:
    """The number of a network's pooled features."""
    if spec["family"] == TIMM:
        return spec["features"]
    return features(ShapeOperators(size), spec, size).shape[1]


def parameter_count(spec: dict, size: int, classes: int) -> int:
    """The number of values that a network learns."""
    return sum(map(math.prod, array_shapes(spec, size, classes)[0].values()))
