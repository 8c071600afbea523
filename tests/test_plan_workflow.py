"""plan_workflow.py shows what Snakemake would run, in boxes with their cost."""

import copy
import re
import subprocess
import sys
from xml.etree import ElementTree

import bson
import pytest

import cli
import plan_workflow
from checkout import ROOT
from costs.estimator import Estimator
from costs.finished import Forecast
from costs.sizes import PUBLISHED_CATALOG
from plan import boxes, disk, drawing, hours, requests, schedule
from plan.boxes import Job
from workflow import reasons, recipes
from workflow.artifacts import Artifacts
from workflow.data import Catalog

PICTURE = (ROOT / "tests/picture.jpg").read_bytes()
A_JOB_OF_ANY_RULE = {
    "catalog": "train",
    "seed": "1",
    "dataset": "A",
    "part": "train",
    "model": "M01",
    "images": "test",
    "ensemble": "ensemble-4",
    "batch": "test",
    "weights": "efficientnet-lite0",
    "head": "H1",
}
RULE = r"(?m)^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:"


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
def estimator(config):
    return Estimator(config, PUBLISHED_CATALOG)


@pytest.fixture
def forecast(estimator):
    """Where no job has finished yet."""
    return Forecast(estimator, {})


@pytest.fixture
def estimates(planned, forecast):
    """What each box takes where no job has finished yet."""
    return {key: hours.cost(box, forecast) for key, box in planned.items()}


def test_a_batch_has_boxes_of_its_own_and_the_members_that_answer_wait_for_it(config):
    before = boxes.build(config)
    planned = boxes.build(config | {"batches": {"monday": "a.bson"}, "answers": {"ensemble": "ensemble-2"}})
    added = {key: box for key, box in planned.items() if key not in before}
    assert {"catalog-batch-monday", "images-batch-monday"} <= added.keys()
    assert added["images-batch-monday"].sources == ["catalog-batch-monday", "catalog-train"]
    waiting = {key for key, box in planned.items() if "images-batch-monday" in box.sources}
    assert waiting == {"prediction-M05", "prediction-M07"}
    assert added["answers-monday"].sources == added["answers-test"].sources == ["ensemble-ensemble-2", "calibration"]
    assert added["calibration"].sources == ["prediction-M05", "prediction-M07"]
    job = boxes.Job("index_catalog", {"catalog": "batch-monday.a"})
    boxes.assign(planned, [job, boxes.Job("list_images", {"images": "batch-monday"})])
    assert planned["catalog-batch-monday"].jobs == [job]


def test_there_is_a_box_for_every_part_of_the_published_solution(config):
    planned = boxes.build(config)
    count = {column: sum(box.column == column for box in planned.values()) for column in range(7)}
    assert count == {0: 3, 1: 2, 2: 6, 3: 14, 4: 14, 5: 6, 6: 7}
    assert all(source in planned for box in planned.values() for source in box.sources)


def test_a_transfer_is_an_edge_between_models(config):
    planned = boxes.build(config)
    assert planned["model-M11"].sources == ["dataset-A", "model-M10"]
    assert planned["model-M13"].sources == ["dataset-B", "model-M09"]


def test_a_submission_waits_for_averages_and_for_heads_of_products_which_are_not_averaged(config):
    config["heads"] = {name: {"models": ["M05"], "of": "products", "hidden": 0} for name in ("H1", "H2")}
    config["ensembles"] = {"heads": {"models": ["H1", "H2"]}, "mixed": {"models": ["H1", "M05"]}}
    planned = boxes.build(config)
    assert "ensemble-heads" not in planned  # a box without jobs would be done before anything has run
    assert planned["submission-heads"].sources == ["prediction-H1", "prediction-H2"]
    assert planned["submission-heads"].subtitle == "submission of H1, H2"
    assert planned["ensemble-mixed"].sources == ["prediction-M05"]
    assert planned["submission-mixed"].sources == ["ensemble-mixed", "prediction-H1"]
    for ensemble in ("heads", "mixed"):
        answering = boxes.build(config | {"answers": {"ensemble": ensemble}})
        sources = planned[f"submission-{ensemble}"].sources
        assert answering["answers-test"].sources == [*sources, "calibration"]
    assert [key for key in planned if "submission" in key] == ["submission-mixed", "submission-heads"]
    del config["ensembles"]["mixed"]
    planned = boxes.build(config)  # no box is of an ensemble
    assert "heads.csv.gz" in drawing.svg("a plan", planned, dict.fromkeys(planned, hours.Cost()), [], [])


