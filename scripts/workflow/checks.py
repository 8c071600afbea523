"""What must hold before a run's first job: faults that a job would meet in hours end the run at once."""

from pathlib import Path

import cli
from workflow import catalogs, options
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.models import PACKAGED_WEIGHTS


def check_image(image: Path, settings) -> None:
    """Refuse to run jobs in a container image that nobody has built.

    Args:
        image: where it lies.
        settings: Snakemake's of a deployment.

    Raises:
        cli.UserError: names the image.
    """
    if "apptainer" in map(str, settings.deployment_method) and not image.exists():
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
    found: dict[Path, list[str]] = {}
    for name, model in made.config["models"].items():
        start = model["start"].get("pretrained")
        if start in (None, *PACKAGED_WEIGHTS) or made.models.epochs[name][0] not in planned:
            continue
        if not (weights := options.pretrained_weights(made.config, name)).exists():
            found.setdefault(weights, []).append(name)
    return found


def check_gpus(config: dict, planned: set[Artifact], available: int) -> None:
    """Refuse a run whose jobs ask for more GPUs than it has: Snakemake would give them fewer and say nothing.

    Args:
        available: GPUs of the run.

    Raises:
        cli.UserError: names the keys of the configuration that ask for too many.
    """
    asked = gpus_asked(config, planned)
    short = [key for key, gpus in asked.items() if gpus > available]
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
    if any(artifact.rule == "predict_images" for artifact in planned):
        asked["prediction.gpus"] = config["prediction"]["gpus"]
    return asked
