"""average_models.py beside the same means in float64, and what it says of files that do not belong together."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import average_models
import cli
from postprocessing.float16 import narrowed, widened
from postprocessing.learned import Combination, Learned
from postprocessing.means import SMALLEST_PROBABILITY
from programs import error_of, run
from tiny_catalogs import files_below

ROWS, CLASSES = 57, 23
UNDECODABLE = [0, 20, 56]
HALF_ULP = 2.0**-11  # relative, of float16


def draw(seed: int, rows: int = ROWS) -> np.ndarray:
    """Peaked probabilities: some are 0 in float16, some below its smallest normal number."""
    powers = np.exp(4 * np.random.default_rng(seed).standard_normal((rows, CLASSES)))
    powers[:, seed % CLASSES] = 0
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float16)
    probabilities[[row for row in UNDECODABLE if row < rows]] = 0
    return probabilities


def written(folder: Path, arrays: list[np.ndarray]) -> list[Path]:
    paths = [folder / f"M{number:02d}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return paths


def average(monkeypatch, output: Path, members: list[Path], *words: object) -> None:
    words = ["average_models", "--output", output, *words, *(["--"] if "--weights" in words else []), *members]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    average_models.main()


def plain_mean(arrays: list[np.ndarray], mean: str, weights: list[float]) -> np.ndarray:
    values = np.array(arrays, np.float64)
    shares = np.array(weights)[:, None, None] / sum(weights)
    if mean == "arithmetic":
        return (shares * values).sum(axis=0)
    product = (np.maximum(values, SMALLEST_PROBABILITY) ** shares).prod(axis=0)
    product /= product.sum(axis=1, keepdims=True)
    product[~values.any(axis=2).all(axis=0)] = 0
    return product


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
@pytest.mark.parametrize("weights", [None, [1, 1, 1, 1, 1, 2, 0], [3, 1, 2, 2, 0.5, 0.5, 0.5]])
def test_a_mean_is_that_of_plain_arithmetic(tmp_path, monkeypatch, mean, weights):
    arrays = [draw(seed) for seed in range(7)]
    members = written(tmp_path, arrays)
    words = ["--mean", mean, *(["--weights", *weights] if weights else [])]
    average(monkeypatch, tmp_path / "out/0000.npy", members, *words)
    found = np.load(tmp_path / "out/0000.npy")
    expected = plain_mean(arrays, mean, weights or [1] * 7)
    assert found.dtype == np.float16
    # Numbers below float16's normal ones have a fixed step.
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=1.02 * HALF_ULP, atol=2.0**-25 * 1.02)
    assert (found == 0).all(axis=1).nonzero()[0].tolist() == UNDECODABLE


def learned(folder: Path, weights: list[float], temperatures: list[float]) -> Path:
    models = [f"M{number:02d}" for number in range(len(weights))]
    found = Learned(models, Combination("learned", weights, temperatures), [], [], 0, "")
    (folder / "learned.json").write_text(found.as_json())
    return folder / "learned.json"


def test_a_learned_mean_tempers_its_members_and_asks_those_alone_that_count(tmp_path, monkeypatch):
    arrays = [draw(seed) for seed in range(3)]
    members = written(tmp_path, arrays)
    file = learned(tmp_path, [0.25, 0.0, 0.75], [1.0, 2.0, 0.7])
    members[1].unlink()
    words = ["--mean", "learned", "--learned", file, "--models", "M00", "M02", "--"]
    average(monkeypatch, tmp_path / "out.npy", [members[0], members[2]], *words)
    powers = arrays[2].astype(np.float64) ** (1 / 0.7)
    tempered = powers / np.maximum(powers.sum(axis=1, keepdims=True), 1e-300)
    expected = plain_mean([arrays[0], tempered], "arithmetic", [0.25, 0.75])
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=1.02 * HALF_ULP, atol=2.0**-25 * 1.02)
    assert (found == 0).all(axis=1).nonzero()[0].tolist() == UNDECODABLE


def test_members_that_do_not_count_change_nothing(tmp_path, monkeypatch):
    members = written(tmp_path, [draw(seed) for seed in range(3)])
    words = ["--mean", "learned", "--learned", learned(tmp_path, [0.5, 0.0, 0.5], [1.0, 1.0, 1.3]), "--models"]
    average(monkeypatch, tmp_path / "all.npy", members, *words, "M00", "M01", "M02", "--")
    average(monkeypatch, tmp_path / "some.npy", [members[0], members[2]], *words, "M00", "M02", "--")
    assert (tmp_path / "all.npy").read_bytes() == (tmp_path / "some.npy").read_bytes()


def test_a_member_that_counts_and_is_not_given_is_named(tmp_path, monkeypatch):
    members = written(tmp_path, [draw(0)])
    words = ["--mean", "learned", "--learned", learned(tmp_path, [0.5, 0.5], [1.0, 1.0]), "--models", "M00", "--"]
    with pytest.raises(cli.UserError, match=r"learned.json: M01 counts, but its probabilities are not given"):
        average(monkeypatch, tmp_path / "out.npy", members, *words)


def test_a_single_member_is_its_own_mean(tmp_path, monkeypatch):
    member = draw(1)
    average(monkeypatch, tmp_path / "out.npy", written(tmp_path, [member]), "--mean", "arithmetic")
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "M00.npy").read_bytes()


def test_a_picture_that_one_member_could_not_decode_has_no_mean(tmp_path, monkeypatch):
    arrays = [draw(seed) for seed in range(3)]
    arrays[1][7] = 0
    for mean in ("arithmetic", "geometric"):
        average(monkeypatch, tmp_path / "out.npy", written(tmp_path, arrays), "--mean", mean)
        assert (np.load(tmp_path / "out.npy") == 0).all(axis=1).nonzero()[0].tolist() == sorted([*UNDECODABLE, 7])


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("values", [1, CLASSES * 2, CLASSES * 13 + 5, CLASSES * ROWS])
def test_the_size_of_a_block_and_the_threads_do_not_change_a_byte(tmp_path, monkeypatch, mean, values, threads):
    members = written(tmp_path, [draw(seed) for seed in range(5)])
    average(monkeypatch, tmp_path / "whole.npy", members, "--mean", mean)
    monkeypatch.setattr(average_models, "VALUES_PER_BLOCK", values)
    average(monkeypatch, tmp_path / "blocks.npy", members, "--mean", mean, "--threads", threads)
    assert (tmp_path / "blocks.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_shard_without_pictures_has_none_in_the_ensemble(tmp_path, monkeypatch):
    members = written(tmp_path, [draw(seed, rows=0) for seed in range(2)])
    average(monkeypatch, tmp_path / "out.npy", members, "--mean", "geometric")
    assert np.load(tmp_path / "out.npy").shape == (0, CLASSES)


def test_conversion_is_that_of_numpy():
    every_float16 = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(64, -1)
    np.testing.assert_array_equal(widened(every_float16), every_float16.astype(np.float32))
    float32 = np.random.default_rng(1).random((64, 4096), np.float32) ** 8
    np.testing.assert_array_equal(narrowed(float32), float32.astype(np.float16))


def other_shape(path: Path) -> None:
    np.save(path, draw(1)[:-1])


def float32(path: Path) -> None:
    np.save(path, draw(1).astype(np.float32))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def text(path: Path) -> None:
    path.write_text("no array " * 50)


def an_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, draw(1))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (other_shape, f"shape {(ROWS - 1, CLASSES)}, but "),
        (float32, "not an array (pictures, classes) of float16"),
        (truncated, "not an array of probabilities"),
        (text, "not an array of probabilities"),
        (an_archive, "not an array of probabilities"),
        (lambda path: np.save(path, draw(1)[0]), "not an array (pictures, classes) of float16"),
        (lambda path: np.save(path, np.asfortranarray(draw(1))), "not an array (pictures, classes) of float16"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "not an array of probabilities"),
        (lambda path: path.write_bytes(b""), "not an array of probabilities"),
    ],
)
def test_a_member_that_does_not_fit_is_named_and_nothing_written(tmp_path, monkeypatch, damage, reason):
    members = written(tmp_path, [draw(seed) for seed in range(3)])
    damage(members[1])
    before = files_below(tmp_path)
    with pytest.raises(cli.UserError, match=r"M01\.npy: ") as caught:
        average(monkeypatch, tmp_path / "out.npy", members, "--mean", "arithmetic")
    assert reason in str(caught.value)
    assert "again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == before


def test_a_member_that_shrinks_while_it_is_read_is_named_and_nothing_written(tmp_path, monkeypatch):
    members = written(tmp_path, [draw(seed) for seed in range(3)])
    before = files_below(tmp_path)
    monkeypatch.setattr(average_models, "VALUES_PER_BLOCK", CLASSES * 13)
    opened = average_models.open_members

    def shrunk(paths: list[Path]):
        shards = opened(paths)
        os.truncate(paths[1], paths[1].stat().st_size - 1)
        return shards

    monkeypatch.setattr(average_models, "open_members", shrunk)
    with pytest.raises(cli.UserError, match=r"M01\.npy: the file shrank while it was read; predict the shard again"):
        average(monkeypatch, tmp_path / "out.npy", members, "--mean", "arithmetic")
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, CLASSES - 1])
def test_a_number_that_is_not_finite_names_member_and_row_and_nothing_is_written(
    tmp_path, monkeypatch, mean, number, column
):
    arrays = [draw(seed) for seed in range(3)]
    arrays[1][41, column] = number
    members = written(tmp_path, arrays)
    before = files_below(tmp_path)
    monkeypatch.setattr(average_models, "VALUES_PER_BLOCK", CLASSES * 13)
    with pytest.raises(cli.UserError, match=r"M01\.npy: row 41: probabilities that are not finite; predict the shard"):
        average(monkeypatch, tmp_path / "out.npy", members, "--mean", mean, "--weights", 1, 0, 2)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], ["nan", 1], ["inf", 1]])
def test_weights_that_make_no_mean_are_refused(tmp_path, monkeypatch, weights):
    members = written(tmp_path, [draw(1), draw(2)])
    before = files_below(tmp_path)
    with pytest.raises(cli.UserError, match=r"^--weights: .*\w$"):
        average(monkeypatch, tmp_path / "out.npy", members, "--mean", "arithmetic", "--weights", *weights)
    assert files_below(tmp_path) == before


def test_a_missing_member_is_named(tmp_path):
    members = [*written(tmp_path, [draw(1)]), tmp_path / "M99.npy"]
    done = run("average_models", "--mean", "arithmetic", "--output", tmp_path / "out.npy", *members)
    assert f"{tmp_path / 'M99.npy'}: No such file" in error_of(done)
    assert files_below(tmp_path) == {"M00.npy"}