def test_all_boxes_are_drawn_above_the_lines_below_them(config):
    config["heads"] = {"H": {"models": ["M05"], "of": "products", "hidden": 0}}
    config["ensembles"] |= {f"heads-{number}": {"models": ["H"]} for number in range(4)}
    planned = boxes.build(config)
    drawn = drawing.svg("a plan", planned, dict.fromkeys(planned, hours.Cost()), [], ["all done"])
    lowest = max(int(float(y)) for y in re.findall(r'<rect x="[^"]*" y="([^"]*)"', drawn))
    assert lowest + drawing.HEIGHT < float(re.search(r'class="foot" x="[^"]*" y="([^"]*)"', drawn)[1])


def test_a_student_waits_for_its_teacher(config):
    config["models"]["S"] = copy.deepcopy(config["models"]["M05"])
    config["models"]["S"]["phases"][0]["teacher"] = "ensemble-4"
    planned = boxes.build(config)
    assert planned["model-S"].sources == ["dataset-A", "ensemble-ensemble-4"]
    assert planned["model-S"].subtitle == "20 epochs from dpn98, taught by ensemble-4"
    costs = {key: hours.Cost(1.0 if key.endswith("M13") or key.endswith("S") else 0.0) for key in planned}
    assert schedule.longest_chain(planned, costs)[1] == 4  # M13 and what it predicts for its student, the same of S
    drawn = drawing.svg("a plan", planned, costs, [], [])
    assert drawn.count('class="transfer"') == 3  # M11, M13 and S


def test_every_rule_has_a_box_and_an_unknown_one_is_named(config):
    rules = [name for path in ROOT.glob("rules/*.smk") for name in re.findall(RULE, path.read_text())]
    assert set(rules) == set(boxes.BOX_OF_RULE)
    config["models"]["M14"]["start"] = {"pretrained": "efficientnet-lite0"}
    config["heads"] = {"H1": {"models": ["M01"], "of": "products", "hidden": 0}}
    planned = boxes.build(config | {"answers": {"ensemble": "ensemble-4"}})
    boxes.assign(planned, [Job(rule, A_JOB_OF_ANY_RULE) for rule in rules])
    assert sum(len(box.jobs) for box in planned.values()) == len(rules)
    with pytest.raises(ValueError, match="rule weigh_pictures: in no box of the plan"):
        boxes.box_key("weigh_pictures", A_JOB_OF_ANY_RULE)


def test_several_dumps_are_indexed_in_the_box_of_their_file():
    jobs = [("index_catalog", "train.a"), ("index_catalog", "test.b"), ("join_indexes", "train")]
    keys = [boxes.box_key(rule, {"catalog": catalog}) for rule, catalog in jobs]
    assert keys == ["catalog-train", "catalog-test", "catalog-train"]


def test_a_model_waits_for_the_weights_that_a_package_brings(config):
    config["models"]["M14"]["start"] = {"pretrained": "efficientnet-lite0"}
    planned = boxes.build(config)
    assert planned["model-M14"].sources == ["dataset-A", "weights-efficientnet-lite0"]
    assert not any("weights-" in source for source in planned["model-M01"].sources)  # a file that no rule makes


@pytest.mark.parametrize(
    ("models", "subtitle"),
    [
        (["M08", "M10", "M09"], "M08 to M10"),
        (["lite9", "lite10", "lite11"], "lite9 to lite11"),
        (["M06", "M08", "M09"], "M06, M08, M09"),
        (["M06", "M07"], "M06, M07"),
        (["lite0", "lite0-b", "lite1", "lite2"], "lite0, lite1, lite2, lite0-b"),
        (["b", "a", "c"], "a, b, c"),
        (["a1", "b2", "c3"], "a1, b2, c3"),
    ],
)
def test_models_of_an_ensemble_are_shortened_only_where_they_are_numbered_without_a_gap(config, models, subtitle):
    config["models"] = dict.fromkeys(models, config["models"]["M01"])
    config["ensembles"] = {"mine": {"models": models, "mean": "arithmetic"}}
    assert boxes.build(config)["ensemble-mine"].subtitle == subtitle


@pytest.mark.parametrize(
    # The logs' hours of the used epochs, validation excluded.
    ("model", "published"),
    [("M01", 82.0), ("M02", 96.8), ("M07", 144.8), ("M12", 203.0), ("M14", 265.6)],
)
def test_training_takes_the_published_hours(estimates, model, published):
    cost = estimates[f"model-{model}"]
    assert cost.hours == pytest.approx(published, rel=0.08)
    assert cost.gpu_hours == pytest.approx(cost.hours * (4 if model == "M02" else 8))


