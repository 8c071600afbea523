"""What makes what stale: each row of docs/staleness.md as the exact set of jobs of a dry run.

The finished run is the smallest workflow: M01 on dataset C, M09 on B, M10 and M11 on A, M11 starting from M10;
ensemble-1 is M10, ensemble-2 M01 and M11, ensemble-4 all.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_workflow import OVERLAY, ROOT, snakemake

pytestmark = pytest.mark.slow

CHECKOUT = ("Snakefile", "rules", "scripts", "config.yaml", "config.schema.yaml", "envs", "profiles")
EPOCHS = {"M01": 3, "M09": 3, "M10": 3, "M11": 2}
SEED = {"M01": 12648430, "M09": 1, "M10": 12648430, "M11": 12648430}
ENSEMBLES = {"ensemble-1": ["M10"], "ensemble-2": ["M01", "M11"], "ensemble-4": ["M01", "M09", "M10", "M11"]}
SHARDS = ("0000", "0001")
REPORT = {
    *("tabulate_evaluations", "tabulate_models", "draw_categories", "draw_learning_curves", "draw_evaluations"),
    *("show_confusions", "draw_times", "draw_plan", "summarize_run"),
}


class Case:
    """A copy of a checkout with finished results, to change something in."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.changes = folder / "changes.yaml"
        self.changes.write_text("{}")

    def configure(self, changes: dict) -> None:
        self.changes.write_text(yaml.safe_dump(changes))

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def jobs(self, *arguments: str) -> set[str]:
        """The jobs of a dry run, as `rule wildcard...`, without the report's."""
        return self.all_jobs(*arguments) - REPORT

    def all_jobs(self, *arguments: str) -> set[str]:
        command = [sys.executable, ROOT / "tests/workflow/list_jobs.py"]
        command += [*arguments, "--configfile", OVERLAY, self.changes]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return {" ".join([rule, *wildcards.values()]) for rule, wildcards, _ in json.loads(done.stdout)}


@pytest.fixture(scope="session")
def finished_checkout(finished_workflow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "checkout"
    folder.mkdir()
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished_workflow / name, folder / name)
    return folder


@pytest.fixture
def case(finished_checkout, tmp_path):
    return Case(Path(shutil.copytree(finished_checkout, tmp_path / "checkout")))


def training(model: str, first: int = 1) -> set[str]:
    return {f"train_epochs {model} {epoch:04d}" for epoch in range(first, EPOCHS[model] + 1)}


def recipes(model: str, first: int = 1, last: int = 9) -> set[str]:
    return {f"write_recipe {model} {epoch:04d}" for epoch in range(first, min(last, EPOCHS[model]) + 1)}


def predictions(*models: str, images: tuple[str, ...] = ("test", "valid")) -> set[str]:
    sets = {"test": "test", "valid": "valid-{}"}
    return {
        f"predict_images {sets[name].format(SEED[model])} {model} {shard}"
        for model in models
        for name in images
        for shard in SHARDS
    }


def averages(*ensembles: str) -> set[str]:
    return {f"average_models {ensemble} {shard}" for ensemble in ensembles for shard in SHARDS}


def averaged_otherwise(*ensembles: str) -> set[str]:
    """Everything that follows another way of averaging."""
    settings = {f"write_ensemble_settings {ensemble}" for ensemble in ensembles}
    return settings | averages(*ensembles) | submissions(*ensembles) | evaluations(*ensembles)


def submissions(*ensembles: str) -> set[str]:
    return {f"write_submission {ensemble}" for ensemble in ensembles}


def evaluations(*names: str) -> set[str]:
    return {f"evaluate_predictions {name}" for name in names}


def all_that_follows(*models: str) -> set[str]:
    """Everything after the last epochs of the models."""
    ensembles = [name for name, members in ENSEMBLES.items() if {*members} & {*models}]
    followers = predictions(*models) | averages(*ensembles) | submissions(*ensembles)
    return followers | evaluations(*models, *ensembles)


ALL = tuple(EPOCHS)
SEEDS = (1, 12648430)
LISTS = {f"list_images {images}" for images in ("test", *(f"valid-{seed}" for seed in SEEDS))}
SETTINGS = {job.replace("list_images", "write_prediction_settings") for job in LISTS}
RETRAINED = {job for model in ALL for job in recipes(model) | training(model)}


def model(name: str) -> dict:
    return yaml.safe_load(OVERLAY.read_text())["models"][name]


def test_nothing_changed_means_nothing_to_do(case):
    assert case.all_jobs() == set()


# Models


