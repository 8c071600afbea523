"""What one epoch of a model is trained with, from the model's phases.

Epochs count from 1. A phase starts with a fresh optimizer, as each process of the published training did;
inside a phase the optimizer goes on exactly.
"""

from collections.abc import Iterator

AUGMENTATION_AND_REGULARIZATION = ("dropout", "label_smoothing", "mirror", "hsl")
OPTIMIZERS_WITH_MOMENTUM = ("nag", "sgd")


def epoch_settings(model: dict) -> Iterator[tuple[dict, float, bool]]:
    """Yield phase, learning rate and whether the phase starts, for each epoch of a model."""
    for phase in model["phases"]:
        starts_phase = True
        for step in phase["schedule"]:
            for _ in range(step["epochs"]):
                yield phase, step["learning_rate"], starts_phase
                starts_phase = False


def epoch_count(model: dict) -> int:
    return sum(step["epochs"] for phase in model["phases"] for step in phase["schedule"])


def starts_phase(model: dict, epoch: int) -> bool:
    return list(epoch_settings(model))[epoch - 1][2]


def keeps_states(model: dict, epoch: int) -> bool:
    """Whether an epoch's optimizer states stay for good.

    They stay where the learning rate changes afterwards, so that a change of the later rate retrains from
    there and no earlier, and at the last epoch, so that a finished model can be continued.
    """
    settings = list(epoch_settings(model))
    return epoch == len(settings) or settings[epoch - 1][1] != settings[epoch][1]


def superseded_epochs(model: dict, epoch: int, epochs_per_job: int) -> list[int]:
    """The epochs whose optimizer states an epoch may remove, once its own are written.

    A job that is run again starts from the states before it, and Snakemake looks for a job's outputs when all its
    epochs have ended: so only the first epoch of a job removes any, and those before it stay one job longer.
    """
    if (epoch - 1) % epochs_per_job:
        return []
    return [earlier for earlier in range(1, epoch - 1) if not keeps_states(model, earlier)]


def epoch_recipe(config: dict, model_name: str, epoch: int) -> dict:
    """Everything that determines one epoch beside its records and the epoch before, and nothing else.

    A change of any value makes this epoch and the ones after it stale, so a value that this epoch's
    optimizer ignores (momentum and weight decay of Adam and Nadam, as published) is not in it.
    """
    model = config["models"][model_name]
    training = config["training"]
    phase, learning_rate, _ = list(epoch_settings(model))[epoch - 1]
    with_momentum = phase["optimizer"] in OPTIMIZERS_WITH_MOMENTUM
    is_transfer = epoch == 1 and bool(model["start"])
    return {
        "network": network_spec(config, model_name),
        "image": config["image"],
        "optimizer": phase["optimizer"],
        "learning_rates": [learning_rate],
        "momentum": training["momentum"] if with_momentum else 0.0,
        "weight_decay": training["weight_decay"] if with_momentum else 0.0,
        "batch_size": model["batch_size"],
        **{key: phase[key] for key in AUGMENTATION_AND_REGULARIZATION},
        "seed": training["seed"],
        "transfer": {"min_transfer": model["min_transfer"]} if is_transfer else None,
    }


def network_spec(config: dict, model_name: str) -> dict:
    """The numbers that a model's network is built from (its published speed is not one of them)."""
    spec = config["networks"][config["models"][model_name]["network"]]
    return {key: value for key, value in spec.items() if key != "published_images_per_second"}