def test_a_finished_epoch_tells_what_the_others_take(planned, estimator):
    forecast = Forecast(estimator, {("train_epochs", "M07"): [30.0, 42.0]})
    own, same, other = (hours.cost(planned[f"model-{model}"], forecast) for model in ("M07", "M09", "M14"))
    assert own.hours == pytest.approx(15 * 36 / 3600)
    assert not own.is_scaled
    assert same.hours == pytest.approx(own.hours)  # the same network, as many pictures of another split
    assert other.hours == pytest.approx(20 * 36 / 3600 * 338.3 / 246.0)  # by the published speeds
    assert same.is_scaled
    assert other.is_scaled
    assert "about" in drawing.cost_text(other)


def test_a_cpus_speed_is_not_told_before_an_epoch_has_told_it(config, planned, estimator, forecast):
    for model in ("M07", "M02"):
        config["models"][model]["gpus"] = 0
    assert hours.cost(planned["model-M07"], forecast).hours is None
    forecast = Forecast(estimator, {("train_epochs", "M02"): [1800.0]})
    weights = [92_204_508, 49_150_422]  # resnext-101-64x4d, dpn-92
    expected = 15 * 0.5 * weights[0] / weights[1] / 0.63  # M02 learns from distinct pictures alone
    assert hours.cost(planned["model-M07"], forecast).hours == pytest.approx(expected)
    assert hours.cost(planned["model-M09"], forecast).hours == pytest.approx(144.8, rel=0.08)  # on GPUs, as published


def test_a_prediction_takes_a_part_of_what_its_model_took_to_train(config, planned, estimator, forecast):
    config["models"]["M07"]["gpus"] = config["models"]["M12"]["gpus"] = config["prediction"]["gpus"] = 0
    boxes.assign(planned, [Job("predict_images", {"model": "M07", "images": "test", "shard": "0000"}, "")])
    assert hours.cost(planned["prediction-M07"], forecast).hours is None
    others = {("train_epochs", "M09"): [1.0], ("train_epochs", "M12"): [1.0]}  # on GPUs; another network
    forecast = Forecast(estimator, {("train_epochs", "M07"): [3600.0], **others})
    trained = PUBLISHED_CATALOG.train.pictures * (0.95 + 0.05 / 2.3)
    predicted = 2 * 0.63 * PUBLISHED_CATALOG.test.pictures / 16 / 2.3
    assert hours.cost(planned["prediction-M07"], forecast).hours == pytest.approx(predicted / trained)


def test_shards_run_side_by_side_and_epochs_in_turn(planned, forecast):
    shards = [
        Job("predict_images", {"model": "M14", "images": "test", "shard": f"{shard:04d}"}, "") for shard in range(16)
    ]
    boxes.assign(planned, shards)
    cost = hours.cost(planned["prediction-M14"], forecast)
    assert cost.gpu_hours == pytest.approx(16 * cost.hours)
    epochs = [boxes.Box("", boxes.MODEL, "", "", [], [job]) for job in training_jobs("M14", 20)]
    one_by_one = [hours.cost(epoch, forecast).hours for epoch in epochs]
    assert hours.cost(planned["model-M14"], forecast).hours == pytest.approx(sum(one_by_one))


def test_the_longest_chain_goes_through_a_transfer(planned, estimates):
    chain, chain_hours = schedule.longest_chain(planned, estimates)
    assert chain == ["model-M09", "model-M13"]
    assert chain_hours == estimates["model-M09"].hours + estimates["model-M13"].hours


def test_days_are_bound_by_gpu_hours_and_by_the_longest_chain(planned, estimates, estimator):
    wanted = {key: hours.gpus(box, estimator) for key, box in planned.items()}
    gpu_days = sum(cost.gpu_hours for cost in estimates.values()) / 24
    _, chain = schedule.longest_chain(planned, estimates)
    found = {gpus: schedule.days(planned, estimates, wanted, gpus) for gpus in (8, 16, 64, 1000)}
    assert found[8] == pytest.approx(gpu_days / 8, rel=0.1)
    assert gpu_days / 16 <= found[16] < found[8]
    assert found[1000] == pytest.approx(chain / 24)


def test_jobs_that_want_more_gpus_than_there_are_take_turns():
    prediction = boxes.Box("p", boxes.PREDICTION, "", "", [])
    cost = {"p": hours.Cost(hours=2.0, gpu_hours=32.0)}
    assert schedule.days({"p": prediction}, cost, {"p": 16}, 16) == pytest.approx(2 / 24)
    assert schedule.days({"p": prediction}, cost, {"p": 16}, 4) == pytest.approx(8 / 24)


