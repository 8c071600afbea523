"""What jobs take is estimated in one place: the plan tells it, and requests leave room above it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import bson
import pytest

from checkout import ROOT
from costs import finished, requests, sizes, speeds
from costs.estimator import MEBIBYTE, ROW_BYTES, Estimator, Work
from costs.finished import Expectation, Forecast
from costs.sizes import PUBLISHED_CATALOG, CatalogSize, FileSize
from plan import hours
from plan.boxes import MODEL, Box, Job
from workflow import recipes

PICTURE = (ROOT / "tests/picture.jpg").read_bytes()
RULES = "".join(path.read_text() for path in sorted(ROOT.glob("rules/*.smk")))
RULE_NAMES = re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:", RULES, re.MULTILINE)
# Whose jobs the driver does not do itself.
QUEUED_RULES = {
    re.match(r"\w+", text)[0] for text in re.split(r"^rule ", RULES, flags=re.MULTILINE)[1:] if "localrule" not in text
}
# A job of any rule.
WILDCARDS = {
    "catalog": "train",
    "seed": "1",
    "dataset": "C",
    "part": "valid",
    "model": "M02",
    "epoch": "0013",
    "images": "valid-1",
    "shard": "0003",
    "ensemble": "ensemble-4",
    "batch": "test",
    "evaluated": "ensemble-14",
    "weights": "efficientnet-lite0",
    "head": "H1",
}
# In a run of the published configuration.
NOT_IN_ALL = {
    *("generate_catalog", "join_indexes", "split_dumps"),
    *("learn_weights", "rank_subsets", "audit_labels", "train_head", "apply_head"),
}


@pytest.fixture
def config(config) -> dict:
    """The published configuration with a head."""
    return config | {"heads": {"H1": {"models": ["M02", "M03"], "of": "products", "hidden": 0}}}


@pytest.fixture
def estimator(config):
    return Estimator(config, PUBLISHED_CATALOG)


def test_costs_and_plan_need_no_engine_no_snakemake_and_costs_no_plan():
    program = "import {}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    modules = {
        folder: [f"{folder}.{path.stem}" for path in (ROOT / "scripts" / folder).glob("[a-z]*.py")]
        for folder in ("costs", "plan")
    }
    for folder, left_out in (("costs", {"plan"}), ("plan", set())):
        command = [sys.executable, "-c", program.format(", ".join(modules[folder]))]
        imported = subprocess.run(
            command, env={"PYTHONPATH": ROOT / "scripts"}, capture_output=True, text=True, check=True
        )
        assert folder in imported.stdout.split()
        assert not set(imported.stdout.split()) & {*left_out, "mxnet", "torch", "zmq", "bson", "snakemake"}


# Sizes


def test_pictures_are_counted_in_the_catalogs_file(tmp_path):
    products = [{"_id": number, "imgs": [{"picture": PICTURE}] * 3} for number in range(20)]
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(b"".join(map(bson.encode, products)))
    (tmp_path / "category_names.csv").write_text("header\n1,A,B,C\n2,A,B,D\n")
    size = sizes.catalog_size({"catalog": str(tmp_path)})
    assert (size.train.pictures, size.test.pictures, size.classes) == (60, 60, 2)
    assert size.train.bytes == (tmp_path / "train.bson").stat().st_size


def test_each_of_several_dumps_has_its_size_and_so_have_all(config, tmp_path):
    product = bson.encode({"_id": 1, "imgs": [{"picture": PICTURE}] * 3})
    (tmp_path / "train").mkdir()
    for name, count in (("train/a", 5), ("train/b", 20), ("test", 2)):
        (tmp_path / f"{name}.bson").write_bytes(product * count)
    estimator = Estimator(config, sizes.catalog_size({"catalog": str(tmp_path)}))
    work = {name: estimator.work("index_catalog", {"catalog": name}).read for name in ("train.a", "train.b", "test")}
    assert work == {"train.a": 5 * len(product), "train.b": 20 * len(product), "test": 2 * len(product)}
    rows = {name: estimator.size.file(name).pictures for name in ("train", "train.a", "test")}
    assert rows == {"train": 75, "train.a": 15, "test": 6}
    joining = estimator.memory("join_indexes", {"catalog": "train"})
    assert joining - estimator.memory("join_indexes", {"catalog": "test"}) == 69 * ROW_BYTES["join_indexes"]


def test_a_batch_has_a_size_of_its_own(config, tmp_path):
    product = bson.encode({"_id": 1, "imgs": [{"picture": PICTURE}] * 3})
    (tmp_path / "days").mkdir()
    for name, count in (("train", 9), ("test", 2), ("monday", 5), ("days/a", 4), ("days/b", 3)):
        (tmp_path / f"{name}.bson").write_bytes(product * count)
    config["catalog"] = str(tmp_path)
    config["batches"] = {"monday": f"{tmp_path}/monday.bson", "days": f"{tmp_path}/days/*.bson"}
    estimator = Estimator(config, sizes.catalog_size(config))
    pictures = {name: estimator.size.file(f"batch-{name}").pictures for name in ("monday", "days", "days.a")}
    assert pictures == {"monday": 15, "days": 21, "days.a": 12}
    shard = {"model": "M06", "shard": "0000"}
    forwarded = {
        images: estimator.work("predict_images", shard | {"images": images}).forwarded
        for images in ("test", "batch-monday", "batch-days")
    }
    assert forwarded == {name: pytest.approx(2 * 0.63 * count / 16) for name, count in
                         (("test", 6), ("batch-monday", 15), ("batch-days", 21))}  # fmt: skip


@pytest.mark.parametrize("kilobytes", [2, 4.7, 60])
def test_requests_follow_the_number_of_pictures_not_their_bytes(config, tmp_path, kilobytes):
    picture = bytes(round(1000 * kilobytes))
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(bson.encode({"_id": 1, "imgs": [{"picture": picture}]}) * 682)
    estimator = Estimator(config, sizes.catalog_size({"catalog": str(tmp_path)}))
    assert estimator.size.train.pictures == estimator.size.test.pictures == 682
    assert requests.minutes(estimator.seconds("train_epochs", WILDCARDS), 1) == requests.START_MINUTES + 1


def test_pictures_of_a_large_file_are_scaled_up_from_all_over_it(tmp_path, monkeypatch):
    """Those at the beginning are smaller than the others: 200 of 2 kB, then 800 of 10 kB."""
    small, large = (bson.encode({"_id": 1, "imgs": [{"picture": bytes(size)}]}) for size in (2_000, 10_000))
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(small * 200 + large * 800)
    monkeypatch.setattr(sizes, "PIECE", 1 << 15)
    assert sizes.catalog_size({"catalog": str(tmp_path)}).train.pictures == pytest.approx(1000, rel=0.1)


def test_a_catalog_that_is_still_to_be_drawn_has_two_pictures_per_product(tmp_path):
    config = {"catalog": str(tmp_path / "later"), "generate_catalog": {"train_products": 700, "test_products": 200}}
    assert sizes.catalog_size(config) == CatalogSize(FileSize(1400, 7_000_000), FileSize(400, 2_000_000), 5270)


@pytest.mark.parametrize("end", ["", "\n"])
def test_classes_are_the_lines_below_the_head_of_the_names(tmp_path, end):
    names = tmp_path / "category_names.csv"
    names.write_text(f"category_id,category_level1\n1,A\n2,B{end}")
    assert sizes.class_count(names) == 2


# Work, seconds and memory


def test_every_rule_has_work_and_an_unknown_one_is_named(estimator):
    assert len(RULE_NAMES) > 20
    for rule in RULE_NAMES:
        assert isinstance(estimator.work(rule, WILDCARDS), Work)
    with pytest.raises(ValueError, match="rule weigh_pictures: no work is known"):
        estimator.work("weigh_pictures", WILDCARDS)
    with pytest.raises(ValueError, match="rule draw_plan: no memory is known"):
        estimator.memory("draw_plan", WILDCARDS)


def test_a_pass_that_keeps_features_writes_them_too_and_a_head_reads_them(config):
    estimator = Estimator(config, PUBLISHED_CATALOG)
    shard = {"model": "M02", "shard": "0000"}
    pictures = 0.63 * 12_371_293
    features = estimator.kept_bytes(shard | {"images": "train-12648430"})
    assert features == {"features": pytest.approx(0.95 * pictures * 2 * 2688 / 16)}  # DPN-92 has 2,688 of each picture
    both = estimator.kept_bytes(shard | {"images": "valid-12648430"})
    assert both == {
        "probabilities": pytest.approx(0.05 * pictures * 2 * 5270 / 16),
        "features": pytest.approx(0.05 * pictures * 2 * 2688 / 16),
    }
    assert [*estimator.kept_bytes({"model": "M05", "images": "test", "shard": "0000"})] == ["probabilities"]
    training = estimator.work("train_head", {"head": "H1"})
    assert training.read == pytest.approx(2 * 0.95 * pictures * 2 * 2688)
    rows, classes = 0.95 * 12_371_293, 5270
    assert training.multiplied > 3 * rows * 6 * 2 * 2688 * classes


def test_an_epoch_of_a_dataset_without_copies_has_fewer_pictures(estimator):
    a, c = (estimator.work("train_epochs", {"model": model, "epoch": "0001"}) for model in ("M06", "M02"))
    assert a.trained == pytest.approx(0.95 * 12_371_293)
    assert a.forwarded == pytest.approx(0.05 * 12_371_293)
    assert c.pictures == pytest.approx(0.63 * a.pictures)


def test_a_job_that_only_predicts_forwards_each_distinct_picture_of_its_shard_twice(estimator):
    work = estimator.work("predict_images", {"model": "M06", "images": "test", "shard": "0000"})
    assert work.forwarded == pytest.approx(2 * 0.63 * 3_095_080 / 16)
    assert work.written == pytest.approx(2 * 5270 * 0.63 * 3_095_080 / 16)
    assert work.trained == 0


def test_states_that_stay_make_a_checkpoint_larger(estimator):
    weights = estimator.parameters("M01")
    usual, last = (estimator.work("train_epochs", {"model": "M01", "epoch": epoch}) for epoch in ("0001", "0023"))
    assert usual.written == 4 * weights
    assert last.written == 2 * 4 * weights  # nag: a momentum per weight
    estimator.config["models"]["M14"]["phases"][-1]["weight_average"] = 0.999
    for model, epoch, copies in (("M02", "0013", 3), ("M14", "0020", 4)):  # adam, nadam: a mean and a variance as well
        work = estimator.work("train_epochs", {"model": model, "epoch": epoch})
        assert work.written == copies * 4 * estimator.parameters(model)


def test_parameters_of_a_network_of_timm_are_those_that_the_configuration_says(estimator):
    estimator.config["networks"]["dpn-92"] = {"family": "timm", "name": "x", "features": 768, "parameters": 27_820_128}
    assert estimator.parameters("M02") == 27_820_128 + 5270 * 769
    assert estimator.has_guessed_speed("train_epochs", {"model": "M02", "epoch": "0001"})


def test_the_parts_of_a_dataset_are_packed_in_proportion(estimator):
    train, valid = (estimator.seconds("pack_records", {"dataset": "A", "part": part}) for part in ("train", "valid"))
    assert train == pytest.approx(19 * valid)


def test_speed_follows_the_gpus():
    network = {"published_images_per_second": 400}
    assert speeds.training_speed(network, 8, "mxnet") == 400
    assert speeds.training_speed(network, 4, "mxnet") == 200
    assert speeds.training_speed(network, 1, "torch") > speeds.training_speed(network, 8, "mxnet")
    for engine in ("mxnet", "torch"):
        assert 0 < speeds.training_speed(network, 0, engine) < speeds.training_speed(network, 1, engine)
    assert speeds.training_speed({}, 8, "mxnet") == 246


def test_a_speed_is_a_guess_on_a_cpu_and_where_nobody_published_one(config, estimator):
    job = "train_epochs", {"model": "M06", "epoch": "0001"}
    assert not estimator.has_guessed_speed(*job)
    del config["networks"]["dpn-92"]["published_images_per_second"]
    assert estimator.has_guessed_speed(*job)
    config["models"]["M06"]["network"] = "dpn-98"
    assert not estimator.has_guessed_speed(*job)
    config["models"]["M06"]["gpus"] = 0
    assert estimator.has_guessed_speed(*job)
    assert not estimator.has_guessed_speed("index_catalog", {"catalog": "train"})


# Requests


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_requests_grow_with_the_attempt(attempt):
    assert requests.minutes(6000, attempt) == attempt * requests.minutes(6000, 1)
    assert requests.mebibytes(1000 * MEBIBYTE, attempt) == attempt * 2000


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_requested_minutes_are_the_plans_with_room(config, estimator, rule):
    box = Box("", MODEL, "", "", [], [Job(rule, WILDCARDS)])
    planned = hours.cost(box, Forecast(estimator, {})).hours
    requested = requests.minutes(estimator.seconds(rule, WILDCARDS), 1)
    assert 0 <= requested - (requests.START_MINUTES + requests.ROOM * 60 * planned) < 1


def test_what_snakemake_asks_for_follows_from_the_estimates(tmp_path):
    """In a dry run of the published configuration on a small catalog, at a site that grants little."""
    for name in ("train.bson", "test.bson"):
        (tmp_path / name).write_bytes(bson.encode({"_id": 1, "category_id": 1, "imgs": [{"picture": PICTURE}]}) * 9000)
    program = """
