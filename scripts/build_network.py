"""Build a network for prediction and write its symbol: bytes of pictures to class probabilities.

In: the network's numbers and the image section as JSON, as in config.yaml, classes.csv. Out: symbol.json.

Example:
    python scripts/build_network.py --network '{"family": "densenet", "stem": 96, "units": [6, 12, 36, 24],
        "growth": 48, "bottleneck": 4, "compression": 0.5}' --classes classes.csv \
        --image '{"size": 180, "mean": [0, 0, 0], "scale": 1.0}' --output symbol.json
"""

import argparse
import json
import math
from pathlib import Path

import cli
import networks
from catalog.classes import read_classes
from mxnet_for_numpy2 import mx


def prediction_symbol(scores: mx.sym.Symbol, image: dict) -> mx.sym.Symbol:
    """Probabilities (batch, classes) of data (batch, 3, height, width) uint8 RGB.

    The scores are of (byte - mean) * scale in float32, which is what ImageRecordIter gives in training.
    """
    pixels = mx.sym.cast(mx.sym.Variable("data"), dtype="float32")
    if any(image["mean"]):
        mean = [mx.sym.full((1, 1, 1, 1), value) for value in image["mean"]]
        pixels = mx.sym.broadcast_sub(pixels, mx.sym.concat(*mean, dim=1))
    if image["scale"] != 1:
        pixels = pixels * image["scale"]
    return mx.sym.softmax(scores(data=pixels), name="softmax")


def main() -> None:
    args = parse_args()
    classes = len(read_classes(args.classes))
    size = args.image["size"]
    symbol = prediction_symbol(networks.build(mx.sym, args.network, size, classes), args.image)
    arguments, auxiliaries = networks.array_shapes(args.network, size, classes)
    with cli.written_whole(args.output) as (output,):
        symbol.save(str(output))
    values = sum(map(math.prod, arguments.values()))
    cli.summary(f"{len(arguments)} + {len(auxiliaries)} arrays, {values} parameters, {classes} classes")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--network", type=json.loads, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--image", type=json.loads, required=True, help="size, mean and scale as JSON")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
