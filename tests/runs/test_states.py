"""From any state of the results the same command ends in the same outputs, and trains no epoch that is there.

A finished run is spoilt at random, again and again: files deleted, touched or marked as incomplete, Snakemake's notes
removed, settings changed and changed back. The seed and the number of states are SHELFMARK_SEED and SHELFMARK_STATES.
"""

import base64
import os
import random
import shutil
import time
from pathlib import Path

import pytest
import yaml

from tiny_workflow import snakemake

pytestmark = pytest.mark.slow

OVERLAY = Path(__file__).with_name("states.yaml")
SEED = int(os.environ.get("SHELFMARK_SEED", "16"))
STATES = int(os.environ.get("SHELFMARK_STATES", "200"))


def schedule(*steps: tuple[float, int]) -> dict:
    listed = [{"learning_rate": rate, "epochs": epochs} for rate, epochs in steps]
    return {"models": {"M10": {"phases": [{"optimizer": "adam", "schedule": listed}]}}}


SETTINGS = {
    "as it is": {},
    "another last rate": schedule((0.003, 2), (0.0005, 1)),
    "a moved step": schedule((0.003, 1), (0.001, 2)),
    "more epochs": schedule((0.003, 2), (0.001, 2)),
    "all states kept": {"training": {"keep_states": "all"}},
    "other post-processing": {"postprocessing": {"product_md5": False, "picture_md5": "off"}},
    "another split": {"valid_fraction": 0.3},
    "names of its own": {"ensembles": {"mine": {"models": ["M10"]}}},
}
# What people look at; the rest of the report tells times.
COMPARED = ("submission/*", "evaluation/*", "report/sizes.svg", "report/levels.svg", "report/categories.svg")
COSTLY = ("models/*/*.params", "models/*/*.states", "records/*/*.rec", "probabilities/*/*/*.npy", "split/*/*")


class Run:
    """A working directory whose settings change."""

    def __init__(self, folder: Path):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.results = folder / "results"

    def run(self, settings: str, *arguments: str) -> str:
        changes = self.folder / "changes.yaml"
        changes.write_text(yaml.safe_dump(SETTINGS[settings]))
        done = snakemake(self.folder, "--configfile", str(changes), *arguments, overlay=OVERLAY)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bytes_of(self, patterns: tuple[str, ...]) -> dict[str, bytes]:
        found = (path for pattern in patterns for path in self.results.glob(pattern) if path.is_file())
        return {str(path.relative_to(self.results)): path.read_bytes() for path in found}

    def whole_epochs(self) -> dict[Path, int]:
        """The epochs of which all files are there: when they were written, in ns."""
        epochs = [path.with_suffix("") for path in self.results.glob("models/*/*.params")]
        whole = [epoch for epoch in epochs if all(epoch.with_suffix(each).exists() for each in (".states", ".json"))]
        return {epoch: epoch.with_suffix(".params").stat().st_mtime_ns for epoch in whole}


class Chance(random.Random):
    """What may happen to a working directory."""

    def spoil(self, run: Run) -> list[str]:
        deeds = self.sample([self.delete, self.delete_folder, self.touch, self.mark, self.forget], self.randint(1, 3))
        return [deed(run) for deed in deeds]

    def files(self, run: Run) -> list[Path]:
        found = sorted(path for path in run.results.rglob("*") if path.is_file() and path.name[0] != ".")
        return self.sample(found, min(len(found), self.choice([1, 3, 10, 40])))

    def delete(self, run: Run) -> str:
        files = self.files(run)
        for path in files:
            path.unlink()
        return f"deleted {' '.join(path.name for path in files)}"

    def delete_folder(self, run: Run) -> str:
        folder = self.choice(sorted(path for path in run.results.rglob("*") if path.is_dir()))
        shutil.rmtree(folder)
        return f"deleted {folder.relative_to(run.results)}/"

    def touch(self, run: Run) -> str:
        files = self.files(run)
        for path in files:
            os.utime(path, (0, self.randint(10**9, 2 * 10**9)))
        return f"touched {len(files)} files"

    def mark(self, run: Run) -> str:
        """Do what Snakemake does when a job starts, and undoes when its driver lives to see it end."""
        files = self.files(run)
        marks = run.folder / ".snakemake/incomplete"
        marks.mkdir(parents=True, exist_ok=True)
        for path in files:
            (marks / base64.urlsafe_b64encode(str(path.relative_to(run.folder)).encode()).decode()).touch()
        return f"marked {len(files)} files"

    def forget(self, run: Run) -> str:
        shutil.rmtree(run.folder / ".snakemake", ignore_errors=True)
        return "removed .snakemake"


@pytest.mark.timeout(7200)
def test_from_any_state_the_same_command_ends_in_the_same_outputs(tmp_path):
    chance = Chance(SEED)
    clean = {}
    spoilt = Run(tmp_path / "spoilt")
    history = []
    spoilt.run("as it is")
    for _ in range(STATES):
        settings = chance.choice(list(SETTINGS))
        if settings not in clean:
            reference = Run(tmp_path / settings.replace(" ", "-"))
            reference.run(settings)
            clean[settings] = reference.bytes_of(COMPARED), reference.bytes_of(COSTLY)
        deeds = chance.spoil(spoilt)
        history = [*history, f"{settings}: {'; '.join(deeds)}"][-3:]
        there = spoilt.whole_epochs()
        began = time.time()
        spoilt.run(settings)
        outputs, costly = clean[settings]
        assert spoilt.bytes_of(COMPARED) == outputs, history
        left = spoilt.bytes_of(COSTLY)
        assert all(left.get(path, content) == content for path, content in costly.items()), history
        now = {epoch: epoch.with_suffix(".params").stat().st_mtime_ns for epoch in there}
        to_come = {epoch for epoch, written in there.items() if written > began * 1e9}  # set back, not trained again
        assert {epoch for epoch in there if there[epoch] != now[epoch]} <= to_come, history
        assert "Nothing to be done" in spoilt.run(settings, "--dry-run"), history