def test_a_learning_rate_retrains_its_model_and_what_starts_from_it(case):
    phases = model("M10")["phases"]
    phases[0]["schedule"][0]["learning_rate"] = 0.001
    case.configure({"models": {"M10": {"phases": phases}}})
    retrained = recipes("M10", last=2) | training("M10") | training("M11")
    assert case.jobs() == retrained | all_that_follows("M10", "M11")


def test_a_learning_rate_from_an_epoch_on_leaves_the_epochs_before_alone(case):
    phases = model("M01")["phases"]
    phases[0]["schedule"][1]["learning_rate"] = 0.002
    case.configure({"models": {"M01": {"phases": phases}}})
    assert case.jobs() == recipes("M01", 3) | training("M01", 3) | all_that_follows("M01")


def test_more_epochs_are_trained_on_top(case, monkeypatch):
    phases = model("M09")["phases"]
    phases[0]["schedule"][0]["epochs"] = 4
    case.configure({"models": {"M09": {"phases": phases}}})
    monkeypatch.setitem(EPOCHS, "M09", 4)
    assert case.jobs() == recipes("M09", 4) | training("M09", 4) | all_that_follows("M09")


def test_fewer_epochs_train_nothing(case):
    phases = model("M01")["phases"]
    phases[0]["schedule"].pop()
    case.configure({"models": {"M01": {"phases": phases}}})
    assert case.jobs() == all_that_follows("M01")


def test_a_new_model_is_trained_and_nothing_else(case, monkeypatch):
    case.configure({"models": {"M20": model("M01") | {"network": "resnext-101-32x4d", "dataset": "B"}}})
    monkeypatch.setitem(EPOCHS, "M20", 3)
    monkeypatch.setitem(SEED, "M20", 1)
    made = {"build_network M20"} | recipes("M20") | training("M20") | evaluations("M20")
    assert case.jobs() == made | predictions("M20", images=("valid",))


def test_a_removed_model_concerns_its_ensembles_only(case):
    ensembles = {"ensemble-2": {"models": ["M11"]}, "ensemble-4": {"models": ["M09", "M10", "M11"]}}
    case.configure({"models": {"M01": None}, "ensembles": ensembles})
    assert case.jobs() == averaged_otherwise("ensemble-2", "ensemble-4")


def test_a_network_concerns_the_models_that_are_built_from_it(case):
    case.configure({"networks": {"resnext-101-64x4d": {"stem": 8}}})
    retrained = {"build_network M09"} | recipes("M09") | training("M09")
    assert case.jobs() == retrained | all_that_follows("M09")


def test_a_datasets_filter_concerns_the_models_that_learn_from_it(case):
    case.configure({"datasets": {"C": {"drop_conflicts": True}}})
    assert case.jobs() == {"pack_records C train"} | recipes("M01") | training("M01") | all_that_follows("M01")


def test_the_pictures_size_concerns_everything_that_a_network_sees(case):
    case.configure({"image": {"size": 48}})
    networks = {f"build_network {name}" for name in ALL}
    assert case.jobs() == networks | RETRAINED | all_that_follows(*ALL)


def test_a_public_checkpoint_replaced_under_its_name_is_free(case):
    case.configure({"models": {"M01": {"start": {"pretrained": "public"}, "min_transfer": 0.5}}})
    public = case.folder / "pretrained/public-0000.params"
    public.parent.mkdir()
    shutil.copy(case.folder / "results/models/M01/0003.params", public)
    first_epoch = "results/models/M01/0001.params"
    assert case.jobs(first_epoch) == {"write_recipe M01 0001", "train_epochs M01 0001"}
    done = snakemake(case.folder, "--configfile", str(OVERLAY), str(case.changes), "--", first_epoch)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(case.folder / "results/models/M09/0003.params", public)
    assert case.jobs(first_epoch) == set()
    public.unlink()
    assert case.jobs(first_epoch) == set()


def test_the_report_follows_what_it_shows(case):
    case.configure({"ensembles": {"ensemble-1": {"mean": "geometric"}}})
    of_evaluations = {"tabulate_evaluations", "tabulate_models", "draw_evaluations", "draw_times", "summarize_run"}
    assert case.all_jobs() & REPORT == of_evaluations
    phases = model("M01")["phases"]
    phases[0]["schedule"][1]["learning_rate"] = 0.002
    case.configure({"models": {"M01": {"phases": phases}}})
    assert case.all_jobs() & REPORT == REPORT - {"draw_categories"}


# Ensembles and post-processing


def test_a_new_ensemble_is_averaged_from_what_is_there(case):
    case.configure({"ensembles": {"ensemble-3": {"models": ["M09", "M10"]}}})
    assert case.jobs() == averaged_otherwise("ensemble-3")


