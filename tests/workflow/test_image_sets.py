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


def test_a_batch_is_predicted_by_the_members_of_the_ensemble_that_answers(config):
    config["ensembles"] = {"mine": {"models": ["M01", "M09"]}, "other": {"models": ["M02"]}}
    config |= {"batches": {"monday": "monday.bson"}, "answers": {"ensemble": "mine"}}
    monday = ImageSet(batch="monday")
    assert image_sets.averaged_by(config, "mine") == [TEST, monday]
    assert image_sets.averaged_by(config, "other") == [TEST]
    assert image_sets.predicted_by(config, "M01") == [ImageSet(12648430), TEST, monday]
    assert image_sets.predicted_by(config, "M02") == [ImageSet(12648430), TEST]
    assert monday in image_sets.all_of(config)


def test_there_is_an_image_set_per_split_that_a_model_learns_from(config):
    assert image_sets.all_of(config) == [TEST, ImageSet(1), ImageSet(12648430)]
    config["models"] = {"M01": config["models"]["M01"]}
    assert image_sets.all_of(config) == [TEST, ImageSet(12648430)]


def test_known_pictures_of_valid_products_alone_are_predicted():
    assert TEST.leaves_known_out("unique")
    assert ImageSet(batch="monday").leaves_known_out("unique")
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
    config["batches"] = {"2026-11-25": "a.bson", "test-2": "b.bson"}
    assert [image_sets.named(images.name) for images in image_sets.all_of(config)] == image_sets.all_of(config)