import json, sys
from plan_workflow import dry_run_jobs
jobs, config, *_ = dry_run_jobs(sys.argv[1:])
print(json.dumps([config, [(job.rule, job.wildcards, job.requests) for job in jobs]]))
"""
    values = [f"catalog={tmp_path}", f"results={tmp_path}/results", "only=[M01,M02]"]  # two, to be quick
    values += ["answers={ensemble: only}", "accept={precision: 0.98}"]
    limits = {"default-resources": {"max_runtime": 600, "max_mem_mb": 3000}}
    limits["set-resources"] = {"train_epochs": {"slurm_partition": "gpu", "max_runtime": 10}}
    (tmp_path / "site.yaml").write_text(json.dumps(limits))
    arguments = ["--profile", "profiles/slurm", "--profile", str(tmp_path / "site.yaml")]
    arguments += ["--config", *values]
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "scripts"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config, jobs = json.loads(done.stdout.splitlines()[-1])
    estimator = Estimator(config, sizes.catalog_size(config))
    assert estimator.size.train.pictures == 9000
    for rule, wildcards, asked in jobs:
        if rule in QUEUED_RULES:
            wanted = requests.minutes(estimator.seconds(rule, wildcards), 1)
            assert asked["runtime"] == min(wanted, 10 if rule == "train_epochs" else 600)
            assert asked["mem_mb"] == min(requests.mebibytes(estimator.memory(rule, wildcards), 1), 3000)
        else:
            assert asked == {}
    assert {rule for rule, *_ in jobs} >= QUEUED_RULES - NOT_IN_ALL
    trained = [requests.minutes(estimator.seconds(*job), 1) for job in jobs_of_rule(jobs, "train_epochs")]
    assert max(trained) > 10  # so that the site's limit cuts some


def jobs_of_rule(jobs: list, name: str) -> list:
    return [(rule, wildcards) for rule, wildcards, _ in jobs if rule == name]


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_no_request_exceeds_what_the_site_grants(attempt):
    assert requests.minutes(1e6, attempt, 1440) == 1440
    assert requests.minutes(0, attempt, 1440) == 10 * attempt
    assert requests.mebibytes(1e6 * MEBIBYTE, attempt, 180_000) == 180_000


@pytest.mark.parametrize(("most", "fused"), [(None, 4), (1000, 4), (428, 4), (427, 3), (300, 2), (100, 1), (1, 1)])
def test_a_job_takes_no_more_epochs_than_the_site_grants_time_for(most, fused):
    """Each asks for 107 minutes."""
    assert requests.minutes(2910, 1) == 107
    assert requests.fused_epochs(2910, 4, most) == fused


@pytest.mark.parametrize("rule", sorted(QUEUED_RULES))
def test_time_and_memory_of_every_rule_follow_from_its_work(config, rule):
    """A catalog of ten thousand times as much takes longer, in each rule's own unit."""
    small, large = (
        Estimator(config, CatalogSize(FileSize(n, 5000 * n), FileSize(n, 5000 * n), 5270)) for n in (10**4, 10**8)
    )
    assert large.seconds(rule, WILDCARDS) > 100 * small.seconds(rule, WILDCARDS) > 0


