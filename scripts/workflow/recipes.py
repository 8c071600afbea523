"""What one epoch of a model is trained with, from the model's phases.

Epochs count from 1. A phase starts with a fresh optimizer, as each process of the published training did;
inside a phase the optimizer goes on exactly.
"""

from collections.abc import Iterable, Iterator

import networks

AUGMENTATION_AND_REGULARIZATION = ("dropout", "label_smoothing", "mirror", "hsl")
OPTIMIZERS_WITH_MOMENTUM = ("nag", "sgd")
# What the published recipes do not have is in a recipe only where it is set.
FINE_TUNING = {"body_rate": 1.0, "train": "all"}
OF_TORCH = ("mixup", "weight_average")  # keys of a phase
OF_TORCH_ALONE = (*OF_TORCH, "teacher")
USUAL_ENGINE = "mxnet"

Seed = int | str  # of a split: "1.2" is fold 2 of seed 1


def epoch_settings(model: dict) -> Iterator[tuple[dict, float, bool]]:
    """Yield phase, learning rate and whether the phase starts, for each epoch of a model."""
    for phase in model["phases"]:
        starts_phase = True
        for step in phase["schedule"]:
            for _ in range(step["epochs"]):
                yield phase, step["learning_rate"], starts_phase
                starts_phase = False


def rate_course(model: dict, epoch: int) -> dict:
    """How the learning rate runs in an epoch, where it is not constant; keys of a recipe.

    The course begins after epoch `after`: `warmup_steps` batches with a rising rate, then constant, or a cosine that
    falls to 0 at the end of `epochs` epochs.
    """
    after = 0
    for step in (step for phase in model["phases"] for step in phase["schedule"]):
        if epoch <= after + step["epochs"]:
            break
        after += step["epochs"]
    if step["decay"] == "constant" and not step["warmup_steps"]:
        return {}
    return {"course": {key: step[key] for key in ("decay", "warmup_steps", "epochs")} | {"after": after}}


def epoch_count(model: dict) -> int:
    return sum(step["epochs"] for phase in model["phases"] for step in phase["schedule"])


def starts_phase(model: dict, epoch: int) -> bool:
    return list(epoch_settings(model))[epoch - 1][2]


def phase_of(model: dict, epoch: int) -> dict:
    return list(epoch_settings(model))[epoch - 1][0]


def keeps_states(model: dict, epoch: int, keep_states: str | int) -> bool:
    """Whether an epoch's optimizer states stay for good.

    Those of the last epoch do, so that a finished model can be continued. Beside them `all`; or the last ones of each
    learning rate (`steps`), so that a change of the later rate goes on from there; or every so many epochs (a number).
    """
    settings = list(epoch_settings(model))
    if epoch == len(settings) or keep_states == "all":
        return True
    if keep_states == "steps":
        return settings[epoch - 1][1] != settings[epoch][1]
    return epoch % keep_states == 0


def superseded_epochs(model: dict, epoch: int, training: dict) -> list[int]:
    """The epochs whose optimizer states an epoch may remove, once its own are written.

    A job that is run again starts from the states before it, and Snakemake looks for a job's outputs when all its
    epochs have ended: so only the first epoch of a job removes any, and those before it stay one job longer.
    """
    if (epoch - 1) % training["epochs_per_job"]:
        return []
    return [each for each in range(1, epoch - 1) if not keeps_states(model, each, training["keep_states"])]


def epoch_recipe(config: dict, model_name: str, epoch: int) -> dict:
    """Everything that determines one epoch beside its records and what it starts from, and nothing else.

    A change of any value makes this epoch and the ones after it others, so a value that this epoch's
    optimizer ignores (momentum and weight decay of Adam and Nadam, as published) is not in it.
    """
    model = config["models"][model_name]
    training = config["training"]
    phase, learning_rate, _ = list(epoch_settings(model))[epoch - 1]
    with_momentum = phase["optimizer"] in OPTIMIZERS_WITH_MOMENTUM
    weight_decay = training["weight_decay"] if with_momentum else 0.0
    is_transfer = epoch == 1 and bool(model["start"])
    return {
        "network": network_spec(config, model_name),
        "image": image(config, model_name),
        "optimizer": phase["optimizer"],
        "learning_rates": [learning_rate],
        "momentum": training["momentum"] if with_momentum else 0.0,
        "weight_decay": phase.get("weight_decay", weight_decay),
        "batch_size": model["batch_size"],
        **{key: phase[key] for key in AUGMENTATION_AND_REGULARIZATION},
        "seed": training["seed"],
        "transfer": {"min_transfer": model["min_transfer"]} if is_transfer else None,
        **rate_course(model, epoch),
        **{key: phase[key] for key, usual in FINE_TUNING.items() if phase[key] != usual},
        **{key: phase[key] for key in OF_TORCH if key in phase},
        **engine(model),
    }


