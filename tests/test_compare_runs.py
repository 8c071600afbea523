"""compare_runs.py puts two settings side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
import compare_runs
import evaluate_predictions
from configurations import OTHER_RATE, notes, write
from programs import run
from workflow.given import Given
from workflow.image_sets import TEST

CHANGED = ["M10", "M11", "ensemble-1", "ensemble-2", "ensemble-4"]
RIGHT, WRONG = 1000, 1001  # categories; RIGHT is that of every product


def lay_evaluation(side: Given, name: str, networks: np.ndarray, labelled: np.ndarray | None = None) -> None:
    """Write an evaluation as evaluate_predictions does, of the products 0, 1, ...

    Args:
        networks: whether each is right by the networks alone.
        labelled: the same with labels; as by the networks alone if absent.
    """
    predicted = {
        "networks": np.where(networks, RIGHT, WRONG),
        "product_md5": np.where(networks if labelled is None else labelled, RIGHT, WRONG),
    }
    columns = {"product_id": np.arange(len(networks)), "category_id": RIGHT, **predicted}
    products = pd.DataFrame({**columns, "picture_md5": predicted["product_md5"], "confidence": 0.5})
    types = evaluate_predictions.product_types()
    products = products[list(types)].astype(types)
    reached = {
        "picture_md5": "unique",
        "product_md5": "on",
        "products": len(products),
    }
    if len(products):
        reached["steps"] = evaluate_predictions.after_steps(products)
        reached |= evaluate_predictions.accuracy(products.product_md5 == products.category_id)
    files = {key: Path(path) for key, path in side.artifacts.answers.evaluations[name].files.items()}
    files["evaluation"].parent.mkdir(parents=True, exist_ok=True)
    files["evaluation"].write_text(json.dumps(reached))
    products.to_parquet(files["products"], index=False)


def lay_benchmarks(side: Given, seconds: Callable[[str], float]) -> None:
    """Write the benchmarks of all jobs; seconds by rule."""
    for artifact in side.artifacts.everything():
        _, path = notes(side, artifact)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds(artifact.rule)}\t0:00:00\n")


@pytest.fixture
def both(tmp_path) -> tuple[Given, Given]:
    """Two configurations that differ in the last epoch of M10 and in what follows; all is evaluated.

    Of 160 products, A alone has 40 right by the networks alone, B alone 20; both have 60 right. With labels, the
    first 100 are right.
    """
    sides = write(tmp_path / "a.yaml"), write(tmp_path / "b.yaml", OTHER_RATE)
    number = np.arange(160)
    for side, right in zip(sides, (number < 100, (number < 60) | (number >= 140)), strict=True):
        for name in side.artifacts.answers.evaluations:
            lay_evaluation(side, name, right if name in CHANGED else number < 80, number < 100)
    return sides


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("  ") if cell]


def compared(tmp_path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The cells of the program's rows by name, and all its lines."""
    done = run("compare_runs", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = [cells(line) for line in lines[5 : lines.index("", 5)]]
    return {name: row for name, *row in rows}, lines


def test_the_interval_is_the_one_that_its_authors_program_gives(both):
    # R's package PropCIs, diffpropci.mp(b = 40, c = 20, n = 160, conf.level = 0.95): -0.21601726 to -0.03089632
    first, second = compare_runs.compare(both, "M10").right
    assert compare_runs.difference_text(first.networks, second.networks) == "-12.50 (-21.6 to -3.1)"
    assert compare_runs.difference_text(second.networks, first.networks) == "+12.50 (3.1 to 21.6)"


def test_rows_tell_shares_differences_and_what_is_the_same(both, tmp_path):
    rows, lines = compared(tmp_path)
    assert lines[:2] == [f"A: {tmp_path / 'a.yaml'}", f"B: {tmp_path / 'b.yaml'}"]
    assert list(rows) == list(both[0].artifacts.answers.evaluations)
    for name, row in rows.items():
        if name in CHANGED:
            shares = ["62.50", "50.00", "-12.50 (-21.6 to -3.1)", "62.50", "62.50", "+0.00 (-1.21 to 1.21)"]
        else:
            shares = ["50.00", "50.00", "same", "62.50", "62.50", "same"]
        assert row == ["160", *shares, "-", "-"], name
    assert "Labelled: known pictures (unique) and known products took the label" in "\n".join(lines)


def test_only_products_that_both_measured_count(both):
    lay_evaluation(both[0], "M10", np.array([True, False, True]))
    first, second = compare_runs.compare(both, "M10").right
    assert first.networks.tolist() == [True, False, True]
    assert second.networks.tolist() == [True, True, True]


def test_a_row_without_a_common_product_has_no_shares(both):
    lay_evaluation(both[0], "M10", np.zeros(0, bool))
    assert compare_runs.compare(both, "M10").cells() == ["M10", "0", *["-"] * 8]


def test_the_cost_is_that_of_the_configurations_own_jobs(both):
    hours = {"train_epochs": 3600, "predict_images": 900}
    lay_benchmarks(both[0], lambda rule: hours.get(rule, 10**6))
    lay_benchmarks(both[1], lambda rule: 2 * hours.get(rule, 10**6))
    # Epochs, and two shards of valid and of test pictures; of what both have, the benchmarks of B lie there.
    costs = {name: compare_runs.compare(both, name).cells()[-2:] for name in both[0].artifacts.answers.evaluations}
    assert costs["M01"] == ["8.0 h", "8.0 h"]
    assert costs["M10"] == ["6.0 h", "8.0 h"]  # one of three epochs, and the predictions, are A's own
    assert costs["M11"] == ["3.0 h", "6.0 h"]
    assert costs["ensemble-2"] == ["11.0 h", "14.0 h"]


def test_test_pictures_that_one_has_not_predicted_cost_neither_anything(both):
    lay_benchmarks(both[0], lambda rule: 3600)
    lay_benchmarks(both[1], lambda rule: 3600)
    assert compare_runs.seconds(both, "M10") == (7 * 3600, 7 * 3600)
    _, benchmark = notes(both[1], both[1].artifacts.answers.predictions[TEST, "M10"][1])
    benchmark.unlink()
    assert compare_runs.seconds(both, "M10") == (5 * 3600, 5 * 3600)


@pytest.mark.parametrize(
    "text", [None, "", "s\th:m:s\n", "s\th:m:s\n-\t-\n"], ids=["gone", "empty", "cut off", "no time"]
)
def test_the_cost_is_unknown_where_a_benchmark_is_missing(both, text):
    lay_benchmarks(both[0], lambda rule: 3600)
    lay_benchmarks(both[1], lambda rule: 3600)
    _, benchmark = notes(both[1], both[1].artifacts.models.epochs["M10"][-1])
    benchmark.unlink() if text is None else benchmark.write_text(text)
    assert compare_runs.seconds(both, "ensemble-2")[1] == 3600 * (3 + 2 + 4 * 2)
    assert compare_runs.seconds(both, "M10") == (7 * 3600, None)


def test_names_without_a_row_are_told_below(both, tmp_path):
    Path(both[1].artifacts.answers.evaluations["M10"].files["products"]).unlink()
    write(tmp_path / "b.yaml", OTHER_RATE, ("ensemble-1: {models: [M10]}", "ensemble-1: null\n  mine: {models: [M10]}"))
    rows, lines = compared(tmp_path)
    assert {"M10", "ensemble-1", "mine"}.isdisjoint(rows)
    assert lines[-3:] == ["Only in A: ensemble-1", "Only in B: mine", "Not evaluated yet in B: M10"]


def test_a_product_of_two_categories_is_an_error(both):
    path = Path(both[1].artifacts.answers.evaluations["M10"].files["products"])
    products = pd.read_parquet(path)
    products.loc[7, "category_id"] = 5
    products.to_parquet(path, index=False)
    with pytest.raises(cli.UserError, match="M10: product 7 is of category 1000 in A and of 5 in B; compare"):
        compare_runs.compare(both, "M10")


def test_a_damaged_table_of_products_is_named(both):
    path = Path(both[1].artifacts.answers.evaluations["M10"].files["products"])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(cli.UserError, match=rf"{path}: no table of products: .*; delete it and run again"):
        compare_runs.compare(both, "M10")


def test_what_has_not_run_is_told_in_one_line(both, tmp_path):
    for artifact in both[1].artifacts.answers.evaluations.values():
        Path(artifact.files["products"]).unlink(missing_ok=True)
    done = run("compare_runs", tmp_path / "a.yaml", tmp_path / "b.yaml")
    command = f"snakemake --cores all --configfile {tmp_path / 'b.yaml'}"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {tmp_path / 'b.yaml'}: nothing is evaluated yet in {both[1].results}; run it first: {command}\n"
    )


