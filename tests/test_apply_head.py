"""apply_head.py: a row per picture or per product, in shards, against plain NumPy."""

import numpy as np
import pandas as pd
import pytest

import apply_head
from programs import error_of, run_apart
from training import params_file

# Products of 2, 1 and 3 pictures; of the second none is listed, of the third one is not.
PRODUCTS, MD5S = [4, 4, 2, 9, 9, 9], [0, 1, 100, 2, 101, 3]
FEATURES = np.array([[1, 2], [3, 4], [5, 6], [0, 0]], np.float16)  # the last picture has no pixels
GENERATOR = np.random.default_rng(3)


def layers(columns: int) -> dict[str, np.ndarray]:
    arrays = {"mean": GENERATOR.normal(0, 1, columns), "deviation": GENERATOR.uniform(1, 2, columns)}
    arrays |= {"layer0_weight": GENERATOR.normal(0, 1, (columns, 3)), "layer0_bias": GENERATOR.normal(0, 1, 3)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def expected(arrays: dict[str, np.ndarray], rows: list[list[float] | None]) -> np.ndarray:
    found = []
    for row in rows:
        if row is None:
            found.append(np.zeros(3))
            continue
        scores = (np.array(row) - arrays["mean"]) / arrays["deviation"] @ arrays["layer0_weight"] + arrays[
            "layer0_bias"
        ]
        found.append(np.exp(scores) / np.exp(scores).sum())
    return np.array(found)


@pytest.fixture
def words(tmp_path) -> list[object]:
    half = np.array(MD5S, np.uint64)
    pd.DataFrame({"product_id": PRODUCTS, "md5_hi": half, "md5_lo": half}).to_parquet(tmp_path / "index.parquet")
    listed = np.arange(4, dtype=np.uint64)
    pd.DataFrame({"md5_hi": listed, "md5_lo": listed}).to_parquet(tmp_path / "images.parquet")
    for shard, rows in enumerate((FEATURES[:1], FEATURES[1:])):
        np.save(tmp_path / f"{shard}.npy", rows)
    words = ["--index", tmp_path / "index.parquet", "--images", tmp_path / "images.parquet", "--models", "F1"]
    return [*words, "--features", tmp_path / "0.npy", tmp_path / "1.npy", "--head", tmp_path / "H.params"]


def applied(tmp_path, words: list[object], of: str, shards: int) -> np.ndarray:
    found = []
    for shard in range(shards):
        output = tmp_path / f"out{shard}.npy"
        done = run_apart("apply_head", *words, "--of", of, "--shard", shard, "--shards", shards, "--output", output)
        assert done.returncode == 0, done.stderr
        found.append(np.load(output))
    assert all(each.dtype == np.float16 for each in found)
    return np.concatenate(found)


def test_a_head_of_pictures_gives_a_row_per_listed_picture(tmp_path, words):
    arrays = layers(2)
    params_file.write(tmp_path / "H.params", arrays)
    found = applied(tmp_path, words, "pictures", 2)
    np.testing.assert_allclose(found, expected(arrays, [*FEATURES[:3].tolist(), None]), atol=1e-3)


def test_a_head_of_products_gives_a_row_per_product_in_the_indexs_order(tmp_path, words):
    arrays = layers(3)
    params_file.write(tmp_path / "H.params", arrays)
    rows = [[2, 3, 1], None, [5, 6, 0]]
    np.testing.assert_allclose(applied(tmp_path, words, "products", 2), expected(arrays, rows), atol=1e-3)


def test_a_head_of_other_features_is_one_line(tmp_path, words):
    params_file.write(tmp_path / "H.params", layers(5))
    done = run_apart(
        "apply_head", *words, "--of", "pictures", "--shard", 0, "--shards", 1, "--output", tmp_path / "o.npy"
    )
    assert "H.params: a head of 5 columns, the features have 2; train it again" in error_of(done)
    assert not (tmp_path / "o.npy").exists()


def test_blocks_of_rows_change_nothing(tmp_path, words, monkeypatch):
    params_file.write(tmp_path / "H.params", layers(3))
    whole = applied(tmp_path, words, "products", 1)
    monkeypatch.setattr(apply_head, "BLOCK", 1)
    given = ["apply_head.py", *words, "--of", "products", "--shard", 0, "--shards", 1, "--output", tmp_path / "o.npy"]
    monkeypatch.setattr("sys.argv", list(map(str, given)))
    apply_head.main()
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), whole)
