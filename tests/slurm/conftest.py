"""A SLURM, and the demo finished on this machine to compare with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cluster as slurm
import pytest
import yaml

from checkout import ROOT
from workflow import catalogs, overlays
from workflow.artifacts import Artifacts

OVERLAYS = [ROOT / "profiles" / "demo" / "overlay.yaml", Path(__file__).with_name("overlay.yaml")]
ONLY = "only=[M01,M10,M11]"  # a dataset without copies, a transfer

JOB_TABLE = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter, config):
    if lines := config.stash.get(JOB_TABLE, []):
        terminalreporter.section("the demo's jobs")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    if reason := slurm.why_not():
        pytest.skip(reason)
    with slurm.Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The values of this site, for profiles/slurm: quick answers from a small SLURM."""
    settings = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    settings["set-resources"]["train_epochs"] |= {"gpu_model": "v100", "stage": "$TMPDIR"}
    values = {
        "set-resources": settings["set-resources"],
        "slurm-init-seconds-before-status-checks": 1,
        "latency-wait": 15,
    }
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


class Workplace:
    """A working directory with the demo's configuration, and a journal of the programs that ran in it."""

    def __init__(self, folder: Path, site: Path, *overlays: Path):
        self.folder = folder
        self.site = site
        self.overlays = [*OVERLAYS, *overlays]
        folder.mkdir(exist_ok=True)
        programs = folder / "bin"
        programs.mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("shim.sh"), programs / "python")
        (folder / "journal").touch()

    @property
    def made(self) -> Artifacts:
        """What the configuration leads to, with paths below the working directory."""
        return catalogs.artifacts_of(overlays.read(ROOT, self.overlays))

    def epoch(self, model: str, number: int) -> str:
        """The weights of an epoch."""
        return self.made.models.epochs[model][number - 1].files["params"]

    def _run(self, *arguments: str, **options) -> subprocess.Popen:
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "SHELFMARK_JOURNAL": str(self.folder),
            "SHELFMARK_PYTHON": sys.executable,
        }
        program = [sys.executable, Path(__file__).with_name("driver.py")]
        command = [*program, "--snakefile", ROOT / "Snakefile", "--directory", self.folder]
        return subprocess.Popen(
            [*command, "--configfile", *self.overlays, *arguments], cwd=ROOT, env=environment, **options
        )

    def local(self, *arguments: str) -> None:
        """Run on this machine, without SLURM and GPUs, to the end; what is computed is the same."""
        without = {"prediction": {"gpus": 0}, "models": {model: {"gpus": 0} for model in self.made.config["models"]}}
        overlay = self.folder / "without-gpus.yaml"
        overlay.write_text(yaml.safe_dump(without))
        with (self.folder / "local.log").open("w") as log:
            driver = self._run(overlay, "--cores", "2", *arguments, stdout=log, stderr=log)
        assert driver.wait() == 0, (self.folder / "local.log").read_text()[-3000:]

    def driver(self, *arguments: str) -> subprocess.Popen:
        """Start a driver that submits to SLURM; its words go to driver.log."""
        profiles = ("--profile", ROOT / "profiles" / "slurm", "--profile", self.site)
        with (self.folder / "driver.log").open("a") as log:
            self.last_driver = self._run(*profiles, *arguments, stdout=log, stderr=log)
        return self.last_driver

    def log(self) -> str:
        return (self.folder / "driver.log").read_text()

    def finish(self, driver: subprocess.Popen, seconds: float = 600) -> None:
        try:
            assert driver.wait(seconds) == 0, self.log()[-3000:]
        finally:
            driver.terminate()

    def hold(self, epoch: str) -> None:
        """Let an epoch, such as train_epochs-M02-2, stop in the midst of its batches."""
        (self.folder / f"hold-{epoch}").touch()

    def release(self, epoch: str) -> None:
        (self.folder / f"hold-{epoch}").unlink()

    def journal(self, what: str, program: str = "") -> list[list[str]]:
        """Lines of the journal.

        They are: start or held, program, SLURM job, node, GPUs granted, threads, GPUs asked for; or end, program, SLURM
        job, exit status.
        """
        lines = [line.split() for line in (self.folder / "journal").read_text().splitlines()]
        return [line for line in lines if line[0] == what and line[1].startswith(program)]

    def wait_for_hold(self, epoch: str, times: int = 1) -> str:
        """Wait until an epoch has been held so many times; returns the last one's SLURM job."""

        def held() -> bool:
            assert self.last_driver.poll() is None, self.log()[-3000:]
            return len(self.journal("held", epoch)) >= times

        slurm.wait_for(held, 300, f"hold {times} of {epoch}")
        return self.journal("held", epoch)[-1][2]

    def bytes_of(self, *patterns: str) -> dict[str, bytes]:
        files = [path for pattern in patterns for path in sorted((self.folder / "results/demo").glob(pattern))]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, site):
    """Makes workplaces by name, with overlays."""
    return lambda name, *overlays: Workplace(tmp_path_factory.mktemp(name), site, *overlays)


@pytest.fixture(scope="session")
def reference(workplace) -> Workplace:
    """The demo of three models, run on this machine; of others, what tests train."""
    place = workplace("reference")
    place.local("--", *(place.epoch(model, 2) for model in ("M05", "M09")))
    place.local("--config", ONLY)
    return place


@pytest.fixture(scope="session")
def failing(workplace) -> Workplace:
    """Records of the demo, for jobs that fail."""
    place = workplace("failing")
    place.local("--", "records")
    return place


@pytest.fixture(scope="session")
def demo_through_slurm(cluster, workplace, request):
    """The demo of three models, run through SLURM, and its job records."""
    place = workplace("demo")
    place.finish(place.driver("--config", ONLY), 900)
    records = cluster.records(place.folder)
    request.config.stash[JOB_TABLE] = slurm.job_table(records)
    return place, records


@pytest.fixture
def untrained(tmp_path, reference) -> Workplace:
    """The reference without its models' epochs and what follows from them; an epoch is a job."""
    folder = tmp_path / "untrained"
    shutil.copytree(reference.folder, folder, symlinks=True)
    for epoch in (folder / "results/demo/models").glob("*/0*"):
        epoch.unlink()
    for result in ("probabilities", "ensemble", "by-recipe", "submission", "evaluation", "report"):
        shutil.rmtree(folder / "results/demo" / result, ignore_errors=True)
    (folder / "journal").write_text("")
    epoch_by_epoch = tmp_path / "epoch-by-epoch.yaml"
    epoch_by_epoch.write_text("training: {epochs_per_job: 1}\n")
    return Workplace(folder, reference.site, epoch_by_epoch)