# Finished jobs


def train(config: dict, folder: Path, model: str, epoch: int, speeds: list[float], devices: list[str], **changed):
    """What the epochs up to one leave of their speeds."""
    recipe = {"network": recipes.network_spec(config, model), "image": recipes.image(config, model), "seed": 1}
    reports = [{"devices": devices, "train": {"images_per_second": speed}} for speed in speeds]
    stem = folder / model / f"{epoch:04d}-{epoch:010x}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(reports[-1] | {"before": reports[:-1]}))
    stem.with_suffix(".recipe.json").write_text(json.dumps(recipe | changed))


def test_the_next_requests_follow_from_the_slowest_epoch_on_as_many_devices(config, tmp_path):
    estimator = Estimator(config, PUBLISHED_CATALOG, tmp_path)
    epoch = "train_epochs", {"model": "M14", "epoch": "0002"}
    shard = "predict_images", {"model": "M14", "images": "test", "shard": "0000"}
    by_published_speeds = Estimator(config, PUBLISHED_CATALOG)
    assert estimator.seconds(*epoch) == by_published_speeds.seconds(*epoch)
    gpus = [f"gpu({number})" for number in range(8)]
    train(config, tmp_path, "M14", 1, [160.0], gpus)
    first = estimator.seconds(*epoch)
    train(config, tmp_path, "M14", 2, [160.0, 80.0], gpus)
    pictures = estimator.work(*epoch).pictures
    assert estimator.seconds(*epoch) - first == pytest.approx(pictures / 80 - pictures / 160)
    assert estimator.seconds(*shard) == pytest.approx(estimator.work(*shard).pictures / 10, rel=0.01)  # on one GPU
    assert Forecast(estimator, {("train_epochs", "M14"): [1.0]}).expect(*epoch).seconds == estimator.seconds(*epoch)
    other = "train_epochs", {"model": "M12", "epoch": "0001"}
    assert estimator.seconds(*other) == by_published_speeds.seconds(*other)


