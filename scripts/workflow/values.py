"""Values as the schema of the configuration wants them: their types, and defaults for those that are not given.

Each function walks a value and its part of the schema side by side; `node` is that part, `schema` the whole.
"""

import contextlib
import copy
import datetime
import math
from collections.abc import Iterator

from jsonschema import Draft202012Validator

NULLS = ("null", "~", "", "none")  # as YAML writes it, and Python
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def without_nulls(value):
    """Drop the keys set to null, at every depth: overlays are merged, so null is how they unset a key."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def typed(value, node: dict, schema: dict):
    """A value with what is written otherwise than the schema wants it, where only one meaning fits.

    The command line gives text for all values; YAML 1.1 reads `1e-4` as text, `off` as false, `2024` as a number.
    What fits nothing stays as it is, for a check to name.
    """
    if isinstance(value, dict):
        return {str(key): typed(item, _child(node, schema, value, key), schema) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item, node.get("items", {}), schema) for item in value]
    if isinstance(value, str) and value.lower() in NULLS:
        return None
    if isinstance(value, bool):
        written = "on" if value else "off"
        return written if written in node.get("enum", []) else value
    return _scalar(value, node.get("type"))


def _scalar(value, kind: str | None):
    match kind:
        case "integer" | "number":
            return _number(value, kind)
        case "boolean" if isinstance(value, str):
            return BOOLEANS.get(value.lower(), value)
        case "string" if isinstance(value, int | datetime.date):
            return str(value)
    return value


def _number(value, kind: str):
    """A number that is written as text, or an integer as a float; any other value as it is."""
    number = value
    if isinstance(value, str):
        for reading in (float, int):
            with contextlib.suppress(ValueError):
                number = reading(value)
    if not isinstance(number, float):
        return number
    if not math.isfinite(number):
        return value
    return int(number) if kind == "integer" and number.is_integer() else number


def with_defaults(value, node: dict, schema: dict):
    """A checked value with the schema's defaults for the keys that it lacks, at every depth."""
    if isinstance(value, dict):
        value = dict(value)
        for key, child in properties(node, schema, value).items():
            if "default" in child:
                value.setdefault(key, copy.deepcopy(child["default"]))
        return {key: with_defaults(item, _child(node, schema, value, key), schema) for key, item in value.items()}
    if isinstance(value, list):
        return [with_defaults(item, node.get("items", {}), schema) for item in value]
    return value


def properties(node: dict, schema: dict, value: dict) -> dict:
    """The schemas of the keys that a section may hold, by name."""
    return {name: child for part in _nodes(node, schema, value) for name, child in part.get("properties", {}).items()}


def _child(node: dict, schema: dict, value: dict, key: str) -> dict:
    """The schema of a section's key; empty for one that the schema does not know."""
    [own, *_] = _nodes(node, schema, value)
    rest = own.get("additionalProperties")
    return properties(node, schema, value).get(key, rest if isinstance(rest, dict) else {})


def _nodes(node: dict, schema: dict, value: dict) -> Iterator[dict]:
    """The parts of a schema that describe a section: its node, and what follows from an `if` that the section meets."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    yield node
    for branch in node.get("allOf", []):
        if Draft202012Validator(branch["if"]).is_valid(value):
            yield from _nodes(branch["then"], schema, value)
