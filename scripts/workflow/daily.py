"""What people work with day by day: answers of test products and of batches, and what of them is for review."""

from workflow import image_sets, recipes, sources
from workflow.answers import Answers
from workflow.artifact import Artifact, Shelf
from workflow.data import Data
from workflow.image_sets import ImageSet

REVIEW_PAGE = "figures/review.html"  # its template, beside the programs


class Daily:
    """The artifacts of answers, where the configuration names an ensemble that answers.

    Args:
        config: the complete configuration.
        data: with the image sets.
        answers: with averages and evaluations.
        shelf: takes the artifacts.

    Attributes:
        calibration: of the ensemble's scores; `thresholds` where answers are accepted by a precision.
        answers: by image set; `reviews` with thresholds.
    """

    def __init__(self, config: dict, data: Data, answers: Answers, shelf: Shelf):
        self._config = config
        self._data = data
        self._shelf = shelf
        self.calibration: Artifact | None = None
        self.thresholds: Artifact | None = None
        self.answers: dict[ImageSet, Artifact] = {}
        self.reviews: dict[ImageSet, Artifact] = {}
        if ensemble := recipes.answering_ensemble(config):
            self._ensemble = ensemble
            self.calibration = self._calibrated(answers.evaluations[ensemble])
            self.thresholds = self._chosen() if "accept" in config else None
            for images in image_sets.answered(config):
                self.answers[images] = self._answered(images, *answers.said(images, ensemble))
                if self.thresholds:
                    self.reviews[images] = self._review(images)

    def of(self, images: ImageSet) -> list[Artifact]:
        """What people get of an image set."""
        return [each[images] for each in (self.answers, self.reviews) if images in each]

    def _calibrated(self, evaluation: Artifact) -> Artifact:
        """The calibration of the ensemble, by the products that it is measured on."""
        recipe = {**evaluation.recipe, "code": sources.fingerprint("calibrate_answers.py")}
        return self._shelf.add("calibrate_answers", recipe, evaluation.sources, {"ensemble": self._ensemble})

    def _chosen(self) -> Artifact:
        recipe = {
            **self._config["accept"],
            "code": sources.fingerprint("choose_thresholds.py"),
            "calibration": self.calibration.digest,
        }
        made_from = {"products": self.calibration.files["products"]}
        return self._shelf.add("choose_thresholds", recipe, made_from, {"ensemble": self._ensemble})

    def _answered(self, images: ImageSet, said: dict, files: dict) -> Artifact:
        data, index = self._data, self._data.index[images.name]
        name_field = self._config["answers"].get("name_field")
        recipe = {
            **self._config["postprocessing"],
            "code": sources.fingerprint("write_answers.py"),
            "classes": data.classes.recipe,
            "images": data.images[images].recipe,
            **said,
            "calibration": self.calibration.digest,
            "thresholds": self.thresholds and self.thresholds.digest,
        }
        if name_field:
            recipe["name_field"] = name_field
        made_from = {
            "index": index.files["index"],
            "rejects": index.files["rejects"],
            "images": data.images[images].files["images"],
            "known": data.index["train"].files["index"],
            "classes": data.classes.files["classes"],
            "calibration": self.calibration.files["calibration"],
            "thresholds": self.thresholds.files["thresholds"] if self.thresholds else [],
            "catalog": data.sources(images).catalog if name_field else [],
            **files,
        }
        return self._shelf.add("write_answers", recipe, made_from, {"batch": images.called})

    def _review(self, images: ImageSet) -> Artifact:
        answers, sources_of_set = self.answers[images], self._data.sources(images)
        recipe = {
            "code": sources.fingerprint("write_review.py"),
            "page": sources.content(REVIEW_PAGE),
            "answers": answers.digest,
        }
        made_from = {
            "answers": answers.files["parquet"],
            "classes": self._data.classes.files["classes"],
            "index": sources_of_set.index,
            "catalog": sources_of_set.catalog,
        }
        return self._shelf.add("write_review", recipe, made_from, {"batch": images.called})
