"""workflow.image_sets: which image sets there are, and what each is taken from."""

import pytest

from tiny_workflow import artifacts_in
from workflow import image_sets
from workflow.image_sets import TEST, ImageSet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return artifacts_in(tmp_path_factory.mktemp("image_sets")).data


def test_a_model_predicts_the_pictures_it_is_measured_on_and_for_an_ensemble_the_test_pictures(config):
    assert image_sets.predicted_by(config, "M09") == [ImageSet(1), TEST]
    assert image_sets.predicted_by(config, "M01") == [ImageSet(12648430), TEST]
    config["ensembles"] = {"mine": {"models": ["M09"]}}
    assert image_sets.predicted_by(config, "M01") == [ImageSet(12648430)]


def test_there_is_an_image_set_per_split_that_a_model_learns_from(config):
    assert image_sets.all_of(config) == [TEST, ImageSet(1), ImageSet(12648430)]
    config["models"] = {"M01": config["models"]["M01"]}
    assert image_sets.all_of(config) == [TEST, ImageSet(12648430)]


def test_known_pictures_of_the_test_set_alone_are_left_out():
    assert TEST.leaves_known_out("unique")
    assert TEST.leaves_known_out("majority")
    assert not TEST.leaves_known_out("off")
    assert not ImageSet(1).leaves_known_out("unique")


def test_labels_of_test_pictures_come_from_all_training_products(data):
    test, train = data.index["test"], data.index["train"]
    assert data.sources(TEST) == (
        *(data.catalog["test"], test.files["index"], train.files["index"]),
        {"index": test.recipe, "known": train.recipe},
    )


def test_labels_of_valid_pictures_come_from_the_train_part_of_their_split(data):
    split = data.splits[1]
    assert data.sources(ImageSet(1)) == (
        *(split.files["valid"], split.files["valid_index"], split.files["train_index"]),
        {"split": split.recipe},
    )


def test_an_image_set_is_found_by_its_name(config):
    assert [image_sets.named(images.name) for images in image_sets.all_of(config)] == image_sets.all_of(config)
