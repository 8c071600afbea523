"""Why something is to be made: the first key in which its recipe differs from the nearest one on disk."""

import glob
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from workflow.artifact import Artifact

NEW, GONE, STATES = "not made yet", "deleted, or not finished", "its optimizer states were not kept"
FOLLOWS = "what it is made from changes"
# Keys that hold digests of other recipes; there the change is told.
CHAINED = re.compile(
    r"(before|teacher|members|trained|learned|averages|calibration|thresholds|answers(\.[\w-]+)?|head|features|model"
    r"|models\.[\w-]+|evaluations?(\.[\w-]+)?|submissions\.[\w-]+|start\.weights)"
)
FINGERPRINT = re.compile(r"[0-9a-f]{16,}")
LONGEST = 24  # characters of a value that is shown


def reasons(missing: Iterable[Artifact]) -> Iterator[tuple[Artifact, str]]:
    """Each artifact with the reason why it is to be made."""
    lying: dict[str, list[Path]] = {}
    by_recipe: dict[Path, str] = {}  # the shards of a prediction share theirs
    for artifact in missing:
        if artifact.rule == "train_epochs" and Path(artifact.files["params"]).exists():
            yield artifact, STATES
        else:
            if artifact.recipe_file not in by_recipe:
                by_recipe[artifact.recipe_file] = _reason(artifact, lying)
            yield artifact, by_recipe[artifact.recipe_file]


def _reason(artifact: Artifact, lying: dict[str, list[Path]]) -> str:
    if artifact.recipe_file.exists():
        return GONE
    differing = [_difference(json.loads(path.read_text()), artifact.recipe) for path in _alike(artifact, lying)]
    return min(differing, key=len)[0] if differing else NEW


def _alike(artifact: Artifact, lying: dict[str, list[Path]]) -> list[Path]:
    """The recipes of files that lie on disk and have the artifact's name but for digests."""
    pattern = glob.escape(str(artifact.recipe_file))
    for digest in artifact.digests:
        pattern = pattern.replace(digest, "?" * len(digest))
    if pattern not in lying:
        found = sorted(glob.glob(pattern))  # noqa: PTH207 - a Path takes no absolute pattern
        lying[pattern] = [path for path in map(Path, found) if _has_files(path)]
    return lying[pattern]


def _has_files(recipe: Path) -> bool:
    return any(path != recipe for path in recipe.parent.glob(recipe.name.removesuffix("recipe.json") + "*"))


def _difference(before: dict, now: dict) -> list[str]:
    """The differences of two recipes as text, those of its own settings first."""
    old, new = _flat(before), _flat(now)
    keys = [key for key in [*new, *(key for key in old if key not in new)] if old.get(key) != new.get(key)]
    own = [_change(key, old.get(key), new.get(key)) for key in keys if not CHAINED.fullmatch(key)]
    return own + [FOLLOWS] * (len(keys) - len(own)) or [FOLLOWS]


def _flat(recipe: dict, path: str = "") -> dict[str, object]:
    """Values by their keys, joined by dots; in a list of sections, the number of each is a key."""
    flat = {}
    for key, value in recipe.items():
        is_sections = isinstance(value, list) and any(isinstance(each, dict) for each in value)
        sections = dict(enumerate(value)) if is_sections else value
        if isinstance(sections, dict) and sections:
            flat |= _flat(sections, f"{path}{key}.")
        else:
            flat[path + key] = value
    return flat


def _change(key: str, before: object, now: object) -> str:
    """A change in short; fingerprints and digests say nothing to a reader."""
    if key == "code":
        return "its program changed"
    if FINGERPRINT.fullmatch(f"{before}") and FINGERPRINT.fullmatch(f"{now}"):
        return f"{key}: another content"
    return f"{key}: {_text(before)} -> {_text(now)}"


def _text(value: object) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