@pytest.mark.parametrize("change", [{"mean": "geometric"}, {"weights": [1, 2, 3, 4]}])
def test_an_ensembles_mean_and_weights_concern_it_alone(case, change):
    case.configure({"ensembles": {"ensemble-4": change}})
    assert case.jobs() == averaged_otherwise("ensemble-4")


def test_an_ensembles_mean_is_seen_while_jobs_far_above_run_again(case):
    case.configure({"ensembles": {"ensemble-4": {"mean": "geometric"}}})
    (case.folder / "scripts/list_images.py").open("a").write("ANSWER = 42\n")
    jobs = case.jobs()
    assert jobs >= LISTS | averaged_otherwise("ensemble-4")
    assert jobs.isdisjoint(predictions(*ALL) | averages("ensemble-1", "ensemble-2"))


@pytest.mark.parametrize("change", [{"picture_md5": "majority"}, {"product_md5": False}])
def test_how_known_pictures_are_labelled_touches_no_prediction(case, change):
    case.configure({"postprocessing": change})
    assert case.jobs() == submissions(*ENSEMBLES) | evaluations(*ALL, *ENSEMBLES)


def test_without_known_pictures_more_pictures_are_predicted(case):
    case.configure({"postprocessing": {"picture_md5": "off"}})
    predicted = predictions(*ALL, images=("test",)) | averages(*ENSEMBLES) | submissions(*ENSEMBLES)
    lists = {"list_images test", "write_prediction_settings test"}
    assert case.jobs() == lists | predicted | evaluations(*ALL, *ENSEMBLES)


def test_other_shards_are_other_files(case, monkeypatch):
    case.configure({"prediction": {"shards": 3}})
    monkeypatch.setattr(sys.modules[__name__], "SHARDS", ("0000", "0001", "0002"))
    assert case.jobs() == SETTINGS | all_that_follows(*ALL)


# What never makes anything stale


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"threads": 2}},
        {"training": {"epochs_per_job": 3}},
        {"prediction": {"threads": 2, "gpus": 1, "batch_size": 32}},
        {"models": {"M01": {"gpus": 8}}},
        {"networks": {"resnext-101-64x4d": {"published_images_per_second": 9.0}}},
    ],
)
def test_threads_gpus_batches_of_prediction_and_grouping_are_free(case, change):
    case.configure(change)
    assert case.all_jobs() == set()


def test_a_sites_resources_are_free(case):
    assert case.all_jobs("--set-resources", "train_epochs:mem_mb=9999", "--set-threads", "train_epochs=2") == set()


@pytest.mark.parametrize("script", ["index_catalog.py", "train_epochs.py", "catalog/index.py", "training/metrics.py"])
def test_comments_and_docstrings_are_free(case, script):
    case.edit(f"scripts/{script}", '"""', '"""Said better: ')
    (case.folder / f"scripts/{script}").open("a").write("# a remark\n")
    assert case.all_jobs() == set()


def test_an_environments_file_is_free_without_conda(case):
    for path in (case.folder / "envs").iterdir():
        path.open("a").write("# another pin\n")
    assert case.all_jobs() == set()


# Code


def test_a_cheap_scripts_code_reruns_its_rule_and_leaves_the_models_alone(case):
    (case.folder / "scripts/list_images.py").open("a").write("ANSWER = 42\n")
    jobs = case.jobs()
    assert jobs >= LISTS
    assert jobs.isdisjoint(predictions(*ALL) | RETRAINED)


def test_a_module_counts_for_every_cheap_script_that_imports_it(case):
    (case.folder / "scripts/catalog/index.py").open("a").write("ANSWER = 42\n")
    jobs = case.jobs()
    assert {"index_catalog train", "index_catalog test", "split_catalog 1"} | LISTS <= jobs
    assert jobs.isdisjoint(predictions(*ALL) | RETRAINED)


@pytest.mark.parametrize("script", ["train_epochs.py", "predict_images.py"])
def test_a_costly_scripts_code_alone_reruns_nothing(case, script):
    (case.folder / f"scripts/{script}").open("a").write("ANSWER = 42\n")
    assert case.all_jobs() == set()


def test_the_revision_of_training_retrains_every_model(case):
    case.edit("scripts/train_epochs.py", "REVISION = 2", "REVISION = 3")
    assert case.jobs() == RETRAINED | all_that_follows(*ALL)


def test_the_revision_of_prediction_predicts_again(case):
    case.edit("scripts/predict_images.py", "REVISION = 1", "REVISION = 2")
    assert case.jobs() == SETTINGS | all_that_follows(*ALL)


