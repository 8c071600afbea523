"""What is made of the catalog before a model comes in: indexes, classes, splits, records, lists of pictures."""

from dataclasses import dataclass, field
from pathlib import Path

from workflow import image_sets, recipes, sources
from workflow.artifact import Artifact, Shelf, digest_of
from workflow.image_sets import ImageSet, Sources
from workflow.outputs import OUTPUTS, dump_name


@dataclass(frozen=True)
class Catalog:
    """A catalog that no rule makes: what its files hold.

    `digests` are SHA-256 of train.bson and test.bson, of category_names.csv without its byte order mark and of
    sample_submission.csv, where there are any; `order` is that of the category ids in category_names.csv. `dumps` are
    SHA-256 of several dumps of train or test, by their names and in their order, where it is a folder of them.
    """

    folder: str
    digests: dict[str, str]
    order: str | None
    dumps: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What the products of a batch are in: a file and its SHA-256, or several with theirs by name, in their order."""

    files: str | list[str]
    held: str | dict[str, str]


class Data:
    """The artifacts of data.

    Args:
        config: the complete configuration.
        catalog: what the catalog holds; None where it is drawn.
        batches: by name.
        shelf: takes the artifacts.

    Attributes:
        held: what the catalog holds; None where it is drawn.
        catalog: the catalog's files by name: train and test, one file or several, and, where there is one, names; those
            of batches, by the names of their image sets.
        sample: sample_submission.csv in a list, which is empty without it; `sample_digest` is its SHA-256.
        order: the recipe of the order of the class ids.
        index: artifacts by the name of the catalog's file; `splits` by seed, `records` by dataset and part, `images`
            by image set.
    """

    def __init__(self, config: dict, catalog: Catalog | None, batches: dict[str, Batch], shelf: Shelf):
        self._config = config
        self._shelf = shelf
        self.held = catalog
        self._add_catalog(catalog)
        for name, batch in batches.items():
            self._add_batch(ImageSet(batch=name).name, batch)
        self.splits = {seed: self._split(seed) for seed in recipes.split_seeds(config)}
        self.records = {dataset: self._records(dataset) for dataset in recipes.trained_datasets(config)}
        self.images = {images: self._images(images) for images in image_sets.all_of(config)}

    def _add_catalog(self, catalog: Catalog | None) -> None:
        if catalog is None:
            drawn = _drawn(self._config)
            files = self._shelf.add("generate_catalog", drawn, {}).files
            held, order, names, self.sample, sample = {"train": drawn, "test": drawn}, None, None, [], None
            self.catalog = {name: files[name] for name in ("train", "test", "names")}
        else:
            held, order = catalog.digests, catalog.order
            names, sample = held.get("names"), held.get("sample")
            self.catalog = {name: _files(catalog, name) for name in ("train", "test")}
            self.catalog |= {"names": f"{catalog.folder}/category_names.csv"} if names else {}
            self.sample = [f"{catalog.folder}/sample_submission.csv"] if sample else []
        self.sample_digest = sample
        dumps = catalog.dumps if catalog else {}
        self.index = {
            name: self._joined(name, dumps[name]) if name in dumps else self._index(name, held[name])
            for name in ("train", "test")
        }
        revision = sources.revision("label_categories.py")
        # Class ids depend on the order of the names alone; without a table of names, on the products.
        self.order = {"order": order, "revision": revision} if order else self._from_index(revision)
        self.classes = self._shelf.add(
            "label_categories",
            {"names": names, **self._from_index(revision)},
            {"names": self.catalog.get("names", []), "index": self.index["train"].files["index"]},
        )

    def _add_batch(self, name: str, batch: Batch) -> None:
        self.catalog[name] = batch.files
        is_one = isinstance(batch.held, str)
        self.index[name] = self._index(name, batch.held) if is_one else self._joined(name, batch.held)

    def _from_index(self, revision: int) -> dict:
        return {"revision": revision, "index": self.index["train"].recipe}

    def _index(self, name: str, held: object, file: str | None = None) -> Artifact:
        """The index of train, test or a batch, or of one of several dumps, which is a file of its own."""
        recipe = {"revision": sources.revision("index_catalog.py"), "catalog": held}
        made_from = {"catalog": file or self.catalog[name]}
        return self._shelf.add("index_catalog", recipe, made_from, {"catalog": name})

    def _joined(self, name: str, dumps: dict[str, str]) -> Artifact:
        """The index of train, test or a batch in several dumps, after those of the dumps."""
        indexes = [
            self._index(dump_name(name, dump), digest, file)
            for (dump, digest), file in zip(dumps.items(), self.catalog[name], strict=True)
        ]
        recipe = {"revision": sources.revision("join_indexes.py"), "dumps": [index.digest for index in indexes]}
        made_from = {
            "catalog": self.catalog[name],
            "indexes": [index.files["index"] for index in indexes],
            "rejects": [index.files["rejects"] for index in indexes],
        }
        return self._shelf.add("join_indexes", recipe, made_from, {"catalog": name})

    def _split(self, seed: recipes.Seed) -> Artifact:
        """A split's parts with their indexes; of a catalog in several dumps, the indexes alone."""
        rule = "split_catalog" if isinstance(self.catalog["train"], str) else "split_dumps"
        recipe = {
            "valid_fraction": self._config["valid_fraction"],
            "seed": seed,
            "revision": sources.revision(f"{rule}.py"),
            "index": self.index["train"].recipe,
        }
        if "group_field" in self._config:
            recipe["group_field"] = self._config["group_field"]
        made_from = {"catalog": self.catalog["train"], "index": self.index["train"].files["index"]}
        return self._shelf.add(rule, recipe, made_from, {"seed": str(seed)})

    def _records(self, name: str) -> dict[str, Artifact]:
        """The train and valid part of a dataset."""
        dataset = self._config["datasets"][name]
        split = self.splits[recipes.split_of(dataset)]
        recipe = {
            "first_copies_only": dataset["first_copies_only"],
            "drop_conflicts": dataset["drop_conflicts"],
            "revision": sources.revision("pack_records.py"),
            "classes": self.order,
            "split": split.recipe,
        }
        return {
            part: self._shelf.add(
                "pack_records",
                recipe,
                {
                    "split": split.files.get(part, self.catalog["train"]),
                    "index": split.files[f"{part}_index"],
                    "classes": self.classes.files["classes"],
                },
                {"dataset": name, "part": part},
            )
            for part in ("train", "valid")
        }

    def sources(self, images: ImageSet) -> Sources:
        """What an image set is taken from."""
        return images.sources(self.catalog, self.index, self.splits)

    def _images(self, images: ImageSet) -> Artifact:
        """The pictures of an image set that need a forward pass; unique and majority need the same."""
        found = self.sources(images)
        is_known_left_out = images.leaves_known_out(self._config["postprocessing"]["picture_md5"])
        recipe = {
            "picture_md5": "unique" if is_known_left_out else "off",
            "revision": sources.revision("list_images.py"),
            **found.recipe,
        }
        made_from = {"index": found.index, "known": found.known}
        return self._shelf.add("list_images", recipe, made_from, {"images": images.name})


def _files(catalog: Catalog, name: str) -> str | list[str]:
    """The file of train or test, or its several dumps in order."""
    if name in catalog.dumps:
        return [f"{catalog.folder}/{name}/{dump}.bson" for dump in catalog.dumps[name]]
    return f"{catalog.folder}/{name}.bson"


def _drawn(config: dict) -> dict:
    """The recipe of a catalog that is drawn."""
    return {**config["generate_catalog"], "revision": sources.revision("generate_catalog.py")}


def drawn_folder(config: dict) -> str:
    """The folder of a catalog that is drawn."""
    digest = digest_of("generate_catalog", _drawn(config))
    return str(Path(config["results"], OUTPUTS["generate_catalog"]["train"].format(digest=digest)).parent)
