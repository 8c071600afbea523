"""Networks as MXNet symbols, built from the numbers of a `networks:` entry of config.yaml.

A family is one module; its layers have the names of the public MXNet checkpoints, so that published weights load
by name. Every network ends in a fully connected layer `fc`.
"""

from mxnet_for_numpy2 import mx
from networks import densenet, dpn, efficientnet_lite, resnext

FAMILIES = {
    "resnext": resnext.features,
    "dpn": dpn.features,
    "densenet": densenet.features,
    "efficientnet-lite": efficientnet_lite.features,
}
PADDED_BY_SIZE = ("efficientnet-lite",)  # the others pad alike for every size


def build(spec: dict, size: int, classes: int, dropout: float = 0.0) -> mx.sym.Symbol:
    """Build a network up to its class scores.

    Args:
        spec: family and its numbers.
        size: pixels of a picture's side.
        classes: outputs of the last layer.
        dropout: probability of dropping a pooled feature in training, before the last layer.

    Returns:
        Symbol `fc`: (batch, classes) scores of `data`, (batch, 3, size, size) RGB.
    """
    numbers = {key: value for key, value in spec.items() if key != "family"}
    if spec["family"] in PADDED_BY_SIZE:
        numbers["size"] = size
    pooled = FAMILIES[spec["family"]](mx.sym.Variable("data"), **numbers)
    if dropout > 0:
        pooled = mx.sym.Dropout(pooled, p=dropout, name="dropout")
    return mx.sym.FullyConnected(pooled, num_hidden=classes, name="fc")
