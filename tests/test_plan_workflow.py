"""plan_workflow.py shows what Snakemake would run, in boxes with their cost."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import bson
import pytest

from plan import boxes, costs, drawing
from plan.boxes import Job
from workflow import recipes

ROOT = Path(__file__).resolve().parents[1]
PICTURE = (ROOT / "tests/workflow/picture.jpg").read_bytes()

# Weights of the published networks with 5,270 classes, by shape inference over their symbols.
PUBLISHED_WEIGHTS = {
    **{"resnext-101-32x4d": 52.9e6, "resnext-101-64x4d": 92.2e6, "se-resnext-101-64x4d": 97.0e6},
    **{"dpn-92": 49.2e6, "dpn-98": 73.1e6, "dpn-107": 98.4e6, "dpn-131": 90.7e6, "densenet-161": 38.1e6},
}


def training_jobs(model, count):
    return [Job("train_epochs", {"model": model, "epoch": f"{epoch:04d}"}, "") for epoch in range(1, count + 1)]


@pytest.fixture
def planned(config):
    """All boxes of the published configuration, with all training jobs."""
    planned = boxes.build(config)
    for model, recipe in config["models"].items():
        boxes.assign(planned, training_jobs(model, recipes.epoch_count(recipe)))
    return planned


@pytest.fixture
def estimator(config, tmp_path):
    return costs.Estimator(config, costs.PUBLISHED_CATALOG, tmp_path)


def test_there_is_a_box_for_every_part_of_the_published_solution(config):
    planned = boxes.build(config)
    count = {column: sum(box.column == column for box in planned.values()) for column in range(7)}
    assert count == {0: 3, 1: 2, 2: 6, 3: 14, 4: 14, 5: 6, 6: 7}
    assert all(source in planned for box in planned.values() for source in box.sources)


def test_a_transfer_is_an_edge_between_models(config):
    planned = boxes.build(config)
    assert planned["model-M11"].sources == ["dataset-A", "model-M10"]
    assert planned["model-M13"].sources == ["dataset-B", "model-M09"]


@pytest.mark.parametrize("network", PUBLISHED_WEIGHTS)
def test_weights_are_counted_to_one_percent(config, network):
    count = costs.parameter_count(config["networks"][network], 5270)
    assert count == pytest.approx(PUBLISHED_WEIGHTS[network], rel=0.01)


@pytest.mark.parametrize(
    # The logs' hours of the used epochs, validation excluded.
    ("model", "hours"),
    [("M01", 82.0), ("M02", 96.8), ("M07", 144.8), ("M12", 203.0), ("M14", 265.6)],
)
def test_training_takes_the_published_hours(planned, estimator, model, hours):
    cost = estimator.cost(planned[f"model-{model}"])
    assert cost.hours == pytest.approx(hours, rel=0.08)
    assert cost.gpu_hours == pytest.approx(cost.hours * (4 if model == "M02" else 8))


def test_a_benchmark_of_the_same_model_goes_before_the_published_speed(planned, estimator, tmp_path):
    (tmp_path / "train_epochs").mkdir()
    (tmp_path / "train_epochs/M07-0001.tsv").write_text("s\th:m:s\n36.0\t0:00:36\n")
    assert estimator.cost(planned["model-M07"]).hours == pytest.approx(15 * 36 / 3600)
    assert estimator.cost(planned["model-M09"]).hours > 100


def test_a_cpus_speed_is_not_guessed(config, planned, estimator):
    config["models"]["M07"]["gpus"] = 0
    assert estimator.cost(planned["model-M07"]).hours is None


def test_shards_run_side_by_side_and_epochs_in_turn(planned, estimator):
    shards = [
        Job("predict_images", {"model": "M14", "images": "test", "shard": f"{shard:04d}"}, "") for shard in range(16)
    ]
    boxes.assign(planned, shards)
    cost = estimator.cost(planned["prediction-M14"])
    assert cost.gpu_hours == pytest.approx(16 * cost.hours)
    one_epoch = boxes.Box("", boxes.MODEL, "", "", [], training_jobs("M14", 1))
    assert estimator.cost(planned["model-M14"]).hours == pytest.approx(20 * estimator.cost(one_epoch).hours)


def test_the_longest_chain_goes_through_a_transfer(planned, estimator):
    estimates = {key: estimator.cost(box) for key, box in planned.items()}
    path, hours = costs.critical_path(planned, estimates)
    assert path == ["model-M09", "model-M13"]
    assert hours == estimates["model-M09"].hours + estimates["model-M13"].hours


def test_times_that_nobody_knows_yet_are_said_to_be_left_out(planned, estimator):
    estimates = {key: estimator.cost(box) for key, box in planned.items()}
    assert not any("Left out" in line for line in drawing.totals_text(planned, estimates, [], 0.0))
    estimates["model-M14"] = costs.Cost(None, None, 1)
    assert "Left out of these times: boxes on CPUs (1)" in drawing.totals_text(planned, estimates, [], 0.0)[-1]


def test_pictures_are_counted_in_the_catalogs_file(config, tmp_path):
    products = [{"_id": number, "imgs": [{"picture": PICTURE}] * 3} for number in range(20)]
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(b"".join(map(bson.encode, products)))
    (tmp_path / "category_names.csv").write_text("header\n1,A,B,C\n2,A,B,D\n")
    size = costs.catalog_size({"catalog": str(tmp_path)})
    assert (size.train_pictures, size.test_pictures, size.classes) == (60, 60, 2)


def test_the_first_reason_of_its_own_stands_in_the_box():
    follows = Job("train_epochs", {}, "Input files updated by another job: a.params")
    changed = Job("write_recipe", {}, "Params have changed since last execution: before: 1")
    missing = Job("train_epochs", {}, "Missing output files: a.params")
    assert boxes.first_reason([follows]) == boxes.FOLLOWS
    assert boxes.first_reason([follows, missing, changed]) == "changed settings or code"
    assert boxes.first_reason([follows, missing]) == "not made yet"


def test_the_drawing_is_one_svg_with_every_box(planned, estimator):
    estimates = {key: estimator.cost(box) for key, box in planned.items()}
    page = ElementTree.fromstring(drawing.svg("Plan", planned, estimates, ["model-M09"], ["a < b"]))
    drawn = {group.get("class") for group in page.iter("{http://www.w3.org/2000/svg}g")}
    names = {title.text for title in page.iter("{http://www.w3.org/2000/svg}title")}
    assert names == set(planned)
    assert drawn == {"done", "run", "run critical"}


def test_the_published_configuration_is_planned(tmp_path):
    product = bson.encode({"_id": 1, "category_id": 1, "imgs": [{"picture": PICTURE}]})
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(product)
    output = tmp_path / "plan.svg"
    program = [sys.executable, ROOT / "scripts/plan_workflow.py", "--output", output, "--published-catalog"]
    arguments = ["--", "--config", f"catalog={tmp_path}", f"results={tmp_path}/results"]
    done = subprocess.run([*program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    [m14] = [line for line in lines if line.startswith("M14 dpn-107")]
    assert "20 epochs" in m14
    assert "41 jobs: not made yet" in m14
    assert any("GPU hours" in line for line in lines)
    assert ElementTree.parse(output).getroot().tag.endswith("svg")
    assert not (tmp_path / "results").exists()
