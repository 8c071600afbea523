"""Image sets: the pictures that models predict, and where each set comes from."""

from dataclasses import dataclass
from typing import NamedTuple

from workflow import recipes
from workflow.artifact import Artifact
from workflow.outputs import PASSES, SEEDS


class Sources(NamedTuple):
    """What an image set is taken from.

    `catalog` is the file with the pictures, or several, `index` its index; `known` is the index of the products whose
    labels its pictures may take, which are never those of the image set itself. `recipe` has the recipes of both
    indexes.
    """

    catalog: str | list[str]
    index: str
    known: str
    recipe: dict


@dataclass(frozen=True)
class ImageSet:
    """The pictures of the test products, of a batch by its name, or of one part of a split by its seed."""

    seed: recipes.Seed | None = None
    part: str = "valid"
    batch: str | None = None

    @property
    def name(self) -> str:
        """What it is called in paths and on the terminal."""
        if self.batch is not None:
            return f"{BATCH}{self.batch}"
        return "test" if self.seed is None else f"{self.part}-{self.seed}"

    @property
    def called(self) -> str:
        """What people call it, in answers: test, or a batch's own name."""
        return self.name if self.batch is None else self.batch

    def leaves_known_out(self, picture_md5: str) -> bool:
        """Whether known pictures need no forward pass.

        Of valid products all pictures are predicted, so that the effect of known pictures is measured; of train
        products, since heads learn from them.
        """
        return self.seed is None and picture_md5 != "off"

    def sources(
        self, catalog: dict[str, str | list[str]], index: dict[str, Artifact], splits: dict[int, Artifact]
    ) -> Sources:
        """Where it comes from, among the catalog's files and their indexes by name, and the splits by seed."""
        if self.seed is None:
            of_set, known = index[self.name], index["train"]
            recipe = {"index": of_set.recipe, "known": known.recipe}
            return Sources(catalog[self.name], of_set.files["index"], known.files["index"], recipe)
        split, other = splits[self.seed], {"valid": "train", "train": "valid"}[self.part]
        recipe = {"split": split.recipe} | ({} if self.part == "valid" else {"part": self.part})
        pictures = split.files.get(self.part, catalog["train"])
        return Sources(pictures, split.files[f"{self.part}_index"], split.files[f"{other}_index"], recipe)


BATCH = "batch-"  # what the names of batches begin with in paths
TEST = ImageSet()
NAMES = rf"test|(?:train|valid)-{SEEDS}|{BATCH}[\w-]+"  # a regular expression


def named(name: str) -> ImageSet:
    """The image set that is called so."""
    if name.startswith(BATCH):
        return ImageSet(batch=name.removeprefix(BATCH))
    if name == TEST.name:
        return TEST
    part, _, seed = name.rpartition("-")
    return ImageSet(int(seed) if seed.isdecimal() else seed, part)


def called(name: str) -> ImageSet:
    """The image set that people call so, in answers."""
    return TEST if name == TEST.called else ImageSet(batch=name)


def valid_of(config: dict, member: str) -> ImageSet:
    """The pictures that a model or a head is measured on: of the products that its split keeps for validation."""
    return ImageSet(recipes.seed_of(config, member))


def learned_by(config: dict, head: str) -> ImageSet:
    """The pictures that a head learns from."""
    return ImageSet(recipes.seed_of(config, head), "train")


def batches_of(config: dict) -> list[ImageSet]:
    """The pictures of each batch."""
    return [ImageSet(batch=name) for name in config.get("batches", ())]


def catalogs(config: dict) -> list[str]:
    """What is indexed: the catalog's train and test, and batches."""
    return ["train", TEST.name, *(images.name for images in batches_of(config))]


def answered(config: dict) -> list[ImageSet]:
    """The image sets that people get answers of, where an ensemble answers."""
    return [TEST, *batches_of(config)]


def averaged_by(config: dict, ensemble: str) -> list[ImageSet]:
    """The image sets that an ensemble answers: those that people ask of it, and what its students learn.

    Without students these are the test pictures, and batches where it is the one that answers them.
    """
    asked = answered(config) if recipes.answering_ensemble(config) == ensemble else [TEST]
    return asked + [images for images, teacher in lessons(config) if teacher == ensemble]


def lessons(config: dict) -> list[tuple[ImageSet, str]]:
    """The pictures that students learn, and the ensembles that they learn them from."""
    taught = (
        (lesson_of(config, model), teacher) for model in config["models"] for teacher in recipes.teachers(config, model)
    )
    return [*dict.fromkeys(taught)]


def lesson_of(config: dict, model: str) -> ImageSet:
    """The pictures that a model learns, if it is a student."""
    return ImageSet(recipes.seed_of(config, model), "train")


def predicted_by(config: dict, member: str) -> list[ImageSet]:
    """The image sets that a member predicts: the one it is measured on, and those that its ensembles answer."""
    answered = [averaged_by(config, name) for name, each in config["ensembles"].items() if member in each["models"]]
    return [valid_of(config, member), *dict.fromkeys(images for each in answered for images in each)]


def features_of(config: dict, model: str) -> list[ImageSet]:
    """The image sets of which heads ask for a model's features."""
    heads = [name for name, head in config["heads"].items() if model in head["models"]]
    sets = (images for head in heads for images in (learned_by(config, head), *predicted_by(config, head)))
    return [*dict.fromkeys(sets)]


def passes(config: dict) -> dict[tuple[ImageSet, str], str]:
    """The rule that brings each image set through each model that has to see it (outputs.PASSES)."""
    probabilities = [(each, model) for model in recipes.trained(config) for each in predicted_by(config, model)]
    features = [(each, model) for model in config["models"] for each in features_of(config, model)]
    return {each: PASSES[each in probabilities, each in features] for each in dict.fromkeys(probabilities + features)}


def all_of(config: dict) -> list[ImageSet]:
    learned = dict.fromkeys(learned_by(config, head) for head in config["heads"])
    learned |= dict.fromkeys(images for images, _ in lessons(config))
    return [TEST, *map(ImageSet, recipes.split_seeds(config)), *learned, *batches_of(config)]
