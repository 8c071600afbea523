"""heads/inputs.py: the rows of a head against plain means."""

import numpy as np
import pytest

import cli
from heads.inputs import Features, Inputs

PICTURES = 20


@pytest.fixture
def features(tmp_path) -> tuple[Features, np.ndarray]:
    """Features of two models in two shards each, and all of them as one array; picture 3 has no pixels."""
    generator = np.random.default_rng(0)
    arrays = [generator.uniform(1, 2, (PICTURES, columns)).astype(np.float16) for columns in (4, 3)]
    paths = []
    for name, array in zip("ab", arrays, strict=True):
        array[3] = 0
        for shard, rows in enumerate((array[:9], array[9:])):
            paths.append(tmp_path / f"{name}{shard}.npy")
            np.save(paths[-1], rows)
    return Features.open(paths, 2, PICTURES), np.hstack(arrays).astype(np.float32)


def test_a_row_is_the_mean_over_the_pictures_that_have_pixels_and_the_logarithm_of_their_number(features):
    shards, whole = features
    parts = [[5], [3, 7, 19], [0, 1, 2, 8], [3], [7, 7]]
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    inputs = Inputs(shards, np.concatenate(parts), starts, True)
    assert (len(inputs), inputs.columns) == (5, 8)
    rows, has_pixels = inputs.read(0, 5)
    np.testing.assert_array_equal(has_pixels, [True, True, True, False, True])
    seen = [[5], [7, 19], [0, 1, 2, 8], [], [7, 7]]
    for row, each in zip(rows, seen, strict=True):
        expected = whole[each].mean(axis=0) if each else np.zeros(7)
        np.testing.assert_allclose(row, [*expected, np.log2(max(len(each), 1))], rtol=1e-6)
    np.testing.assert_array_equal(inputs.read(1, 3)[0], rows[1:3])


def test_features_of_other_pictures_or_of_another_width_are_one_line(features, tmp_path):
    paths = [tmp_path / f"a{shard}.npy" for shard in (0, 1)]
    with pytest.raises(cli.UserError, match="the shards hold 20 rows, the list of pictures 21; predict them again"):
        Features.open(paths, 1, PICTURES + 1)
    with pytest.raises(cli.UserError, match=r"b1\.npy: 3 features, .*a0\.npy has 4; predict it again"):
        Features.open([paths[0], tmp_path / "b1.npy"], 1, PICTURES)
