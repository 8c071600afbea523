"""Image sets: the pictures that models predict, and where each set comes from."""

from dataclasses import dataclass
from typing import NamedTuple

from workflow import recipes
from workflow.artifact import Artifact


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
    """The pictures of the test products, of a batch by its name, or of the valid products of a split by its seed."""

    seed: int | None = None
    batch: str | None = None

    @property
    def name(self) -> str:
        """What it is called in paths and on the terminal."""
        if self.batch is not None:
            return f"{BATCH}{self.batch}"
        return "test" if self.seed is None else f"valid-{self.seed}"

    def leaves_known_out(self, picture_md5: str) -> bool:
        """Whether known pictures need no forward pass.

        Of valid products all pictures are predicted, so that the effect of known pictures is measured.
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
        split = splits[self.seed]
        pictures = split.files.get("valid", catalog["train"])
        return Sources(pictures, split.files["valid_index"], split.files["train_index"], {"split": split.recipe})


BATCH = "batch-"  # what the names of batches begin with in paths
TEST = ImageSet()
NAMES = rf"test|valid-\d+|{BATCH}[\w-]+"  # a regular expression


def named(name: str) -> ImageSet:
    """The image set that is called so."""
    if name.startswith(BATCH):
        return ImageSet(batch=name.removeprefix(BATCH))
    return TEST if name == TEST.name else ImageSet(int(name.rpartition("-")[2]))


def valid_of(config: dict, model: str) -> ImageSet:
    """The pictures that a model is measured on: of the products that its split keeps for validation."""
    return ImageSet(recipes.seed_of(config, model))


def batches_of(config: dict) -> list[ImageSet]:
    """The pictures of each batch."""
    return [ImageSet(batch=name) for name in config.get("batches", ())]


def averaged_by(config: dict, ensemble: str) -> list[ImageSet]:
    """The image sets that an ensemble answers: the test pictures, and batches where it is the one that answers them."""
    return [TEST, *(batches_of(config) if recipes.answering_ensemble(config) == ensemble else [])]


def predicted_by(config: dict, model: str) -> list[ImageSet]:
    """The image sets that a model predicts: the one it is measured on, and those that its ensembles answer."""
    answered = [averaged_by(config, name) for name, each in config["ensembles"].items() if model in each["models"]]
    return [valid_of(config, model), *dict.fromkeys(images for each in answered for images in each)]


def all_of(config: dict) -> list[ImageSet]:
    return [TEST, *map(ImageSet, recipes.split_seeds(config)), *batches_of(config)]