def test_what_jobs_ask_for_is_told_rule_by_rule():
    gpu = {"slurm_partition": "gpu", "mem_mb": 24000, "runtime": 700, "threads": 24, "gpu": 4}
    cpu = {"slurm_partition": "cpu", "mem_mb": 2001, "runtime": 11, "threads": 1}
    jobs = [
        Job("index_catalog", {}, "", requests=cpu),
        Job("train_epochs", {}, "", requests=gpu),
        Job("train_epochs", {}, "", requests=gpu | {"mem_mb": 40000, "gpu": 8}),
        Job("convert_weights", {}, ""),
    ]
    assert requests.table(jobs) == [
        "rule           jobs  partition  CPUs               MiB  minutes    GPUs",
        "index_catalog     1        cpu     1             2,001       11",
        "train_epochs      2        gpu    24  24,000 to 40,000      700  4 to 8",
        "The driver does 1 short jobs itself.",
    ]


def test_times_that_nobody_knows_yet_are_named_and_never_added_up(planned, estimates):
    known = "\n".join(drawing.totals_text(planned, estimates, [], 30.0, {8: 40.0}))
    assert "at least" not in known
    assert "With so many GPUs at all times, and CPU nodes enough: 8: 40.0 days." in known
    estimates["model-M14"] = hours.Cost(None, None, 1)
    *_, chain, days, left_out = drawing.totals_text(planned, estimates, ["model-M13"], 30.0, {8: 40.0})
    assert chain.endswith("at least 30.0 h: M13 se-resnext-101-64x4d")
    assert days.endswith("8: at least 40.0 days.")
    assert left_out.startswith("Not in these times: M14 dpn-107, whose speed nobody knows yet")


def test_a_run_of_which_no_time_is_known_has_none(planned):
    unknown = dict.fromkeys(planned, hours.Cost(None, None, 1))
    lines = drawing.totals_text(planned, unknown, [], 0.0, {})
    assert not any("min" in line or "hours" in line for line in lines)
    assert lines[-1].startswith("Not in these times: M01 resnext-101-32x4d and 13 other boxes")


def test_the_first_reason_of_its_own_stands_in_the_box():
    follows = Job("train_epochs", {}, reasons.FOLLOWS)
    missing = Job("train_epochs", {}, reasons.NEW)
    assert boxes.first_reason([follows]) == reasons.FOLLOWS
    assert boxes.first_reason([follows, missing]) == reasons.NEW


def test_the_drawing_is_one_svg_with_every_box(planned, estimates):
    page = ElementTree.fromstring(drawing.svg("Plan", planned, estimates, ["model-M09"], ["a < b"]))
    assert "a < b" in [text.text for text in page.iter("{http://www.w3.org/2000/svg}text")]
    drawn = {group.get("class") for group in page.iter("{http://www.w3.org/2000/svg}g")}
    names = {title.text for title in page.iter("{http://www.w3.org/2000/svg}title")}
    assert names == set(planned)
    assert drawn == {"done", "run", "run critical"}


@pytest.fixture
def published(config):
    """All that the published configuration leads to."""
    return Artifacts(config, Catalog("catalog", {"train": "a", "test": "b"}, None), {})


def files_of(artifacts):
    return {path for artifact in artifacts for path in artifact.files.values()}


def test_what_is_on_the_disk_after_each_stage_and_what_may_be_deleted_by_then(config, published, estimator):
    artifacts = published.everything()
    stages = disk.stages(artifacts, files_of(artifacts), boxes.build(config), estimator)
    catalog, split, data, models, predictions, ensembles, results = stages
    train, test = PUBLISHED_CATALOG.train, PUBLISHED_CATALOG.test
    bytes_of = {"A": train.bytes, "B": train.bytes, "C": 0.63 * train.bytes}
    probabilities = 2 * PUBLISHED_CATALOG.classes * 0.63 * test.pictures
    valid_probabilities = 2 * PUBLISHED_CATALOG.classes * 0.63 * 0.05 * train.pictures
    assert (catalog.written, split.written) == pytest.approx((0, 2 * train.bytes))
    assert data.written == pytest.approx(sum(bytes_of.values()))
    assert predictions.written == pytest.approx(14 * (probabilities + valid_probabilities))
    assert ensembles.written == pytest.approx(6 * probabilities)
    assert results.held == pytest.approx(sum(stage.written for stage in stages))
    # Records need the train parts, predictions the valid parts; epochs need the records.
    assert (split.spent, data.spent) == pytest.approx((0, 2 * 0.95 * train.bytes))
    assert models.spent == pytest.approx(data.spent + data.written)
    assert predictions.spent == pytest.approx(models.spent + 2 * 0.05 * train.bytes)
    assert ensembles.spent == pytest.approx(predictions.spent + 14 * probabilities)
    assert results.spent == pytest.approx(ensembles.spent + 14 * valid_probabilities + 6 * probabilities)
    assert results.held - results.spent == pytest.approx(models.written)


