"""workflow.image_sets: which image sets there are, and what each is taken from."""

import re

import pytest

from tiny_workflow import artifacts_in
from workflow import configuration, image_sets
from workflow.image_sets import TEST, ImageSet
from workflow.outputs import PASSES


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


FROZEN = {"network": "dpn-92", "dataset": "B", "start": {"pretrained": "dpn92-5k"}, "phases": []}


def test_a_pass_keeps_what_somebody_asks_for(config):
    config["models"]["F1"] = FROZEN
    config["heads"] = {"H1": {"models": ["F1"], "of": "pictures"}, "H2": {"models": ["M01"], "of": "products"}}
    config["ensembles"] = {"mine": {"models": ["H1", "M09"]}}
    of_b, of_c = ImageSet(1), ImageSet(12648430)
    found = image_sets.passes(config)
    assert found.pop((of_c, "M01")) == "predict_with_features"
    assert found.pop((ImageSet(12648430, "train"), "M01")) == "extract_features"
    frozen = {found.pop((images, "F1")) for images in (ImageSet(1, "train"), of_b, TEST)}
    assert frozen == {"extract_features"}
    assert set(found.values()) == {"predict_images"}
    assert not {model for _, model in found} & {"F1", "M01"}
    assert image_sets.features_of(config, "M02") == []
    assert ImageSet(1, "train") in image_sets.all_of(config)


def test_the_names_of_image_sets_lead_back_to_them():
    for images in (TEST, ImageSet(7), ImageSet(7, "train"), ImageSet(batch="2026-11-25")):
        assert image_sets.named(images.name) == images
        assert re.fullmatch(image_sets.NAMES, images.name)


def test_a_path_belongs_to_the_rule_that_makes_it(config):
    """The wildcard of a pass's image set fits where a model of that pass is behind it, and nowhere else."""
    config["models"]["F1"] = FROZEN
    config["heads"] = {"H1": {"models": ["F1", "M09"], "of": "pictures"}}
    passes = image_sets.passes(config)
    for (images, model), rule in passes.items():
        path = f"{images.name}-0123456789/{model}-9876543210/0000.npy"
        fits = {each for each in PASSES.values() if re.match(configuration.any_pass(passes, each), path)}
        assert fits == {rule}
    assert not re.match(configuration.any_pass({}, "extract_features"), "test-0123456789/M01-9876543210/0000.npy")


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
    config["datasets"]["B"]["fold"] = 2
    assert ImageSet("1.2") in image_sets.all_of(config)
    assert [image_sets.named(images.name) for images in image_sets.all_of(config)] == image_sets.all_of(config)
