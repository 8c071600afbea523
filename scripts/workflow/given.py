"""Configurations that a command line names, for programs that look at what runs of them have left.

Each is one file on top of config.yaml and of the profile's files, with the same --config on top of each.
"""

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path

import cli
from workflow import catalogs, overlays
from workflow.artifacts import Artifacts

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Given:
    """A configuration: its name for people, everything that it leads to, and the command that runs it."""

    name: str
    artifacts: Artifacts
    command: str

    @property
    def results(self) -> Path:
        return Path(self.artifacts.config["results"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("configs", type=Path, nargs="*", metavar="CONFIG.yaml", help="one configuration each")
    parser.add_argument("--profile", help="its configfile goes below each")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="go on top of each")


def read(file: Path | None, profile: str | None, entries: list[str]) -> Given:
    """A configuration with the file on top; without one, that of the profile.

    Raises:
        cli.UserError: the first fault of the configuration, or nothing has run with it.
    """
    if profile and not Path(profile).is_dir():
        raise cli.UserError(f"{profile}: no such profile; name its folder, such as profiles/demo")
    if wrong := [entry for entry in entries if "=" not in entry]:
        raise cli.UserError(f"--config {wrong[0]}: write key=value")
    below = overlays.of_profiles(["--profile", profile] if profile else [])
    files = [*below, *([file.absolute()] if file else [])]
    config = overlays.read(ROOT, files, entries)
    command = _command(file, profile, entries)
    if not Path(config["results"]).is_dir():
        raise cli.UserError(f"{config['results']}: no such folder of results; run it first: {command}")
    catalogs.check_files(config)
    return Given(str(file or profile or "config.yaml"), catalogs.artifacts_of(config), command)


def _command(file: Path | None, profile: str | None, entries: list[str]) -> str:
    words = ["snakemake", *(["--profile", profile] if profile else ["--cores", "all"])]
    words += ["--configfile", str(file)] if file else []
    return shlex.join(words + (["--config", *entries] if entries else []))