def test_files_that_are_gone_and_stay_so_take_no_room(config, published, estimator):
    artifacts, planned = published.everything(), boxes.build(config)
    records = published.data.records["B"]["train"]
    before, without = (
        disk.stages(artifacts, files_of(artifacts) - gone, planned, estimator)
        for gone in (set(), {records.files["records"]})
    )
    size = 0.95 * PUBLISHED_CATALOG.train.bytes
    assert before[-1].held - without[-1].held == pytest.approx(size)
    assert before[-1].spent - without[-1].spent == pytest.approx(size)


def test_the_peak_is_what_a_stage_writes_beside_what_those_before_it_left():
    stages = [disk.Stage("a", 50, 50, 0), disk.Stage("b", 60, 110, 100), disk.Stage("c", 40, 150, 130)]
    assert disk.peak(stages) == 110
    assert disk.table(stages) == [
        "stage  written  on the disk at its end  prune may delete",
        "a         50 B                    50 B               0 B",
        "b         60 B                   110 B             100 B",
        "c         40 B                   150 B             130 B",
        "Peak of the disk: 150 B; 110 B with make prune INTERMEDIATE=1 DELETE=1 after each stage.",
    ]


@pytest.fixture
def one_product(tmp_path):
    """A catalog of one product."""
    product = bson.encode({"_id": 1, "category_id": 1, "imgs": [{"picture": PICTURE}]})
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(product)
    return tmp_path


# That of profiles/small is planned in test_overlays.py, that without a profile below.
@pytest.mark.parametrize("profile", ["demo", "gpu", "slurm"])
def test_a_run_by_each_profile_is_planned_to_a_page_below_its_results(one_product, profile):
    program = [sys.executable, ROOT / "scripts/plan_workflow.py", "--", "--profile", f"profiles/{profile}"]
    values = [f"catalog={one_product}", f"results={one_product}/results", "only=[M01]"]  # one model, to be quick
    arguments = ["--config", *values]
    done = subprocess.run([*program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Plan of {one_product}/results by profiles/{profile}" in done.stdout
    drawn = rf"{one_product}/results/catalog-[0-9a-f]+"
    catalog = drawn if profile == "demo" else one_product
    assert re.search(rf"catalog {catalog}, about", done.stdout)
    [training] = [line for line in done.stdout.splitlines() if line.startswith("train_epochs")]
    assert ("gpu" in training) == (profile == "slurm")
    page = ElementTree.parse(one_product / "results/plan.svg").getroot()
    assert any(text.text and text.text.startswith("train_epochs") for text in page.iter())


def test_days_are_told_for_the_gpus_that_are_named_where_no_model_asks_for_more(planned, estimator):
    wanted = {key: hours.gpus(box, estimator) for key, box in planned.items()}
    assert plan_workflow.gpu_counts(planned, wanted, None) == [8, 16, 32, 64]
    assert plan_workflow.gpu_counts(planned, wanted, 12) == [12]
    with pytest.raises(cli.UserError, match=r"^--gpus 4: a model asks for 8; name more, or lower its gpus in config"):
        plan_workflow.gpu_counts(planned, wanted, 4)
    assert plan_workflow.gpu_counts(planned, dict.fromkeys(wanted, 0), None) == []


def test_the_published_configuration_is_planned(one_product):
    tmp_path = one_product
    output = tmp_path / "plan.svg"
    own = ["--output", output, "--published-catalog", "--gpus", "9"]
    program = [sys.executable, ROOT / "scripts/plan_workflow.py", *own]
    arguments = ["--", "--config", f"catalog={tmp_path}", f"results={tmp_path}/results"]
    done = subprocess.run([*program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    [m14] = [line for line in lines if line.startswith("M14 dpn-107")]
    assert "20 epochs" in m14
    assert "20 jobs: not made yet" in m14
    assert any("GPU hours" in line for line in lines)
    assert any(line.startswith("With so many GPUs at all times, and CPU nodes enough: 9: ") for line in lines)
    [peak] = [line for line in lines if line.startswith("Peak of the disk: 8")]
    assert peak in {text.text for text in ElementTree.parse(output).getroot().iter("{http://www.w3.org/2000/svg}text")}
    assert ElementTree.parse(output).getroot().tag.endswith("svg")
    assert not (tmp_path / "results").exists()
