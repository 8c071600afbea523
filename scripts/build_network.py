"""Build a network for prediction and write its symbol: data (batch, 3, size, size) to class probabilities.

In: the network's numbers as JSON (a networks: entry of config.yaml), classes.csv. Out: symbol.json.

Example:
    python scripts/build_network.py --network '{"family": "densenet", "stem": 96, "units": [6, 12, 36, 24],
        "growth": 48, "bottleneck": 4, "compression": 0.5}' --classes classes.csv --image-size 180 --output symbol.json
"""

import argparse
import json
from pathlib import Path

import mxnet as mx
import numpy as np

import cli
import networks
from catalog.classes import read_classes
from training import checkpoints


def main() -> None:
    args = parse_args()
    classes = len(read_classes(args.classes))
    symbol = networks.build(args.network, classes)
    arguments, auxiliaries = checkpoints.shapes(symbol, args.image_size)
    with cli.written_whole(args.output) as (output,):
        mx.sym.softmax(symbol, name="softmax").save(str(output))
    values = sum(int(np.prod(shape)) for shape in arguments.values())
    cli.summary(f"{len(arguments)} + {len(auxiliaries)} arrays, {values} parameters, {classes} classes")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=json.loads, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
