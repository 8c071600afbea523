"""What the commands of jobs say beside their files: text for the shell, from the configuration and the artifacts."""

import importlib.util
import json
import shlex
from pathlib import Path

import cli
from workflow import image_sets, recipes
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.models import PACKAGED_WEIGHTS


def file(name: str, path: str | None) -> str:
    """The option for a file or folder that may be absent, which is an empty text then."""
    return shlex.join([name, str(path)]) if path else ""


def drawn(config: dict, seed: str) -> str:
    """How the products of a split's valid part are drawn."""
    number, _, fold = seed.partition(".")
    words = ["--seed", number, "--valid-fraction", str(config["valid_fraction"]), *(["--fold", fold] if fold else [])]
    return " ".join(filter(None, [shlex.join(words), grouping(config)]))


def teacher(images: list[str], shards: list[str]) -> str:
    """The list of pictures that a student learns, and what its teacher says of them; an empty text without one."""
    return shlex.join(["--teacher", *images, *shards]) if images else ""


def grouping(config: dict) -> str:
    return shlex.join(["--group-field", config["group_field"]]) if "group_field" in config else ""


def filters(records: Artifact) -> str:
    """Which pictures become records; conflicts are dropped from what models learn, never from what measures them."""
    recipe, part = records.recipe, records.wildcards["part"]
    words = ["--first-copies-only"] * recipe["first_copies_only"]
    words += ["--drop-conflicts"] * (recipe["drop_conflicts"] and part == "train")
    return " ".join(words)


def budget(mebibytes: int) -> str:
    """The pictures that packing asks the disk for at once: half of its job's memory, to which the page cache counts."""
    return f"--memory {mebibytes // 2}M"


def network(config: dict, model: str) -> str:
    """What a model's network is built from, and how pictures go into it."""
    parts = (recipes.network_spec(config, model), recipes.image(config, model))
    network, image = map(json.dumps, parts)
    return shlex.join(["--network", network, "--image", image])


def outputs(files) -> str:
    """What a pass of a network keeps, by the named outputs of its job."""
    kept = [(f"--{name}", str(path)) for name, path in files.items() if name != "undecodable"]
    return shlex.join(word for pair in kept for word in pair)


def weights(config: dict, model: str, path: str) -> str:
    """The file that a model predicts with; none where it is gone and the job, which is done, is only looked at."""
    is_public = not path and not config["models"][model]["phases"]
    return str(pretrained_weights(config, model) if is_public else path)


def head(config: dict, name: str) -> str:
    """What a head sees: products or pictures, by the features of some models."""
    settings = config["heads"][name]
    return shlex.join(["--of", settings["of"], "--models", *settings["models"]])


def start(config: dict, model: str, epoch: int, path: str) -> str:
    """The weights that an epoch starts from: a file that a rule makes, else a public checkpoint."""
    if not path and epoch == 1 and "pretrained" in config["models"][model]["start"]:
        return file("--start", str(pretrained_weights(config, model)))
    return file("--start", path)


def pretrained_weights(config: dict, model: str) -> Path:
    """The file of the public checkpoint that a model starts from."""
    return Path(config["pretrained"], f"{config['models'][model]['start']['pretrained']}-0000.params")


def packaged_weights(name: str) -> Path:
    """The weight file that a Python package brings.

    Raises:
        cli.UserError: the package is not installed.
    """
    package = importlib.util.find_spec(PACKAGED_WEIGHTS[name])
    if package is None:
        raise cli.UserError(f"{PACKAGED_WEIGHTS[name]}: no such package, which brings {name}; install requirements.txt")
    [weights] = Path(package.submodule_search_locations[0], "models").glob("*.pth")
    return weights


def superseded_states(made: Artifacts, model: str, epoch: int) -> str:
    """The optimizer states that no job needs any more once an epoch has ended."""
    config = made.config
    epochs = recipes.superseded_epochs(config["models"][model], epoch, config["training"])
    files = [made.models.epochs[model][each - 1].files["states"] for each in epochs]
    return shlex.join(["--superseded-states", *files]) if files else ""


def mean(made: Artifacts, name: str) -> str:
    """How the members of an ensemble, or a member alone, are averaged, in the order in which `members` has them."""
    of_pictures, of_products = recipes.weighted_members(made.config, name)
    return _mean(made, name, [*of_pictures.values(), *of_products.values()])


def averaged(made: Artifacts, name: str) -> str:
    """How the members that say what pictures are are averaged, and which these are where that is learned."""
    of_pictures, _ = recipes.weighted_members(made.config, name)
    models = ["--models", *made.answers.counting[name]] if name in made.answers.learned else []
    return " ".join([_mean(made, name, [*of_pictures.values()]), *models])


