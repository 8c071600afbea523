"""What epochs are trained with: reading a recipe's file, and the course of the learning rate."""

import json

import numpy as np

from plain_recipes import entries, recipe
from training.recipe import read_recipe


def test_a_recipes_file_is_read_without_what_identifies_records_and_weights(tmp_path):
    path = tmp_path / "0001.recipe.json"
    path.write_text(json.dumps(entries(body_rate=0.3) | {"revision": 2, "before": "0123456789"}))
    assert read_recipe(path) == recipe(body_rate=0.3)


def test_an_epoch_goes_on_from_all_arrays_and_a_transfer_from_a_share():
    assert recipe().min_transfer == 1.0
    assert recipe(transfer={"min_transfer": 0.2}).min_transfer == 0.2


def shares(course: dict | None, epochs: range, batches: int) -> list[float]:
    settings = recipe(course=course)
    return [settings.rate_share(epoch, batch, batches) for epoch in epochs for batch in range(batches)]


def test_a_rate_warms_up_and_falls_to_0_by_a_cosine_over_all_epochs_of_its_step():
    course = {"decay": "cosine", "warmup_steps": 4, "epochs": 3, "after": 5}
    found = shares(course, range(6, 9), batches=10)
    np.testing.assert_allclose(found[:5], [0.25, 0.5, 0.75, 1, 1])
    expected = [0.5 + 0.5 * np.cos(np.pi * step / 26) for step in range(26)]
    np.testing.assert_allclose(found[4:], expected)
    assert found[-1] < 0.01


def test_a_warm_up_leaves_three_quarters_of_a_small_catalogs_batches():
    course = {"decay": "cosine", "warmup_steps": 50, "epochs": 4, "after": 0}
    found = shares(course, range(1, 5), batches=2)
    np.testing.assert_allclose(found[:3], [0.5, 1, 1])
    assert shares(course | {"epochs": 1}, range(1, 2), batches=1) == [1.0]


def test_a_rate_without_a_decay_stays_after_its_warm_up():
    course = {"decay": "constant", "warmup_steps": 4, "epochs": 2, "after": 0}
    np.testing.assert_allclose(shares(course, range(1, 3), batches=8), [0.25, 0.5, 0.75, *[1] * 13])
    assert shares(None, range(1, 3), batches=2) == [1.0] * 4
