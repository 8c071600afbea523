"""write_answers.py: a row per product, with the category of the submission and what it is worth."""

import json
import sys
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest

import write_answers
from test_write_submission import folder, submit  # noqa: F401

CALIBRATION = {"temperature": 1.0, "shares_right": {"known picture": 0.9, "known product": 0.95}}


def answer(folder: Path, monkeypatch, output: Path, *more: object, **calibration: object) -> pd.DataFrame:  # noqa: F811
    output.with_suffix(".json").write_text(json.dumps(CALIBRATION | calibration))
    words = ["--index", folder / "test.parquet", "--rejects", folder / "rejects.csv", "--picture-md5", "unique",
             "--images", folder / "unique.parquet", "--known", folder / "train.parquet",
             "--classes", folder / "classes.csv", "--product-md5", "on", *more,
             "--calibration", output.with_suffix(".json"), "--parquet", output.with_suffix(".parquet"),
             "--csv", output.with_suffix(".csv.gz"),
             "--probabilities", *[folder / f"unique-{shard}.npy" for shard in range(3)]]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["write_answers", *map(str, words)])
    write_answers.main()
    return pd.read_parquet(output.with_suffix(".parquet"))


def test_each_product_has_the_category_of_the_submission(folder, tmp_path, monkeypatch):  # noqa: F811
    answers = answer(folder, monkeypatch, tmp_path / "a", temperature=1.7)
    submit(folder, monkeypatch, tmp_path / "s.csv.gz")
    submission = pd.read_csv(tmp_path / "s.csv.gz")
    assert answers["product"].tolist() == submission._id.tolist()
    assert answers.category.tolist() == submission.category_id.tolist()
    written = pd.read_csv(tmp_path / "a.csv.gz", keep_default_na=False)
    assert list(written) == list(answers)
    assert written.category.tolist() == answers.category.tolist()
    assert "accepted" not in answers


def test_members_of_products_answer_as_in_the_submission(folder, tmp_path, monkeypatch):  # noqa: F811
    products = pd.read_parquet(folder / "test.parquet").product_id.nunique()
    np.save(tmp_path / "0.npy", np.random.default_rng(4).dirichlet(np.full(5, 0.3), products).astype(np.float16))
    more = ("--of-products", tmp_path / "0.npy", "--weights", 1, 2)
    alone = answer(folder, monkeypatch, tmp_path / "alone")
    answers = answer(folder, monkeypatch, tmp_path / "a", *more)
    submit(folder, monkeypatch, tmp_path / "s.csv.gz", "unique", "on", *more)
    assert answers.category.tolist() == pd.read_csv(tmp_path / "s.csv.gz").category_id.tolist()
    assert (answers.category != alone.category).sum() > 10


def test_names_stand_beside_the_ids(folder, tmp_path, monkeypatch):  # noqa: F811
    index = pd.read_parquet(folder / "test.parquet")
    offsets, size = [], 0
    with (tmp_path / "test.bson").open("wb") as file:
        for number in index.product_id.unique():
            offsets.append(size)
            size += file.write(bson.encode({"_id": int(number), "title": f"name of {number}", "imgs": []}))
    at = dict(zip(index.product_id.unique(), offsets, strict=True))
    (tmp_path / "folder").mkdir()
    for path in folder.iterdir():
        (tmp_path / "folder" / path.name).symlink_to(path)
    (tmp_path / "folder/test.parquet").unlink()
    index.assign(doc_offset=index.product_id.map(at)).to_parquet(tmp_path / "folder/test.parquet", index=False)
    (tmp_path / "folder/rejects.csv").unlink()
    (tmp_path / "folder/rejects.csv").write_text("offset,product_id,image,reason\n")
    more = ("--name-field", "title", "--catalog", tmp_path / "test.bson")
    answers = answer(tmp_path / "folder", monkeypatch, tmp_path / "a", *more)
    assert list(answers)[:3] == ["product", "name", "category"]
    assert answers["name"].tolist() == [f"name of {number}" for number in answers["product"]]
    written = pd.read_csv(tmp_path / "a.csv.gz")
    assert written["name"].tolist() == answers["name"].tolist()