def test_speeds_of_another_device_or_network_tell_nothing(config, tmp_path):
    estimator = Estimator(config, PUBLISHED_CATALOG, tmp_path)
    epoch = "train_epochs", {"model": "M14", "epoch": "0002"}
    train(config, tmp_path, "M14", 1, [1.0], ["cpu(0)"])
    assert estimator.measured_speed(*epoch) is None
    train(config, tmp_path, "M14", 2, [1.0], ["gpu(0)"], network={})
    assert estimator.measured_speed(*epoch) is None
    config["models"]["M14"]["gpus"] = 0
    assert estimator.measured_speed(*epoch) == 1.0
    assert not estimator.has_guessed_speed(*epoch)


def test_speeds_of_another_engine_tell_nothing(config, tmp_path):
    """Predictions are by the engine of prediction, whichever trained the model."""
    estimator = Estimator(config, PUBLISHED_CATALOG, tmp_path)
    epoch = "train_epochs", {"model": "M14", "epoch": "0002"}
    shard = "predict_images", {"model": "M14", "images": "test", "shard": "0000"}
    train(config, tmp_path, "M14", 1, [800.0], ["gpu(0)"])
    config["models"]["M14"]["engine"] = "torch"
    assert estimator.measured_speed(*epoch) is None
    assert estimator.measured_speed(*shard) == 800
    train(config, tmp_path, "M14", 2, [3000.0], ["cuda:0"], engine="torch")
    assert estimator.measured_speed(*epoch) == 8 * 3000
    assert estimator.measured_speed(*shard) == 800


