"""Requests of run time and memory follow from the work and grow with each attempt."""

import pytest

import cli
from workflow import resources

PUBLISHED_PICTURES = 12_371_293


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_requests_grow_with_the_attempt(attempt):
    assert resources.minutes(6000, 1, attempt) == attempt * resources.minutes(6000, 1, 1)
    assert resources.mebibytes(1000, 2**30, attempt) == attempt * 2024


def test_time_is_work_over_speed_with_room():
    hours = 5
    requested = resources.minutes(hours * 3600 * 250, 250, 1)
    assert hours * 60 < requested <= resources.START_MINUTES + hours * 60 * resources.ROOM


def test_a_published_epoch_fits_its_request():
    # DPN-107 in reference figures: 246 pictures/s on 8 GPUs, so an epoch takes about 14 hours.
    epoch = PUBLISHED_PICTURES / 246.0 / 60
    assert epoch < resources.minutes(PUBLISHED_PICTURES, resources.training_speed(246.0, 8), 1) < 3 * epoch


def test_speed_follows_the_gpus():
    assert resources.training_speed(400, 8) == 400
    assert resources.training_speed(400, 4) == 200
    assert 0 < resources.training_speed(400, 0) < resources.training_speed(400, 1)
    assert resources.prediction_speed(400, 1) > resources.training_speed(400, 1)


def test_pictures_are_counted_by_bytes(tmp_path):
    catalog = tmp_path / "train.bson"
    assert resources.catalog_pictures(catalog) == 0
    catalog.write_bytes(bytes(47_000))
    assert resources.catalog_pictures(catalog) == 10


def test_classes_are_the_lines_of_the_names(tmp_path):
    names = tmp_path / "category_names.csv"
    assert resources.class_count(names) == resources.PUBLISHED_CLASSES
    names.write_text("category_id,category_level1\n1,A\n2,B\n")
    assert resources.class_count(names) == 2


def test_keys_that_ask_for_more_gpus_than_there_are_end_a_run():
    with pytest.raises(
        cli.UserError, match=r"models\.M02\.gpus, models\.M03\.gpus: jobs ask for up to 8 GPUs, there are 2"
    ):
        resources.check_gpus({"models.M01.gpus": 2, "models.M02.gpus": 8, "models.M03.gpus": 4}, 2)
    resources.check_gpus({"models.M01.gpus": 2, "prediction.gpus": 1}, 2)