def test_a_row_says_how_sure_it_is_and_what_decided(folder, tmp_path, monkeypatch):  # noqa: F811
    answers = answer(folder, monkeypatch, tmp_path / "a").set_index("product")
    assert set(answers.decided_by) == {"networks", "known picture", "known product", "nothing"}
    known = answers[answers.decided_by.isin(["known picture", "known product"])]
    share = known.decided_by.map(CALIBRATION["shares_right"])
    np.testing.assert_allclose(known.probability, share, atol=1e-6)
    of_networks = answers[answers.decided_by == "networks"]
    assert (of_networks.category.astype(str) == of_networks.category_1).all()
    np.testing.assert_allclose(of_networks.probability - of_networks.probability_2, of_networks.margin, atol=1e-6)
    best = answers[[f"probability_{number}" for number in range(1, 6)]].to_numpy()
    assert (np.diff(best, axis=1) <= 0).all()
    np.testing.assert_allclose(best[answers.decided_by == "networks"].sum(axis=1), 1, atol=1e-2)  # of five classes
    assert (answers.category_5[answers.probability_5 == 0] == "").all()


def test_pictures_that_count_and_those_that_do_not_decode_are_told(folder, tmp_path, monkeypatch):  # noqa: F811
    answers = answer(folder, monkeypatch, tmp_path / "a").set_index("product")
    index = pd.read_parquet(folder / "test.parquet")
    counts = index.groupby("product_id").size().reindex(answers.index, fill_value=0)
    assert (answers.pictures_used + answers.pictures_not_decoded == counts).all()
    assert answers.pictures_not_decoded.sum() > 3
    nothing = answers[answers.decided_by == "nothing"]
    assert 7000 in nothing.index  # which the index has left out
    assert not nothing[["pictures_used", "probability", "probability_1"]].to_numpy().any()


def test_a_picture_that_the_index_has_left_out_counts_as_not_decoded(folder, tmp_path, monkeypatch):  # noqa: F811
    before = answer(folder, monkeypatch, tmp_path / "a").set_index("product").pictures_not_decoded
    first = before.index[0]
    (tmp_path / "rejects.csv").write_text(f"offset,product_id,image,reason\n0,{first},2,the JPEG does not decode\n")
    for path in folder.iterdir():
        if path.name != "rejects.csv":
            (tmp_path / path.name).symlink_to(path)
    after = answer(tmp_path, monkeypatch, tmp_path / "b").set_index("product").pictures_not_decoded
    assert after[first] == before[first] + 1


@pytest.mark.parametrize("limit", [0.0, 0.6, None])
def test_an_answer_is_given_at_the_deepest_level_that_is_sure_enough(folder, tmp_path, monkeypatch, limit):  # noqa: F811
    classes = pd.read_csv(folder / "classes.csv").assign(level1=["x", "x", "y", "y", "y"], level2=["b"] * 5)
    classes.to_csv(tmp_path / "classes.csv", index=False)
    for path in folder.iterdir():
        if path.name != "classes.csv":
            (tmp_path / path.name).symlink_to(path)
    limits = {"levels": ["category", "level1"], "of_others": [limit, 0.55], "own": [{}, {"x": None}]}
    (tmp_path / "limits.json").write_text(json.dumps(limits))
    answers = answer(tmp_path, monkeypatch, tmp_path / "a", "--thresholds", tmp_path / "limits.json")
    by_category = answers.probability >= (np.inf if limit is None else limit)
    assert (answers.accepted[by_category] == "category").all()
    assert (answers.accepted[~by_category] != "category").all()
    if limit is None:
        above = answers[answers.accepted == "level1"]
        assert len(above) > 10
        assert set(above.answer) <= {"x", "y"}
        assert set(above.level1) == {"y"}  # what is taken for a category of x has another threshold: none
    if limit == 0.6:
        named = answers[answers.accepted == "category"]
        assert (named.answer == named.level1 + " / b / c").all()
    refused = answers[answers.accepted == ""]
    assert len(refused) > 10 or limit == 0
    assert (refused.answer == "").all()
