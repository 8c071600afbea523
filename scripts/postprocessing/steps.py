"""From the probabilities of pictures to a category for each product, step by step, in the published order.

1. `networks`: the score of a product is the mean over its pictures that have pixels; a product without any takes the
   most frequent category.
2. Steps that label pictures. A label takes the place of a picture's probabilities, as a one-hot vector.
3. Steps that label products. A label takes the place of the category with the best score.

Labels come from known products. A step that is added to PICTURE_STEPS or PRODUCT_STEPS has an option in the programs, a
column in the table of measured products and an accuracy in the evaluation.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import cli
from catalog.classes import NO_CLASS, class_ids
from catalog.ids import first_written
from catalog.joins import (
    NOT_FOUND,
    known_product_categories,
    majority_categories,
    rows_of_pictures,
    single_categories,
)
from catalog.known import Known
from postprocessing.pictures import ImageSet, Members
from postprocessing.products import (
    best_classes,
    product_blocks,
    product_means,
    product_starts,
)

NETWORKS = "networks"
OFF = "off"

Watch = Callable[[str, slice, np.ndarray], None]


@dataclass(frozen=True)
class Step:
    """A step that takes labels from what is known.

    Attributes:
        name: of its option, its column and its accuracy.
        source: what the labels come from, in words.
        rules: by the value of its option, a function of the index of the products to label and of what is known. A
            rule of a step that labels pictures gives the category id (int64) of each row, NO_CATEGORY
            for no label; a rule of a step that labels products gives category ids by product id, for those alone that
            it labels.
    """

    name: str
    source: str
    rules: dict[str, Callable[[pd.DataFrame, Known], np.ndarray | pd.Series]]

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of its option."""
        return (*self.rules, OFF)

    def in_words(self, choice: str) -> str:
        """What labels are taken from, and by which rule where there are several; nothing where the step is off."""
        if choice == OFF:
            return ""
        return f"{self.source} ({choice})" if len(self.rules) > 1 else self.source


PICTURE_STEPS = (Step("picture_md5", "known pictures", {"unique": single_categories, "majority": majority_categories}),)
PRODUCT_STEPS = (Step("product_md5", "known products", {"on": known_product_categories}),)


def names() -> tuple[str, ...]:
    """The names of all steps in their order."""
    return (*scored(), *(step.name for step in PRODUCT_STEPS))


def scored() -> tuple[str, ...]:
    """The names of the steps after which products have scores."""
    return (NETWORKS, *(step.name for step in PICTURE_STEPS))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a program an option for each step that takes labels."""
    for step in (*PICTURE_STEPS, *PRODUCT_STEPS):
        parser.add_argument(f"--{step.name.replace('_', '-')}", choices=step.choices, required=True)


def choices(options: argparse.Namespace) -> dict[str, str]:
    """The values of the steps' options, by name of the step."""
    return {step.name: getattr(options, step.name) for step in (*PICTURE_STEPS, *PRODUCT_STEPS)}


def labels_taken(chosen: dict[str, str]) -> str:
    """What labels are taken from, in words."""
    words = [step.in_words(chosen[step.name]) for step in (*PICTURE_STEPS, *PRODUCT_STEPS)]
    return " and ".join(filter(None, words)) or "nothing"


@dataclass(frozen=True)
class PostProcessing:
    """All steps, with the values of their options.

    Attributes:
        classes: as in classes.csv.
        chosen: the values of the options, by name of the step.
    """

    classes: pd.DataFrame
    chosen: dict[str, str]

    def image_set(self, index: pd.DataFrame, images: pd.DataFrame, known: Known) -> ImageSet:
        """Join the pictures of an index with the predicted ones, and label them by what is known.

        Args:
            index: pictures of the image set.
            images: pictures in the order of their probabilities.
            known: what is known; of a product that is in the set, its own rows are not known to itself.

        Raises:
            cli.UserError: a picture is neither predicted nor labelled.
        """
        rows = rows_of_pictures(index, images)
        last = np.full(len(index), NO_CLASS)
        labels = {NETWORKS: last}
        for step in PICTURE_STEPS:
            if rule := self._rule(step):
                found = class_ids(rule(index, known), self.classes.category_id.to_numpy())
                last = np.where(found == NO_CLASS, last, found)
            labels[step.name] = last
        missing = index[(rows == NOT_FOUND) & (last == NO_CLASS)]
        if len(missing):
            product, image = first_written(missing, "product"), missing.image.iloc[0]
            raise cli.UserError(
                f"product {product}, picture {image}: neither predicted nor known ({len(missing)} such"
                " pictures); list and predict the pictures again"
            )
        return ImageSet(rows, labels)

    def categorize(
        self,
        index: pd.DataFrame,
        members: Members,
        known: Known,
        after: Sequence[str],
        watch: Watch | None = None,
    ) -> pd.DataFrame:
        """Give each product of an index a category.

        Args:
            index: pictures, in the order of the members' image sets.
            known: which labels products and has the most frequent category.
            after: the names of scored() to compute, in their order; without earlier ones the result is the same.
            watch: is called for each of them and each block of products: the step's name, the slice of the index, mean
                vectors (pictures, classes) float32 of these pictures.

        Returns:
            A row per product in the index's order: product_id; by the names of `after` and of the steps that label
            products, the category id after that step; all int64; confidence, float32: the score that decided the last
            step of `after`, 0 where no picture has pixels.
        """
        starts, category_ids = product_starts(index), self.classes.category_id.to_numpy()
        fallback = self.fallback(known)
        products = pd.DataFrame({"product_id": index.product_id.to_numpy()[starts]})
        classes = {name: np.empty(len(starts), np.int64) for name in after}
        confidence = np.empty(len(starts), np.float32)
        with cli.progress(len(starts), "product", "labelling") as bar:
            for block, pictures in product_blocks(starts, len(index)):
                for name in after:
                    vectors = members.vectors(pictures, name)
                    if watch:
                        watch(name, pictures, vectors)
                    scores = product_means(vectors, starts[block] - pictures.start)
                    classes[name][block] = best_classes(scores, fallback)
                confidence[block] = scores.max(axis=1)
                bar.update(len(scores))
        for name in after:
            products[name] = category_ids[classes[name]]
        categories = pd.Series(products[after[-1]].to_numpy(), index=products.product_id)
        for step in PRODUCT_STEPS:
            labels = self._labels(step, index, known)
            categories[labels.index] = labels
            products[step.name] = categories.to_numpy()
        products["confidence"] = confidence
        return products

    def fallback(self, known: Known) -> int:
        """The class of a product that nothing is said of: the most frequent one."""
        [found] = class_ids(np.array([known.most_frequent_category()]), self.classes.category_id.to_numpy())
        return int(found)

    def product_labels(self, index: pd.DataFrame, known: Known) -> pd.Series:
        """The category id by product id, for those products alone that a step labels; the last one's of several."""
        labels = pd.concat([self._labels(step, index, known) for step in PRODUCT_STEPS])
        return labels[~labels.index.duplicated(keep="last")]

    def _labels(self, step: Step, index: pd.DataFrame, known: Known) -> pd.Series:
        rule = self._rule(step)
        return rule(index, known) if rule else pd.Series(dtype=np.int64)

    def _rule(self, step: Step) -> Callable | None:
        return step.rules.get(self.chosen[step.name])
