"""heads/training.py: what heads learn, and that products kept aside choose."""

import numpy as np
import pytest

import cli
from heads import schedule, training
from heads.inputs import Features, Inputs
from heads.training import Lesson
from postprocessing.shards import Shards

CLASSES = 4


def lesson(path, products: int, noise: float, seed: int = 0, columns: int = 12) -> Lesson:
    """Products of two pictures whose features lie around the centre of their class; rows are pictures."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(0, 1, (CLASSES, columns))
    labels = np.arange(2 * products) // 2 % CLASSES
    rows = (3 + centres[labels] + generator.normal(0, noise, (2 * products, columns))).astype(np.float16)
    np.save(path, rows)
    features = Features([Shards([path], len(rows))])
    numbers = np.arange(len(rows))
    inputs = Inputs(features, numbers, numbers, False)
    return Lesson(inputs, labels, numbers // 2, np.ones(len(rows), bool))


def right(arrays, given: Lesson) -> float:
    rows, _ = given.inputs.read(0, len(given.inputs))
    weights = [array for name, array in arrays.items() if name.startswith("layer")]
    found = training.layers.probabilities(weights, (rows - arrays["mean"]) / arrays["deviation"])
    return float((found.argmax(axis=1) == given.labels).mean())


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_head_tells_products_apart_that_it_has_not_seen(tmp_path, hidden):
    arrays, told = training.train(lesson(tmp_path / "a.npy", 200, 0.3), CLASSES, hidden, seed=1)
    assert right(arrays, lesson(tmp_path / "b.npy", 50, 0.3)) > 0.95
    assert told["kept_aside"]["products"] == 2 * 20
    assert told["kept_aside"]["top1"] > 0.9
    assert told["classes_without_products"] == 0


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path):
    given = lesson(tmp_path / "a.npy", 60, 1.0)
    first, again, other = (training.train(given, CLASSES, 0, seed)[0] for seed in (1, 1, 2))
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)


def test_noise_is_met_by_a_larger_penalty_or_an_earlier_end(tmp_path):
    clear, noisy = (
        training.train(lesson(tmp_path / f"{noise}.npy", 60, noise), CLASSES, 0, 1)[1] for noise in (0.2, 9)
    )
    assert (noisy["penalty"], -noisy["part_of_schedule"]) > (clear["penalty"], -clear["part_of_schedule"])


def test_pictures_that_others_learn_from_do_not_judge(tmp_path):
    given = lesson(tmp_path / "a.npy", 60, 0.5)
    pictures = given.inputs.pictures.copy()
    pictures[::2] = 0  # one picture is in all products
    shared = given._replace(inputs=Inputs(given.inputs.features, pictures, given.inputs.starts, False))
    fitting, aside = training._kept_aside(shared, seed=1)
    assert aside.sum() == 6
    assert (pictures[aside] != 0).all()
    assert not np.isin(given.products[aside], given.products[fitting]).any()


def test_few_products_are_all_learned_from_and_the_note_says_so(tmp_path):
    arrays, told = training.train(lesson(tmp_path / "a.npy", 5, 0.1), CLASSES + 2, 0, seed=1)
    assert told["kept_aside"] is None
    assert told["classes_without_products"] == 2
    assert right(arrays, lesson(tmp_path / "b.npy", 5, 0.1)) > 0.9


def test_more_rows_than_stay_in_memory_are_read_again_and_learned_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BLOCK", 16)
    given = lesson(tmp_path / "a.npy", 60, 0.5)
    kept, _ = training.train(given, CLASSES, 0, seed=1)
    monkeypatch.setattr(training, "KEPT_BYTES", 16 * 12 * 4 * 2)
    read, _ = training.train(given, CLASSES, 0, seed=1)
    assert all(kept[name].tobytes() == read[name].tobytes() for name in kept)


def test_every_row_comes_once_in_a_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BLOCK", 8)
    monkeypatch.setattr(training, "SHUFFLED", 3)
    monkeypatch.setattr(schedule, "BATCH", 10)
    given = lesson(tmp_path / "a.npy", 50, 0.5)
    used = given.products != 7
    found = training._batches(training.Rows(given.inputs), np.arange(100), used, np.random.default_rng(1))
    first = np.concatenate([labels for _, (_, labels) in zip(range(9), found, strict=False)])
    assert len(set(first.tolist())) == len(first)
    assert not set(first.tolist()) & {14, 15}


def test_pictures_without_pixels_alone_are_one_line(tmp_path):
    given = lesson(tmp_path / "a.npy", 5, 0.1)
    np.save(tmp_path / "a.npy", np.zeros((10, 12), np.float16))
    empty = given._replace(inputs=Inputs(Features([Shards([tmp_path / "a.npy"], 10)]), *_parts(given), False))
    with pytest.raises(cli.UserError, match="no picture that the head could learn from decodes"):
        training.train(empty, CLASSES, 0, seed=1)


def _parts(given: Lesson) -> tuple[np.ndarray, np.ndarray]:
    return given.inputs.pictures, given.inputs.starts