def turn(models: dict, name: str) -> int:
    """The priority of a model's training: models come in the order of the configuration, one whole before the next."""
    return len(models) - list(models).index(name)


def leg(model: str, epoch: int, epochs: int) -> str:
    """The cluster job that an epoch belongs to, together with its neighbours, so many in all."""
    return f"{model}-{(epoch - 1) // epochs}"


def engine(section: dict) -> dict:
    """The engine of a model or of prediction, for its recipe, which holds it only where it is not the usual one."""
    return {} if section["engine"] == USUAL_ENGINE else {"engine": section["engine"]}


def is_timms(config: dict, model: str) -> bool:
    """Whether a model's network is one of timm, which PyTorch alone computes with."""
    return network_spec(config, model)["family"] == networks.TIMM


def prediction(config: dict, model: str) -> dict:
    """How a model is predicted: as the configuration says, but for the engine where one alone has its network."""
    return config["prediction"] | ({"engine": "torch"} if is_timms(config, model) else {})


def trained(config: dict) -> list[str]:
    """The models that learn; the others are frozen, and give features alone."""
    return [name for name, model in config["models"].items() if model["phases"]]


def members(config: dict) -> list[str]:
    """What ensembles can be made of and evaluations measure: trained models and heads."""
    return [*trained(config), *config["heads"]]


def weights_of_answers(config: dict, ensemble: str) -> list[float]:
    """The weight of the average over the members of pictures, where there are any, then of each member of products."""
    of_pictures, of_products = weighted_members(config, ensemble)
    return [*([sum(of_pictures.values())] if of_pictures else []), *of_products.values()]


def trained_datasets(config: dict) -> list[str]:
    """The datasets that models learn from, by name."""
    return sorted({config["models"][name]["dataset"] for name in trained(config)})


def split_of(dataset: dict) -> Seed:
    """What a dataset's split is called: its seed, and with a dot the fold that it keeps for validation."""
    return f"{dataset['seed']}.{dataset['fold']}" if "fold" in dataset else dataset["seed"]


def in_order(seeds: Iterable[Seed]) -> list[Seed]:
    """Seeds of splits by their numbers, then by their folds."""
    return sorted(seeds, key=lambda seed: [int(number) for number in str(seed).split(".")])


def split_seeds(config: dict) -> list[Seed]:
    """The seeds of the splits that models and heads learn from."""
    return in_order({seed_of(config, model) for model in config["models"]})


def seed_of(config: dict, name: str) -> Seed:
    """The seed of the split that a model or a head trains on; a head's is that of its models, which have one."""
    model = config["heads"][name]["models"][0] if name in config["heads"] else name
    return split_of(config["datasets"][config["models"][model]["dataset"]])


def as_ensemble(config: dict, name: str) -> dict:
    """An ensemble, or a model or a head as an ensemble of one."""
    return config["ensembles"].get(name) or {"models": [name], "mean": "arithmetic"}


def evaluated_seeds(config: dict, name: str) -> list[Seed]:
    """The seeds of the splits that the members of an ensemble, or a model, trained on."""
    return seeds_of(config, as_ensemble(config, name)["models"])[0]


def lineage(config: dict, name: str) -> list[str]:
    """A model or a head and its ancestors: its parents, their parents, and so on."""
    ancestors = (each for parent in parents(config, name) for each in lineage(config, parent))
    return [*dict.fromkeys((name, *ancestors))]