def _mean(made: Artifacts, name: str, weights: list[float]) -> str:
    ensemble = recipes.as_ensemble(made.config, name)
    words = ["--mean", ensemble["mean"]]
    if "weights" in ensemble:
        words += ["--weights", *map(str, weights)]
    if name in made.answers.learned:
        words += ["--learned", made.answers.learned[name].files["learned"]]
    return shlex.join(words)


def answers(made: Artifacts, ensemble: str, images: image_sets.ImageSet) -> str:
    """What an ensemble answers by: the average over members of pictures, and what each member of products says."""
    _, of_products = recipes.weighted_members(made.config, ensemble)
    averages = [shard.files["probabilities"] for shard in made.answers.averages[images, ensemble]]
    words = ["--probabilities", *averages] if averages else []
    for member in of_products:
        words += ["--of-products", *made.answers.probabilities(images, member)]
    if of_products:
        weights = recipes.weights_of_answers(made.config, ensemble)
        words += ["--mean", made.config["ensembles"][ensemble]["mean"], "--weights", *map(str, weights)]
    return shlex.join(words)


def names(config: dict, catalog: list[str]) -> str:
    """The field that names products in answers, and the dumps that it is read from, where it is asked for."""
    field = config.get("answers", {}).get("name_field")
    return shlex.join(["--name-field", field, "--catalog", *map(str, catalog)]) if field else ""


def precision(config: dict) -> str:
    """The precision that accepted answers keep, where answers are accepted."""
    return f"--precision {config['accept']['precision']}" if "accept" in config else ""


def labels(config: dict) -> str:
    """Which labels are taken from known products: an option per step of post-processing."""
    written = {True: "on", False: "off"}
    settings = config["postprocessing"].items()
    words = [(f"--{name.replace('_', '-')}", written.get(value, value)) for name, value in settings]
    return shlex.join(word for pair in words for word in pair)


def splits(made: Artifacts, name: str) -> str:
    """The splits that the members of an evaluation trained on, and those that their ancestors alone did."""
    words = []
    for seed in recipes.evaluated_seeds(made.config, name):
        split, images = made.data.splits[seed].files, made.data.images[image_sets.ImageSet(seed)].files
        words += ["--split", str(seed), split["valid_index"], split["train_index"], images["images"]]
    for seed in recipes.ancestor_seeds(made.config, name):
        words += ["--ancestor-split", str(seed), made.data.splits[seed].files["valid_index"]]
    return shlex.join(words)


def said_of_valid(made: Artifacts, models: list[str]) -> str:
    """The splits that models and their ancestors trained on, and what the models say of their valid products."""
    config, data, words = made.config, made.data, []
    own, of_ancestors = recipes.seeds_of(config, models)
    for seed in (*own, *of_ancestors):
        images = [data.images[image_sets.ImageSet(seed)].files["images"]] if seed in own else []
        words += ["--split", str(seed), data.splits[seed].files["valid_index"], *images]
    for model in models:
        seeds = ",".join(map(str, recipes.lineage_seeds(config, model)))
        paths = made.answers.probabilities(image_sets.valid_of(config, model), model)
        words += ["--member", model, seeds, *paths]
    return shlex.join(words)


def features(images: list[str], shards: list[str]) -> str:
    """The features that pictures are compared by, and the lists of these, where there are any."""
    return shlex.join(["--feature-images", *images, "--features", *shards]) if shards else ""


def members(made: Artifacts, name: str) -> str:
    """The probabilities that an evaluation is made of, each with the seed of its split."""
    words, (of_pictures, of_products) = [], recipes.weighted_members(made.config, name)
    for option, found in (("--member", of_pictures), ("--product-member", of_products)):
        for member in found:
            images = image_sets.valid_of(made.config, member)
            words += [option, str(images.seed), *made.answers.probabilities(images, member)]
    return shlex.join(words)


def environment(section: dict) -> str:
    """The conda environment of the jobs of a model or of prediction, by engine and GPUs."""
    if section["engine"] == "torch":
        return "../envs/torch-cuda.yaml"
    return f"../envs/mxnet-{'cu112' if section['gpus'] else 'cpu'}.yaml"


def scripts_folder(root: Path) -> str:
    """The folder of the programs as commands name it, so that a printed command can be copied and run.

    It is named from the working directory, where that is the checkout, for the shell and for a format string.
    """
    here, folder = Path("scripts"), root / "scripts"
    if here.exists() and here.samefile(folder):
        return str(here)
    return shlex.quote(str(folder)).replace("{", "{{").replace("}", "}}")
