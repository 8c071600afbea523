"""Runs of the smallest workflow: Shelfmark's own Snakefile with the overlay beside this file."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

from checkout import ROOT
from workflow import catalogs, overlays
from workflow.artifacts import Artifacts

OVERLAY = ROOT / "tests/runs/overlay.yaml"


def artifacts_in(folder: Path, *configfiles: Path) -> Artifacts:
    """What a configuration leads to in a working directory; without files, the smallest."""
    with contextlib.chdir(folder):
        return catalogs.artifacts_of(overlays.read(ROOT, [*(configfiles or [OVERLAY])]))


def copy_checkout(folder: Path) -> Path:
    """Copy what runs need of this checkout into a new folder."""
    folder.mkdir()
    for name in ("Snakefile", "rules", "scripts", "config.yaml", "config.schema.yaml", "envs", "profiles"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


def snakemake(folder: Path, *arguments: str, overlay: Path = OVERLAY) -> subprocess.CompletedProcess:
    """Run Shelfmark in a working directory of its own, with an overlay of config.yaml."""
    command = _command(folder, overlay, *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def start_snakemake(folder: Path, **options) -> subprocess.Popen:
    """Start the same as the leader of a group of processes; the options are Popen's."""
    return subprocess.Popen(
        _command(folder, OVERLAY), cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True, **options
    )


def _command(folder: Path, overlay: Path, *arguments: str) -> list[str | Path]:
    program = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    return [*program, "--configfile", overlay, "--cores", "2", *arguments]