def test_the_revision_of_packing_packs_and_trains_again(case):
    case.edit("scripts/pack_records.py", "REVISION = 1", "REVISION = 2")
    packed = {f"pack_records {dataset} {part}" for dataset in "ABC" for part in ("train", "valid")}
    assert case.jobs() == packed | RETRAINED | all_that_follows(*ALL)


def test_the_revision_of_listing_predicts_again(case):
    case.edit("scripts/list_images.py", "REVISION = 1", "REVISION = 2")
    assert case.jobs() == LISTS | SETTINGS | all_that_follows(*ALL)


@pytest.mark.parametrize("script", ["index_catalog.py", "split_catalog.py"])
def test_the_revision_of_a_step_before_the_records_trains_again(case, script):
    case.edit(f"scripts/{script}", "REVISION = 1", "REVISION = 2")
    jobs = case.jobs()
    assert jobs >= {"split_catalog 1", "pack_records B train"} | RETRAINED | all_that_follows(*ALL)
    assert ("index_catalog train" in jobs) == (script == "index_catalog.py")


def test_the_revision_of_labelling_trains_again(case):
    case.edit("scripts/label_categories.py", "REVISION = 1", "REVISION = 2")
    packed = {f"pack_records {dataset} {part}" for dataset in "ABC" for part in ("train", "valid")}
    networks = {f"build_network {name}" for name in ALL}
    assert case.jobs() == {"label_categories"} | packed | networks | RETRAINED | all_that_follows(*ALL)


def test_the_command_of_a_costly_rule_counts_to_the_last_space(case):
    case.edit("rules/train.smk", "python scripts/train_epochs.py --recipe", "python scripts/train_epochs.py  --recipe")
    jobs = {job for name in ALL for job in training(name)}
    assert case.jobs() == jobs | all_that_follows(*ALL)


# Lost files and interrupted runs


def test_a_deleted_submission_is_written_again(case):
    (case.folder / "results/submission/ensemble-2.csv.gz").unlink()
    assert case.jobs() == submissions("ensemble-2")


def test_a_deleted_intermediate_file_is_made_when_it_is_needed_and_not_before(case):
    (case.folder / "results/ensemble/test/ensemble-2/0001.npy").unlink()
    (case.folder / "results/models/M01/0001.params").unlink()
    assert case.all_jobs() == set()
    (case.folder / "results/submission/ensemble-2.csv.gz").unlink()
    assert case.jobs() == submissions("ensemble-2") | {"average_models ensemble-2 0001"}


def test_an_epoch_that_was_killed_is_trained_again_from_the_epoch_before(case):
    for suffix in ("params", "states", "json"):
        (case.folder / f"results/models/M01/0003.{suffix}").unlink(missing_ok=True)
    shutil.rmtree(case.folder / "results/probabilities/test/M01")
    shutil.rmtree(case.folder / "results/probabilities/valid-12648430/M01")
    for name in ("ensemble-2", "ensemble-4"):
        for shard in SHARDS:
            (case.folder / f"results/ensemble/test/{name}/{shard}.npy").unlink()
        (case.folder / f"results/submission/{name}.csv.gz").unlink()
    for name in ("M01", "ensemble-2", "ensemble-4"):
        (case.folder / f"results/evaluation/{name}.json").unlink()
    assert case.jobs() == training("M01", 3) | all_that_follows("M01")


def mark_as_incomplete(folder: Path, output: str) -> None:
    """Do what Snakemake does when a job starts, and undoes when its driver lives to see it end."""
    mark = base64.urlsafe_b64encode(output.encode()).decode()
    (folder / ".snakemake/incomplete" / mark).touch()


def test_a_file_that_was_finished_after_its_driver_died_is_kept(case):
    mark_as_incomplete(case.folder, "results/submission/ensemble-1.csv.gz")
    mark_as_incomplete(case.folder, "results/models/M01/0002.params")
    assert case.all_jobs() == set()


def test_epochs_are_not_forgotten_where_the_driver_died_while_a_network_was_built(case):
    """Snakemake alone would build the network, train nothing and be done."""
    for path in case.folder.glob("results/**/*"):
        if path.is_file() and not path.is_relative_to(case.folder / "results/catalog"):
            path.unlink()
    symbol = "results/models/M01/symbol.json"
    (case.folder / symbol).write_text("{}")
    mark_as_incomplete(case.folder, symbol)
    assert case.jobs() >= {job for name in ALL for job in training(name)} | submissions(*ENSEMBLES)