def test_configurations_that_have_evaluated_nothing_in_common_are_told_so(tmp_path):
    a, b = write(tmp_path / "a.yaml"), write(tmp_path / "b.yaml", OTHER_RATE)
    lay_evaluation(a, "M10", np.ones(3, bool))
    lay_evaluation(b, "M11", np.ones(3, bool))
    done = run("compare_runs", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert done.returncode == 2
    assert done.stderr == f"error: {a.name}, {b.name}: no model or ensemble is evaluated in both\n"


def test_two_configurations_are_asked_for():
    done = run("compare_runs", "a.yaml", "b.yaml", "c.yaml")
    assert done.returncode == 2
    assert done.stderr == "error: two configurations are compared, not 3: name two files\n"


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = run("compare_runs", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'a.yaml'}: cannot be read as a file of the configuration")
    assert done.stderr.count("\n") == 1


def test_a_head_costs_its_training_the_epochs_of_its_models_and_each_pass_once(tmp_path):
    head = ("ensembles:\n", "heads: {H1: {models: [M01]}}\nensembles:\n  mine: {models: [H1, M01]}\n")
    side = write(tmp_path / "mine.yaml", head)
    lay_benchmarks(side, lambda rule: {"train_epochs": 100.0, "train_head": 10.0}.get(rule, 1.0))
    epochs, shards = 3, 2
    learned = shards  # of the train pictures
    told, _ = compare_runs.seconds((side, side), "H1")
    valid_and_test = 2 * (2 * shards)  # a pass and the head's answers, of each
    assert told == 100 * epochs + 10 + learned + valid_and_test
    of_both, _ = compare_runs.seconds((side, side), "mine")
    assert of_both == told