def finish(benchmarks: Path, rule: str, name: str, seconds: float) -> None:
    """What a finished job leaves."""
    (benchmarks / rule).mkdir(parents=True, exist_ok=True)
    (benchmarks / rule / f"{name}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:36\n")


DIGEST, OTHER = "0123456789", "fedcba9876"


def test_a_finished_job_belongs_to_the_model_of_its_whole_name(tmp_path):
    for seconds, model in enumerate(("lite0", "lite0-b", "M1", "M10", f"lite0-0001-{OTHER}"), 1):
        finish(tmp_path, "train_epochs", f"{model}-0001-{DIGEST}", seconds)
        finish(tmp_path, "train_epochs", f"{model}-0002-{OTHER}", seconds)
        finish(tmp_path, "predict_images", f"valid-1-{DIGEST}-{model}-{OTHER}-0003", 10 * seconds)
    finish(tmp_path, "predict_images", f"test-{DIGEST}-lite0-{OTHER}-0003", 60)
    finish(tmp_path, "predict_images", f"batch-2026-11-25-{DIGEST}-lite0-b-{OTHER}-0003", 70)
    assert finished.read_finished(tmp_path) == {
        ("train_epochs", "lite0"): [1, 1],
        ("train_epochs", "lite0-b"): [2, 2],
        ("train_epochs", "M1"): [3, 3],
        ("train_epochs", "M10"): [4, 4],
        ("train_epochs", f"lite0-0001-{OTHER}"): [5, 5],
        ("predict_images", "valid-1", "lite0"): [10],
        ("predict_images", "valid-1", "lite0-b"): [20],
        ("predict_images", "valid-1", "M1"): [30],
        ("predict_images", "valid-1", "M10"): [40],
        ("predict_images", "valid-1", f"lite0-0001-{OTHER}"): [50],
        ("predict_images", "test", "lite0"): [60],
        ("predict_images", "batch-2026-11-25", "lite0-b"): [70],
    }


