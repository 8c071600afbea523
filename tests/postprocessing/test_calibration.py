"""postprocessing/calibration.py and judging.py: what decided on a product, and probabilities that can be believed."""

import numpy as np
import pandas as pd
import pytest

from known_products import all_known, index_of
from postprocessing import steps
from postprocessing.calibration import Calibration, expected_error, fitted_temperature, share_right
from postprocessing.judging import DECIDED_BY, Judged, judge
from postprocessing.means import Mean, tempered
from postprocessing.pictures import Members
from postprocessing.shards import Shards

CLASSES = pd.DataFrame({"class_id": range(3), "category_id": [10, 20, 30]})


KNOWN = all_known(index_of([(101, 20, 1), (102, 30, 2), (103, 30, 3), (103, 30, 4), (104, 10, 5), (105, 30, 5)]))

# Product 1 has a known picture and one that the networks look at, 2 none that is known, 3 the pictures of product 103,
# 4 does not decode, 5 has a known picture whose label is not the best.
INDEX = index_of([(1, 0, 2), (1, 0, 9), (2, 0, 7), (3, 0, 3), (3, 0, 4), (4, 0, 8), (5, 0, 1), (5, 0, 11), (5, 0, 12)])
PROBABILITIES = [[0, 0, 0], [0.2, 0, 0.8], [0.7, 0.2, 0.1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
PROBABILITIES += [[0, 0, 0], [0.9, 0, 0.1], [0.8, 0, 0.2]]


@pytest.fixture
def judged(tmp_path) -> Judged:
    np.save(tmp_path / "0.npy", np.array(PROBABILITIES, np.float16))
    processing = steps.PostProcessing(CLASSES, {"picture_md5": "unique", "product_md5": "on"})
    shards = Shards([tmp_path / "0.npy"], len(INDEX), len(CLASSES))
    members = Members([(processing.image_set(INDEX, INDEX, KNOWN), shards)], Mean("arithmetic", [1.0]))
    [found] = judge(processing, INDEX, members, KNOWN)
    return found


def test_what_decides_is_told_of_each_product(judged):
    names = [DECIDED_BY[number] for number in judged.decided_by]
    assert names == ["known picture", "networks", "known product", "nothing", "networks"]
    assert judged.classes.tolist() == [2, 0, 2, 2, 0]  # without a picture, that of most known products
    assert judged.pictures.tolist() == [2, 1, 2, 0, 3]
    np.testing.assert_allclose(judged.scores[0], [0.1, 0, 0.9], atol=1e-3)


def test_what_is_known_has_the_share_that_was_right_and_the_rest_goes_to_the_others(judged):
    calibration = Calibration(1.0, {"known picture": 0.6, "known product": 0.75})
    found = calibration.probabilities(judged)
    np.testing.assert_allclose(found[0], [0.4, 0, 0.6], atol=1e-3)
    np.testing.assert_allclose(found[1], [0.7, 0.2, 0.1], atol=1e-3)
    np.testing.assert_allclose(found[2], [0, 0, 0.75])  # nothing is known of the others
    assert not found[3].any()


def test_the_rest_goes_to_others_whose_scores_are_as_small_as_numbers_get():
    scores = np.array([[1e-42, 3e-42, 1]], np.float32)
    one = np.array([1])
    judged = Judged(one - 1, scores, one + 1, np.array([DECIDED_BY.index("known picture")], np.int8), one)
    found = Calibration(1.0, {"known picture": 0.6}).probabilities(judged)
    np.testing.assert_allclose(found, [[0.1, 0.3, 0.6]], rtol=0.01)


@pytest.mark.parametrize("wrong", [0.4, 1.0, 2.5])
def test_a_temperature_is_found_that_was_put_in(wrong):
    """Labels are drawn from probabilities; scores are these, too sharp or too soft."""
    rng = np.random.default_rng(1)
    true = rng.dirichlet(np.full(20, 0.3), 8000).astype(np.float32)
    truth = np.array([rng.choice(20, p=row / row.sum()) for row in true.astype(float)])
    scores = tempered(true.copy(), 1 / wrong)
    assert fitted_temperature(scores, truth) == pytest.approx(wrong, rel=0.05)
    confidence, is_right = scores.max(axis=1), scores.argmax(axis=1) == truth
    calibrated = tempered(scores.copy(), fitted_temperature(scores, truth)).max(axis=1)
    assert expected_error(calibrated, is_right) < 0.02
    if wrong != 1:
        assert expected_error(confidence, is_right) > 0.05


def test_few_products_fit_no_temperature():
    assert fitted_temperature(np.full((49, 2), 0.5, np.float32), np.zeros(49, int)) == 1.0


def test_the_expected_error_is_the_mean_gap_of_bins():
    confidence, is_right = np.array([0.99, 0.95, 0.5, 0.5]), np.array([True, False, True, True])
    assert expected_error(confidence, is_right) == pytest.approx((abs(0.97 - 0.5) * 2 + abs(0.5 - 1) * 2) / 4)


def test_a_share_without_products_is_a_half_and_with_many_what_was_seen():
    assert share_right(np.zeros(0, bool)) == 0.5
    assert share_right(np.arange(1000) < 900) == pytest.approx(0.9, abs=1e-3)
