"""Write the reference of the configuration from its schema.

In: config.schema.yaml. Out: a Markdown page with a row per key: what it holds, its default, what it means.

Example:
    python scripts/document_configuration.py --schema config.schema.yaml --output docs/configuration.md
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import yaml

import cli

HEAD = """# Configuration

Every key of `config.yaml`. Written from `config.schema.yaml` by `scripts/document_configuration.py`; edit the schema,
not this page.

Leave `config.yaml` as it is and write what you want otherwise into a file of your own, with the same keys:

    # mine.yaml: two models of the small profile, one of them with more epochs
    only: [M15, M16]
    models:
      M16: {phases: [{optimizer: adamw, weight_decay: 0.02, body_rate: 0.3, label_smoothing: 0.1, schedule: [
        {learning_rate: 0.003, epochs: 8, warmup_steps: 50, decay: cosine}]}]}

    snakemake --profile profiles/small --configfile mine.yaml --config catalog=/data/catalog

Each of these goes on top of those before it: `config.yaml`, the overlay of the profile, the files of `--configfile` in
their order, `--config`. Sections are merged key by key, a list takes the place of the whole list, and `null` unsets a
key. `only` keeps the models that it names, and the ensembles that are made of them alone. Where none of these has all
the models, there is one more, named `only`.

`--config` takes single keys, and sections in YAML's short form:

    snakemake --config results=here 'only=[M01, M04]' 'models={M01: {batch_size: 16}}' -- here/evaluation/summary.txt

The `--` before a target is needed: without it Snakemake reads the target as one more `key=value`.

`NAME` stands for a name of your own; the keys of a network depend on its family, which then stands before the meaning.

| key | holds | default | meaning |
| --- | --- | --- | --- |
"""


def rows(node: dict, root: dict, key: str = "", required: bool = True) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, type, default and meaning of a schema's node and of all below it."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if key and not key.endswith(("NAME", "[]")):
        yield key, holds(node), default(node, required), node.get("description", "")
    for name, child in node.get("properties", {}).items():
        yield from rows(child, root, f"{key}.{name}".lstrip("."), name in node.get("required", []))
    for branch in node.get("allOf", []):
        [family] = (name["const"] for name in branch["if"]["properties"].values())
        for own, kind, initial, meaning in rows(branch["then"], root, key):
            if own.removeprefix(f"{key}.").split(".")[0] not in node["properties"]:
                yield own, kind, initial, f"{family}: {meaning}"
    if isinstance(child := node.get("additionalProperties"), dict):
        yield from rows(child, root, f"{key}.NAME", required=False)
    if "properties" in (item := node.get("items", {})):
        yield from rows(item, root, f"{key}[]", required=False)


def holds(node: dict) -> str:
    """What a value may be, in words."""
    if "enum" in node:
        return ", ".join(f"`{_text(value)}`" for value in node["enum"])
    kind = node.get("type", "object")
    if kind == "array":
        items = node["items"]
        count = node.get("maxItems", 0) == node.get("minItems") and f"{node['minItems']} "
        return f"list of {count or ''}{'sections' if 'properties' in items else holds(items)}"
    if kind == "object":
        return "sections by NAME" if isinstance(node.get("additionalProperties"), dict) else "section"
    return " ".join(filter(None, (kind, _limits(node))))


def _limits(node: dict) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {node[limit]}" for limit, sign in signs.items() if limit in node)


def default(node: dict, required: bool) -> str:
    if "default" in node and node["default"] != {}:
        return f"`{_text(node['default'])}`"
    return "required" if required else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def page(schema: dict) -> str:
    lines = [f"| `{key}` | {kind} | {initial} | {meaning} |" for key, kind, initial, meaning in rows(schema, schema)]
    return HEAD + "\n".join(lines) + "\n"


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    text = page(yaml.safe_load(args.schema.read_text()))
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(text)
    cli.summary(f"{text.count(chr(10)) - HEAD.count(chr(10))} keys documented in {args.output}")


if __name__ == "__main__":
    cli.run(main)
