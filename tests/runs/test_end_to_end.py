"""The whole chain, from a catalog's dump to submissions, against the catalog's known truth."""

import json

import bson
import pandas as pd

from training.metrics import epochs_until

CATEGORIES = 24


def catalog_ids(folder):
    [path] = folder.glob("results/catalog-*/test.bson")
    with path.open("rb") as catalog:
        return [product["_id"] for product in bson.decode_file_iter(catalog)]


def truth(folder):
    [path] = folder.glob("results/catalog-*/test_categories.csv")
    return pd.read_csv(path, index_col="_id").category_id


def test_a_submission_has_one_row_per_test_product_in_the_catalogs_order(finished_workflow):
    for ensemble in ("ensemble-1", "ensemble-2", "ensemble-4"):
        submission = pd.read_csv(finished_workflow / f"results/submission/{ensemble}.csv.gz")
        assert list(submission.columns) == ["_id", "category_id"]
        assert submission["_id"].tolist() == catalog_ids(finished_workflow)


def test_a_submission_is_far_better_than_chance(finished_workflow):
    submission = pd.read_csv(finished_workflow / "results/submission/ensemble-4.csv.gz", index_col="_id")
    accuracy = (submission.category_id == truth(finished_workflow)).mean()
    assert accuracy > 6 / CATEGORIES


def test_every_epoch_leaves_its_parameters_and_metrics(finished_workflow):
    models = finished_workflow / "results/models"
    epochs = {"M01": 3, "M09": 3, "M10": 3, "M11": 2}
    assert sorted(folder.name for folder in models.iterdir()) == sorted(epochs)
    for model, count in epochs.items():
        names = [f"{epoch:04d}" for epoch in range(1, count + 1)]
        params = sorted((models / model).glob("*.params"))
        assert [path.stem.partition("-")[0] for path in params] == names
        last = json.loads(params[-1].with_suffix(".json").read_text())
        assert [epoch["epoch"] for epoch in epochs_until(last)] == list(range(1, count + 1))


def test_the_first_model_answers_before_a_later_one_is_trained(finished_workflow):
    results = finished_workflow / "results"
    answers = [*results.glob("probabilities/*/M01-*/*.npy"), *results.glob("by-recipe/evaluation/*/M01.json")]
    [later] = results.glob("models/M10/0003-*.params")
    assert len(answers) == 3
    assert max(path.stat().st_mtime for path in answers) < later.stat().st_mtime
