"""What must hold before a run's first job: faults that a job would meet in hours end the run at once."""

import importlib.util
from pathlib import Path

import cli
import gpus
from workflow import catalogs, options, recipes
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.models import PACKAGED_WEIGHTS
from workflow.outputs import PASSES


def check_run(workflow, image: Path, made: Artifacts, planned: set[Artifact]) -> None:
    """Check all that follows, for Snakemake's workflow of a run.

    Raises:
        cli.UserError: the first fault.
    """
    check_image(image, workflow.deployment_settings)
    check_rejects(made, planned)
    check_pretrained_weights(made, planned)
    if not workflow.deployment_settings.deployment_method:  # else jobs have environments of their own
        check_timm(made.config, planned)
    if workflow.local_exec:
        granted = workflow.global_resources.get("gpu")
        check_gpus(made.config, planned, getattr(granted, "value", None))


def runs_in_containers(settings) -> bool:
    """Whether jobs run in a container image, by Snakemake's settings of a deployment."""
    return "apptainer" in map(str, settings.deployment_method)


def check_image(image: Path, settings) -> None:
    """Refuse to run jobs in a container image that nobody has built.

    Args:
        image: where it lies.
        settings: Snakemake's of a deployment.

    Raises:
        cli.UserError: names the image.
    """
    if runs_in_containers(settings) and not image.exists():
        raise cli.UserError(f"{image}: no such file; build it as docs/cluster.md says, or run without --sdm apptainer")


def check_rejects(made: Artifacts, planned: set[Artifact]) -> None:
    """Refuse an index that stays and lacks products or pictures which now may not be left out.

    Raises:
        cli.UserError: names the first of these products.
    """
    if made.config["on_bad_product"] == "stop":
        for index in made.data.index.values():
            if index not in planned:
                catalogs.check_rejects(Path(index.files["rejects"]))


def check_pretrained_weights(made: Artifacts, planned: set[Artifact]) -> None:
    """Refuse to train models whose public checkpoints are missing.

    Raises:
        cli.UserError: lists what to get.
    """
    if found := missing_checkpoints(made, planned):
        raise cli.UserError(catalogs.list_missing_checkpoints(found))


def missing_checkpoints(made: Artifacts, planned: set[Artifact]) -> dict[Path, list[str]]:
    """The public checkpoints that planned jobs would start from and that are not there: file to models."""
    starting = {artifact.wildcards["model"] for artifact in planned if artifact.rule in PASSES.values()}
    starting -= made.models.epochs.keys()  # which predict with weights of their own
    starting |= {name for name, epochs in made.models.epochs.items() if epochs[0] in planned}
    found: dict[Path, list[str]] = {}
    for name, model in made.config["models"].items():
        start = model["start"].get("pretrained")
        if start in (None, *PACKAGED_WEIGHTS) or name not in starting:
            continue
        if not (weights := options.pretrained_weights(made.config, name)).exists():
            found.setdefault(weights, []).append(name)
    return found


def check_timm(config: dict, planned: set[Artifact]) -> None:
    """Refuse to compute with networks of timm where it is not installed, in the environment of this process.

    Raises:
        cli.UserError: names the network and how to install it.
    """
    computed = sorted({artifact.wildcards["model"] for artifact in planned if "model" in artifact.wildcards})
    for model in computed:
        if recipes.is_timms(config, model) and importlib.util.find_spec("timm") is None:
            network = config["models"][model]["network"]
            raise cli.UserError(
                f"config: networks.{network}.family: {model} needs the package timm, which is not installed; make timm"
                " installs it"
            )


def check_gpus(config: dict, planned: set[Artifact], granted: int | None) -> None:
    """Refuse a run on this machine whose jobs ask for more GPUs than it has; Snakemake would start them all the same.

    Args:
        granted: GPUs that Snakemake may give to jobs at once; None: all that are visible.

    Raises:
        cli.UserError: names the keys of the configuration that ask for too many.
    """
    asked = gpus_asked(config, planned)
    if not any(asked.values()):
        return
    visible = len(gpus.visible())
    available = visible if granted is None else min(granted, visible)
    short = [key for key, count in asked.items() if count > available]
    if short:
        keys = ", ".join(short)
        raise cli.UserError(
            f"{keys}: jobs ask for up to {max(asked.values())} GPUs, there are {available} here; lower these keys in"
            " an overlay (0: the CPU), and batch_size where fewer GPUs have too little memory for it"
        )


def gpus_asked(config: dict, planned: set[Artifact]) -> dict[str, int]:
    """The GPUs of a job, by the key of the configuration that sets them, as far as planned jobs need any."""
    trained = sorted({artifact.wildcards["model"] for artifact in planned if artifact.rule == "train_epochs"})
    asked = {f"models.{model}.gpus": config["models"][model]["gpus"] for model in trained}
    if any(artifact.rule in PASSES.values() for artifact in planned):
        asked["prediction.gpus"] = config["prediction"]["gpus"]
    return asked