def test_another_environment_makes_nothing_stale(case):
    """As --sdm conda after a venv, the other way round, or a checkout that was moved."""
    for path in (case.folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            path.write_text(json.dumps(record | {"software_stack_hash": "another"}))
    assert case.all_jobs() == set()


# The catalog


def test_skipping_bad_products_is_free(case):
    case.configure({"on_bad_product": "skip"})
    assert case.all_jobs() == set()


def test_another_drawn_catalog_is_indexed_and_trained_again(case):
    case.configure({"generate_catalog": {"seed": 2}})
    assert case.jobs() >= {"index_catalog train", "index_catalog test"} | RETRAINED | all_that_follows(*ALL)


def test_another_validation_part_splits_and_trains_again(case):
    case.configure({"valid_fraction": 0.25})
    splits = {f"split_catalog {seed}" for seed in SEEDS}
    packed = {f"pack_records {dataset} {part}" for dataset in "ABC" for part in ("train", "valid")}
    lists = {job for job in LISTS | SETTINGS if "valid" in job}
    assert case.jobs() >= splits | packed | lists | RETRAINED | predictions(*ALL, images=("valid",))


def test_another_seed_makes_another_split(case, monkeypatch):
    case.configure({"datasets": {"B": {"seed": 2}}})
    monkeypatch.setitem(SEED, "M09", 2)
    made = {"split_catalog 2", "pack_records B train", "pack_records B valid"}
    made |= {"list_images valid-2", "write_prediction_settings valid-2"}
    assert case.jobs() == made | recipes("M09") | training("M09") | all_that_follows("M09")


OWN = {"generate_catalog": None, "catalog": "catalog"}


class OwnCatalog(Case):
    """A finished run of the data path on a catalog that no rule makes."""

    TARGETS = (
        *("results/index/train.digest.json", "results/index/test.digest.json", "results/records/A/train.rec"),
        *("results/models/M10/0001.recipe.json", "results/probabilities/test/settings.json"),
    )

    def jobs(self) -> set[str]:
        self.configure(OWN)
        return self.all_jobs(*self.TARGETS)


@pytest.fixture(scope="module")
def finished_own_catalog(finished_checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "checkout"
    shutil.copytree(finished_checkout, folder, ignore=shutil.ignore_patterns("results", ".snakemake"))
    shutil.copytree(finished_checkout / "results/catalog", folder / "catalog")
    overlay = folder / "own.yaml"
    overlay.write_text(yaml.safe_dump(yaml.safe_load(OVERLAY.read_text()) | OWN))
    done = snakemake(folder, *OwnCatalog.TARGETS, overlay=overlay)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def own_catalog(finished_own_catalog, tmp_path):
    return OwnCatalog(Path(shutil.copytree(finished_own_catalog, tmp_path / "checkout")))


def touch(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_a_touched_catalog_is_free(own_catalog):
    for name in ("train.bson", "test.bson", "category_names.csv"):
        touch(own_catalog.folder / "catalog" / name)
    assert own_catalog.jobs() == set()


def test_another_training_catalog_is_indexed_and_trained_again(own_catalog):
    path = own_catalog.folder / "catalog/train.bson"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\0" + content[len(content) // 2 + 1 :])
    touch(path)
    assert own_catalog.jobs() == {
        *("index_catalog train", "digest_catalog train", "label_categories", "split_catalog 12648430"),
        *("pack_records A train", "write_recipe M10 0001", "write_prediction_settings test"),
    }


def test_known_pictures_left_out_again_are_other_predictions(own_catalog):
    everything, known_left_out = {"picture_md5": "off"}, {"picture_md5": "unique"}
    changed = {"list_images test", "write_prediction_settings test"}
    targets = ("results/images/test.parquet", "results/probabilities/test/settings.json")
    own_catalog.configure(OWN | {"postprocessing": everything})
    done = snakemake(own_catalog.folder, "--configfile", str(OVERLAY), str(own_catalog.changes), "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    own_catalog.configure(OWN | {"postprocessing": known_left_out})
    assert own_catalog.all_jobs(*targets) == changed


def test_other_names_of_categories_train_nothing_again(own_catalog):
    own_catalog.edit("catalog/category_names.csv", "STRIPED", "WITH STRIPES")
    assert own_catalog.jobs() == {"label_categories", "pack_records A train"}


def test_another_order_of_categories_trains_again(own_catalog):
    path = own_catalog.folder / "catalog/category_names.csv"
    head, first, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([head, second, first, *rest]))
    assert own_catalog.jobs() == {"label_categories", "pack_records A train", "write_recipe M10 0001"}