def parents(config: dict, name: str) -> list[str]:
    """What a model starts from, and the members of its teachers; a head's models."""
    if name in config["heads"]:
        return config["heads"][name]["models"]
    source = config["models"][name]["start"].get("model")
    taught = (model for teacher in teachers(config, name) for model in config["ensembles"][teacher]["models"])
    return [*dict.fromkeys((*([source] if source else []), *taught))]


def teachers(config: dict, model: str) -> list[str]:
    """The ensembles whose probabilities a model learns."""
    return [*dict.fromkeys(phase["teacher"] for phase in config["models"][model]["phases"] if "teacher" in phase)]


def lineage_seeds(config: dict, model: str) -> list[Seed]:
    """The seeds of the splits that a model and its ancestors trained on, its own first."""
    return list(dict.fromkeys(seed_of(config, each) for each in lineage(config, model)))


def is_of_products(config: dict, name: str) -> bool:
    """Whether a member says what whole products are, by a row each, and not what pictures are."""
    return name in config["heads"] and config["heads"][name]["of"] == "products"


def weighted_members(config: dict, name: str) -> tuple[dict[str, float], dict[str, float]]:
    """The members of an ensemble, or a member alone, with their weights: those of pictures, those of products."""
    ensemble = as_ensemble(config, name)
    weights = dict(zip(ensemble["models"], ensemble.get("weights", [1.0] * len(ensemble["models"])), strict=True))
    return tuple(
        {member: weight for member, weight in weights.items() if is_of_products(config, member) == of_products}
        for of_products in (False, True)
    )


def ancestor_seeds(config: dict, name: str) -> list[Seed]:
    """The seeds of the splits that ancestors alone trained on, and no member of an ensemble, or the model itself.

    A product is measured where no member and no ancestor trained on it: it is in the valid parts of these splits and of
    those of evaluated_seeds.
    """
    return seeds_of(config, as_ensemble(config, name)["models"])[1]


def seeds_of(config: dict, models: list[str]) -> tuple[list[Seed], list[Seed]]:
    """The seeds of the splits that models trained on, and those of splits that ancestors of them alone did."""
    own = {seed_of(config, model) for model in models}
    seeds = {seed for model in models for seed in lineage_seeds(config, model)}
    return in_order(own), in_order(seeds - own)


def answering_ensemble(config: dict) -> str | None:
    """The ensemble whose answers people use, of test products and of batches; None where no answers are asked for."""
    return config["answers"]["ensemble"] if "answers" in config else None


def largest_ensemble(config: dict) -> str:
    return max(config["ensembles"], key=lambda name: len(config["ensembles"][name]["models"]))


def configured(config: dict) -> dict:
    """What the tables name: models and ensembles."""
    models = {
        name: {"network": model["network"], "dataset": model["dataset"], "epochs": epoch_count(model)}
        for name, model in config["models"].items()
        if model["phases"]
    }
    ensembles = {name: each["models"] for name, each in config["ensembles"].items()}
    return {"models": models, "heads": config["heads"], "ensembles": ensembles}


def planned_parts(config: dict) -> dict:
    """The parts of the configuration that lead to boxes of the plan."""
    models = {
        name: {key: model[key] for key in ("network", "dataset", "start", "phases")}
        for name, model in config["models"].items()
    }
    ensembles = {name: {"models": ensemble["models"]} for name, ensemble in config["ensembles"].items()}
    parts = {"datasets": config["datasets"], "models": models, "heads": config["heads"], "ensembles": ensembles}
    if "answers" in config:
        parts |= {"answers": config["answers"], "batches": list(config["batches"])}
    return parts


def image(config: dict, model_name: str) -> dict:
    """How pictures go into a model's network: the configuration's `image`, with what its network has otherwise."""
    return config["image"] | config["networks"][config["models"][model_name]["network"]].get("image", {})


def resize(image: dict) -> int:
    """Pixels of a picture's shorter edge before it is cropped to image["size"]."""
    return image.get("resize", image["size"])


def network_spec(config: dict, model_name: str) -> dict:
    """The family and numbers that a model's network is built from."""
    return numbers(config["networks"][config["models"][model_name]["network"]])


def numbers(spec: dict) -> dict:
    """A network without what it is not built from: its published speed, its pictures, and the parameters of timm's."""
    return {
        key: value for key, value in spec.items() if key not in ("published_images_per_second", "image", "parameters")
    }