def test_benchmark_names_are_those_of_the_rules():
    named = dict(re.findall(r"benchmarks\(\"(\w+)/(.*)\"\)", RULES))
    assert {rule: named[rule] for rule in finished.NAMES} == finished.NAMES


def test_what_a_job_took_goes_before_what_is_estimated(tmp_path, estimator):
    finish(tmp_path, "index_catalog", f"test-{DIGEST}", 60)
    finish(tmp_path, "split_catalog", f"1-{DIGEST}", 90)
    forecast = Forecast(estimator, finished.read_finished(tmp_path))
    assert forecast.expect("index_catalog", {"catalog": "test"}) == Expectation(60)
    assert forecast.expect("index_catalog", {"catalog": "train"}) == Expectation(582)  # 58.2 GB
    assert forecast.expect("split_catalog", {"seed": "12648430"}) == Expectation(90)


def test_jobs_of_other_settings_that_lie_there_are_no_fault(tmp_path, estimator):
    finish(tmp_path, "train_epochs", f"gone-0001-{DIGEST}", 1)
    finish(tmp_path, "train_epochs", "M14", 1)  # no name of this version
    forecast = Forecast(estimator, finished.read_finished(tmp_path))
    job = "train_epochs", {"model": "M14", "epoch": "0001"}
    assert forecast.expect(*job) == Expectation(estimator.seconds(*job))
