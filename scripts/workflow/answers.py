"""What models answer: predictions, features and the heads that learn from them, averages, submissions, evaluations."""

from pathlib import Path

from postprocessing.learned import LEARNED, read_learned
from workflow import image_sets, recipes, sources
from workflow.artifact import Artifact, Shelf, digest_of
from workflow.data import Data
from workflow.image_sets import TEST, ImageSet
from workflow.models import Models


class Answers:
    """The artifacts of predictions and of what follows from them.

    Args:
        config: the complete configuration.
        data: with the image sets.
        models: with the last epochs.
        shelf: takes the artifacts.

    Attributes:
        predictions: the shards in order, by image set and member; `features` by image set and model.
        heads: by name; `averages` by image set and ensemble, of the members that say what pictures are.
        learned: what is learned of the members, by ensemble with that mean.
        counting: the members that an ensemble averages, by ensemble: of one that learns, once that is on the disk,
            those alone that count.
        submissions: by ensemble; `evaluations` by model or ensemble.
    """

    def __init__(self, config: dict, data: Data, models: Models, shelf: Shelf):
        self._config = config
        self._data = data
        self._models = models
        self._shelf = shelf
        self._rules = image_sets.passes(config)
        self._passed: dict[tuple[ImageSet, str], list[Artifact]] = {}
        self.averages: dict[tuple[ImageSet, str], list[Artifact]] = {}
        models.add_students(self._lesson)
        passed = {each: self._pass(*each) for each in self._rules}
        self.features = {each: shards for each, shards in passed.items() if "features" in shards[0].files}
        self.predictions = {each: shards for each, shards in passed.items() if "probabilities" in shards[0].files}
        self.heads = {head: self._head(head) for head in config["heads"]}
        self.predictions |= {
            (images, head): self._answers_of_head(images, head)
            for head in config["heads"]
            for images in image_sets.predicted_by(config, head)
        }
        learning = [name for name, ensemble in config["ensembles"].items() if ensemble["mean"] == LEARNED]
        self.learned = {ensemble: self._learned(ensemble) for ensemble in learning}
        self.counting = {ensemble: self._counting(ensemble) for ensemble in config["ensembles"]}
        for ensemble in config["ensembles"]:
            for images in image_sets.averaged_by(config, ensemble):
                if (images, ensemble) not in self.averages:  # else it is a lesson
                    self.averages[images, ensemble] = self._averages(images, ensemble)
        self.submissions = {ensemble: self._submission(ensemble) for ensemble in config["ensembles"]}
        self.evaluations = {name: self._evaluation(name) for name in [*recipes.members(config), *config["ensembles"]]}

    def probabilities(self, images: ImageSet, member: str) -> list[str]:
        """The files of a member's probabilities on an image set."""
        return [shard.files["probabilities"] for shard in self.predictions[images, member]]

    def _lesson(self, model: str, ensemble: str) -> tuple[str, dict]:
        """What a student learns from an ensemble: the digest of its probabilities, and the files."""
        images = image_sets.lesson_of(self._config, model)
        if (images, ensemble) not in self.averages:
            models = self._config["ensembles"][ensemble]["models"]
            for member in models:
                self._models.add(member)
            members = {member: self._pass(images, member) for member in models}
            self.averages[images, ensemble] = self._shelve_averages(
                images, ensemble, members, models, {}, {"learned": []}
            )
        averages = self.averages[images, ensemble]
        return averages[0].digest, {
            "taught_images": self._data.images[images].files["images"],
            "taught": [average.files["probabilities"] for average in averages],
        }

    def _pass(self, images: ImageSet, model: str) -> list[Artifact]:
        if (images, model) not in self._passed:
            self._passed[images, model] = self._passes(self._rules[images, model], images, model)
        return self._passed[images, model]

    def _passes(self, rule: str, images: ImageSet, model: str) -> list[Artifact]:
        """The shards of what a model gives of an image set, whatever of it is kept: one recipe for all."""
        listed, weights = self._data.images[images], self._models.weights[model]
        shards = self._config["prediction"]["shards"]
        recipe = {
            "shards": shards,
            "revision": sources.revision("predict_images.py"),
            "model": weights.digest,
            "images": listed.recipe,
            **recipes.engine(recipes.prediction(self._config, model)),
        }
        made_from = {
            "catalog": self._data.sources(images).catalog,
            "images": listed.files["images"],
            "params": weights.params,
        }
        digest = digest_of("predict_images", recipe)
        return [
            self._shelf.add(
                rule,
                recipe,
                made_from,
                {"images": images.name, "model": model, "shard": f"{shard:04d}"},
                digest=digest,
                images_digest=listed.digest,
            )
            for shard in range(shards)
        ]

    def asked(self) -> list[str]:
        """The files of probabilities that models and ensembles are measured by and answer with."""
        answering = {(images, model) for images, ensemble in self.averages for model in self.counting[ensemble]}
        return [
            path
            for images, model in self.predictions
            if images.seed is not None or (images, model) in answering
            for path in self.probabilities(images, model)
        ]

    def _learned(self, name: str) -> Artifact:
        """How much the members of an ensemble count, from products that none of them trained on."""
        recipe, made_from = self.said_of_valid(self._config["ensembles"][name]["models"])
        recipe["revision"] = sources.revision("learn_weights.py")
        return self._shelf.add("learn_weights", recipe, made_from, {"ensemble": name})

    def said_of_valid(self, models: list[str]) -> tuple[dict, dict]:
        """What models say of products that neither they nor their ancestors trained on: for a recipe, and its files."""
        members = [(image_sets.valid_of(self._config, model), model) for model in models]
        seeds, of_ancestors = recipes.seeds_of(self._config, models)
        splits = [self._data.splits[seed] for seed in (*seeds, *of_ancestors)]
        recipe = {
            "models": models,
            "classes": self._data.order,
            "splits": {split.wildcards["seed"]: split.recipe for split in splits},
            "seeds": {model: recipes.lineage_seeds(self._config, model) for model in models},
            "members": [self.predictions[member][0].digest for member in members],
        }
        made_from = {
            "valid": [split.files["valid_index"] for split in splits],
            "images": [self._data.images[ImageSet(seed)].files["images"] for seed in seeds],
            "probabilities": [path for member in members for path in self.probabilities(*member)],
            "classes": self._data.classes.files["classes"],
        }
        return recipe, made_from

    def _counting(self, name: str) -> list[str]:
        if name in self.learned and (found := Path(self.learned[name].files["learned"])).exists():
            return read_learned(found).counting
        return self._config["ensembles"][name]["models"]

    def _of_learned(self, name: str) -> tuple[dict, dict]:
        """What an ensemble that learns has in its recipes, and in what it is made from."""
        learned = self.learned.get(name)
        files = {"learned": learned.files["learned"] if learned else []}
        return ({"learned": learned.digest} if learned else {}), files

    def _head(self, name: str) -> Artifact:
        """What a head learns from the features of its models."""
        head, images = self._config["heads"][name], image_sets.learned_by(self._config, name)
        split, features = self._data.splits[images.seed], [self.features[images, model] for model in head["models"]]
        recipe = {
            "of": head["of"],
            "hidden": head["hidden"],
            "seed": self._config["training"]["seed"],
            "revision": sources.revision("train_head.py"),
            "classes": self._data.order,
            "features": [shards[0].digest for shards in features],
        }
        made_from = {
            "index": split.files[f"{images.part}_index"],
            "images": self._data.images[images].files["images"],
            "classes": self._data.classes.files["classes"],
            "features": [shard.files["features"] for shards in features for shard in shards],
        }
        return self._shelf.add("train_head", recipe, made_from, {"head": name})

    def _answers_of_head(self, images: ImageSet, name: str) -> list[Artifact]:
        """The shards of a head's probabilities: a row per listed picture of an image set, or per product of it."""
        head, listed = self._config["heads"][name], self._data.images[images]
        features = [self.features[images, model] for model in head["models"]]
        recipe = {
            "revision": sources.revision("apply_head.py"),
            "head": self.heads[name].digest,
            "features": [shards[0].digest for shards in features],
        }
        made_from = {
            "params": self.heads[name].files["params"],
            "index": self._data.sources(images).index,
            "images": listed.files["images"],
            "features": [shard.files["features"] for shards in features for shard in shards],
        }
        digest = digest_of("apply_head", recipe)
        return [
            self._shelf.add(
                "apply_head",
                recipe,
                made_from,
                {"images": images.name, "head": name, "shard": f"{shard:04d}"},
                digest=digest,
                images_digest=listed.digest,
            )
            for shard in range(self._config["prediction"]["shards"])
        ]

    def _averages(self, images: ImageSet, name: str) -> list[Artifact]:
        """Of the members that say what pictures are; none where all say what products are."""
        of_pictures, _ = recipes.weighted_members(self._config, name)
        if not of_pictures:
            return []
        members = {member: self.predictions[images, member] for member in of_pictures}
        counting = [member for member in self.counting[name] if member in of_pictures]
        return self._shelve_averages(images, name, members, counting, *self._of_learned(name))

    def _shelve_averages(
        self,
        images: ImageSet,
        name: str,
        members: dict[str, list[Artifact]],
        counting: list[str],
        of_learned: dict,
        learned: dict,
    ) -> list[Artifact]:
        """The shards of an ensemble's average over what its members say of pictures."""
        ensemble, (of_pictures, _) = self._config["ensembles"][name], recipes.weighted_members(self._config, name)
        recipe = {
            "models": list(of_pictures),
            "mean": ensemble["mean"],
            "weights": list(of_pictures.values()) if "weights" in ensemble else None,
            "code": sources.fingerprint("average_models.py"),
            "members": [shards[0].digest for shards in members.values()],
            **of_learned,
        }
        digest = digest_of("average_models", recipe)
        return [
            self._shelf.add(
                "average_models",
                recipe,
                {"members": [members[each][shard].files["probabilities"] for each in counting], **learned},
                {"images": images.name, "ensemble": name, "shard": f"{shard:04d}"},
                digest=digest,
            )
            for shard in range(self._config["prediction"]["shards"])
        ]

    def said(self, images: ImageSet, ensemble: str) -> tuple[dict, dict]:
        """What an ensemble says of an image set, picture by picture and product by product: for a recipe, and files."""
        averages = self.averages[images, ensemble]
        _, of_products = recipes.weighted_members(self._config, ensemble)
        recipe = {"averages": averages[0].digest if averages else None}
        if of_products:
            recipe |= {
                "mean": self._config["ensembles"][ensemble]["mean"],
                "weights": recipes.weights_of_answers(self._config, ensemble),
                "members": [self.predictions[images, each][0].digest for each in of_products],
            }
        files = {
            "probabilities": [average.files["probabilities"] for average in averages],
            "of_products": [path for each in of_products for path in self.probabilities(images, each)],
        }
        return recipe, files

    def _submission(self, ensemble: str) -> Artifact:
        data, images, (said, files) = self._data, self._data.images[TEST], self.said(TEST, ensemble)
        recipe = {
            **self._config["postprocessing"],
            "sample": data.sample_digest,
            "code": sources.fingerprint("write_submission.py"),
            "classes": data.order,
            "images": images.recipe,
            **said,
        }
        made_from = {
            "index": data.index["test"].files["index"],
            "rejects": data.index["test"].files["rejects"],
            "images": images.files["images"],
            "known": data.index["train"].files["index"],
            "classes": data.classes.files["classes"],
            "sample": data.sample,
            **files,
        }
        return self._shelf.add("write_submission", recipe, made_from, {"ensemble": ensemble})

    def _evaluation(self, name: str) -> Artifact:
        """What a model, or an ensemble, reaches on products that no member and no ancestor trained on."""
        ensemble = recipes.as_ensemble(self._config, name)
        seeds = recipes.evaluated_seeds(self._config, name)
        splits = [self._data.splits[seed] for seed in seeds]
        of_ancestors = {seed: self._data.splits[seed] for seed in recipes.ancestor_seeds(self._config, name)}
        images = [self._data.images[ImageSet(seed)] for seed in seeds]
        members = [(image_sets.valid_of(self._config, model), model) for model in ensemble["models"]]
        of_learned, learned = self._of_learned(name)
        recipe = {
            "models": ensemble["models"],
            "mean": ensemble["mean"],
            "weights": ensemble.get("weights"),
            **of_learned,
            **self._config["postprocessing"],
            "code": sources.fingerprint("evaluate_predictions.py"),
            "classes": self._data.classes.recipe,
            "seeds": seeds,
            "images": {str(seed): each.recipe for seed, each in zip(seeds, images, strict=True)},
            "ancestors": {str(seed): split.recipe for seed, split in of_ancestors.items()},
            "members": [self.predictions[member][0].digest for member in members],
        }
        made_from = {
            "valid": [split.files["valid_index"] for split in (*splits, *of_ancestors.values())],
            "train": [split.files["train_index"] for split in splits],
            "images": [each.files["images"] for each in images],
            "probabilities": [path for member in members for path in self.probabilities(*member)],
            "classes": self._data.classes.files["classes"],
            **learned,
        }
        return self._shelf.add("evaluate_predictions", recipe, made_from, {"evaluated": name})
