"""tabulate_models.py puts measured figures beside the published ones, where the catalog is the published one."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

import tabulate_models
from drawn import BY_LEVEL

PUBLISHED = Path(tabulate_models.__file__).parent / "published"
MODELS = pd.read_csv(PUBLISHED / "models.csv")
ENSEMBLES = pd.read_csv(PUBLISHED / "ensembles.csv")
EVALUATION = {
    "products": 1000,
    "product_md5": "on",
    "picture": {"top1": 0.58},
    "steps": {"networks": {"accuracy": 0.6}},
    "accuracy": 0.7,
    "interval": [0.671, 0.728],
}
LAST_EPOCHS = pd.DataFrame({"valid_top1": 0.55, "train_images_per_second": 1234.4}, index=["M02", "M77"])
COMMON = pd.DataFrame({"networks": [True, False, False, False]})
CONFIGURED = {"network": "dpn-92", "dataset": "C", "epochs": 2}
MEASURED = {
    "pictures right, without mirror, %": "55.00",
    "pictures right, with mirror, %": "58.00",
    "products right, networks alone, %": "60.00",
    "products right, labelled, %": "70.00",
    "95 % interval of labelled": "67.1 to 72.8",
    "products measured": "1,000",
    "same 4 products: networks alone, %": "25.00",
    "passes": 2,
    "training, pictures/s": "1,234",
}


def model_rows(published: pd.DataFrame | None) -> list[dict]:
    names = ["M02", "M77"]
    models, *measured = (dict.fromkeys(names, value) for value in (CONFIGURED, EVALUATION, COMMON, 2))
    return tabulate_models.model_rows(models, LAST_EPOCHS, *measured, published)


def test_a_published_model_stands_beside_its_figures_and_another_beside_dashes():
    first, second = model_rows(MODELS)
    for row in (first, second):
        assert row.items() >= MEASURED.items()
    accuracy = "pictures right, without mirror, published, %"
    assert (first[accuracy], first["epochs, published"]) == ("66.21", 13)
    assert (second[accuracy], second["epochs, published"]) == ("–", "–")  # noqa: RUF001


def test_beside_another_catalog_no_column_is_published():
    [row, _] = model_rows(None)
    assert row == {"model": "M02", **CONFIGURED, **MEASURED}
    [ensemble] = tabulate_models.ensemble_rows({"e": ["M14"]}, {"e": EVALUATION}, {"e": COMMON}, {"e": 2}, None)
    assert not [head for head in ensemble if "published" in head]


def test_the_published_catalog_is_known_by_its_pictures_and_categories():
    assert tabulate_models.is_published(12_371_293, 5_270)
    assert not tabulate_models.is_published(12_371_293, 5_269)
    assert not tabulate_models.is_published(1_228, 5_270)


def test_what_was_not_measured_is_a_dash():
    cells = tabulate_models.product_cells({"products": 0}, COMMON[:0], 28)
    assert list(cells.values()) == ["–"] * 4 + ["0", "–", 28]  # noqa: RUF001


def test_an_ensemble_that_learns_names_the_members_that_count_and_what_decided_it():
    combination = {"taken": "learned", "weights": [0.25, 0.0, 0.75], "temperatures": [1.0, 0.5, 2.0]}
    groups = [{"models": ["M01", "M02"], "products": 1500}, {"models": ["M03"], "products": 900}]
    learned = {"models": ["M01", "M02", "M03"], "combination": combination, "groups": groups}
    learned |= {"folds": [], "common_products": 77, "note": ""}
    found = tabulate_models.learned_rows({"M01": EVALUATION, "best": EVALUATION | {"learned": learned}})
    assert list(found[0].values()) == [
        *("best", "M01 0.25 (1.00), M03 0.75 (2.00)", "learned"),
        *("M01, M02: 1,500 products; M03: 900 products", "77", "–"),  # noqa: RUF001
    ]
    assert tabulate_models.learned_table([]) == []


def test_each_measured_row_has_both_means_at_each_level():
    found = {"M02": EVALUATION | {"by_level": BY_LEVEL}, "all": {"products": 0}}
    assert tabulate_models.level_rows(found) == [
        {
            "model or ensemble": "M02",
            "level 1 (2), over products, %": "75.00",
            "level 1 (2), over categories, %": "65.00",
            "category (5), over products, %": "50.00",
            "category (5), over categories, %": "40.00",
        }
    ]
    assert tabulate_models.level_table([], "nothing") == []


@pytest.mark.parametrize(("rule", "score"), [("on", "79.05"), ("off", "79.00")])
def test_an_ensembles_score_is_that_of_its_members_and_rule(rule, score):
    members = [f"M{number:02d}" for number in range(14, 0, -1)]
    evaluation = EVALUATION | {"product_md5": rule}
    [row] = tabulate_models.ensemble_rows(
        {"all": members}, {"all": evaluation}, {"all": COMMON}, {"all": 28}, ENSEMBLES
    )
    assert row["private score, published, %"] == score


def test_an_ensemble_that_was_published_by_one_rule_has_that_score():
    assert tabulate_models.published_score(["M14"], "on", ENSEMBLES) == 0.76713
    assert tabulate_models.published_score(["M01", "M02"], "on", ENSEMBLES) is None


def test_the_published_table_is_the_configuration_of_the_published_solution(config):
    epochs = {
        name: sum(step["epochs"] for phase in model["phases"] for step in phase["schedule"])
        for name, model in config["models"].items()
    }
    assert dict(zip(MODELS.model, MODELS.epochs, strict=True)) == epochs
    assert dict(zip(MODELS.model, MODELS.dataset, strict=True)) == {
        name: model["dataset"] for name, model in config["models"].items()
    }


def test_a_head_has_its_features_and_what_was_measured():
    head = {"models": ["F1", "M02"], "of": "products", "hidden": 64}
    [row] = tabulate_models.head_rows({"H1": head}, {"H1": EVALUATION}, {"H1": COMMON}, {"H1": 4})
    assert [*row.values()][:4] == ["H1", "F1, M02", "products", 64]
    assert (row["products right, labelled, %"], row["passes"]) == ("70.00", 4)


def test_the_table_says_below_it_what_a_head_that_few_products_taught_fell_back_on(tmp_path):
    usual = {"kept_aside": {"products": 9}, "penalty": 0.003, "classes_without_products": 0}
    few = {"kept_aside": None, "penalty": 0.001, "classes_without_products": 1200}
    for name, told in (("H1-1", usual), ("H2-2", few)):
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    [text] = tabulate_models.head_notes({"H1": {}, "H2": {}}, [tmp_path / "H1-1.json", tmp_path / "H2-2.json"])
    assert text.startswith("<p>H2: no product could be kept aside, so nothing chose the penalty, which is 0.001")
    assert text.endswith("classes without a train product, which it never predicts: 1,200.</p>")


def test_a_run_in_which_no_model_learns_has_a_table_of_heads(tmp_path, monkeypatch):
    """Of a frozen model and a head: there are no epochs."""
    by_level = {"by_level": BY_LEVEL, "picture_md5": "unique", "splits": ["1"], "members": 1}
    (tmp_path / "H1.json").write_text(json.dumps(EVALUATION | by_level))
    steps = {step: [1, 2] for step in ("networks", "picture_md5", "product_md5")}
    pd.DataFrame({"product_id": [7, 8], "category_id": [1, 1], **steps}).to_parquet(tmp_path / "H1.parquet")
    COMMON.to_parquet(tmp_path / "index.parquet")
    (tmp_path / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n0,1,a,b,c\n")
    head = {"models": ["F1"], "of": "pictures", "hidden": 0}
    configured = {"models": {}, "heads": {"H1": head}, "ensembles": {"H1": ["H1"]}}
    (tmp_path / "head.json").write_text('{"kept_aside": null, "penalty": 0.001, "classes_without_products": 0}')
    words = ["--configured", json.dumps(configured), "--last-epochs", "--heads", tmp_path / "head.json"]
    words += ["--evaluations", tmp_path / "H1.json"]
    words += ["--products", tmp_path / "H1.parquet", "--index", tmp_path / "index.parquet"]
    words += ["--classes", tmp_path / "classes.csv", "--output", tmp_path / "models.html"]
    words += ["--published-models", PUBLISHED / "models.csv", "--published-ensembles", PUBLISHED / "ensembles.csv"]
    monkeypatch.setattr(sys, "argv", ["tabulate_models", *map(str, words)])
    tabulate_models.main()
    html = (tmp_path / "models.html").read_text()
    assert "on features of" in html
    assert "H1: no product could be kept aside" in html
    assert "dataset" not in html.split("<table>")[1]
