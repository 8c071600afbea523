"""The JSON files that evaluate_predictions.py writes."""

import json
from pathlib import Path

import cli


def read_evaluations(paths: list[Path]) -> dict[str, dict]:
    """Evaluations by model's or ensemble's name, in the order given."""
    return {path.stem: _read(path) for path in paths}


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise cli.UserError(f"{path}: not JSON: {error}; delete it and run again") from None


def measured(evaluations: dict[str, dict]) -> dict[str, dict]:
    """Those with at least one measured product."""
    return {name: evaluation for name, evaluation in evaluations.items() if evaluation["products"]}
