"""Describe a network of timm as an entry of `networks` in config.yaml.

It needs PyTorch and timm (`make timm`), and no weights. Out, on the terminal: the entry, with the numbers by which
plans are made, and with the pictures that the network was trained on, as the package knows them: size, mean and
deviation; and the command that converts its public weights.

Example:
    python scripts/describe_network.py convnext_tiny.in12k_ft_in1k
"""

import argparse
import json
import shlex

import cli
import engines
from workflow import recipes


def entry(name: str, network: dict) -> str:
    """The section `networks` with a network in it."""
    lines = [f"    {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in network.items()]
    return "\n".join(["networks:", f"  {name}:", *lines])


def conversion(name: str, network: dict) -> str:
    """The command that gets the network's public weights."""
    weights = ["python", "scripts/convert_weights.py", f"hf-hub:timm/{network['name']}"]
    numbers = json.dumps(recipes.numbers(network))
    return shlex.join([*weights, "--network", numbers, "--output", f"pretrained/{name}-0000.params"])


def main() -> None:
    args = parse_args()
    network = engines.choose("torch").describe(args.name)
    name = network["name"].partition(".")[0]
    print(entry(name, network))
    print(f"# start: {{pretrained: {name}}} takes what this writes:\n# {conversion(name, network)}")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("name", help="in timm; with a tag, the pictures are those of its weights")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
