"""What makes what stale: each row of docs/staleness.md as the exact set of jobs, in plain Python, without Snakemake.

The finished run is the smallest workflow in two shards: M01 on dataset C, M09 on B, M10 and M11 on A, M11 starting from
M10; ensemble-1 is M10, ensemble-2 M01 and M11, ensemble-4 all. test_plans.py holds Snakemake's plans against it.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from postprocessing.learned import Combination, Learned
from tiny_workflow import OVERLAY
from workflow import catalogs, outputs, overlays, reasons, recipes, sources
from workflow.artifact import Artifact, write_recipe
from workflow.artifacts import Artifacts

EPOCHS = {"M01": 3, "M09": 3, "M10": 3, "M11": 2}
SEED = {"M01": 12648430, "M09": 1, "M10": 12648430, "M11": 12648430}
ENSEMBLES = {"ensemble-1": ["M10"], "ensemble-2": ["M01", "M11"], "ensemble-4": ["M01", "M09", "M10", "M11"]}
SHARDS = ("0000", "0001")
ALL = tuple(EPOCHS)
TABLES = {
    *("tabulate_evaluations", "summarize_run", "tabulate_models", "draw_learning_curves", "draw_evaluations"),
    *("show_confusions", "draw_categories", "draw_times", "draw_plan"),
}
TABLES_OF_ANSWERS = {"draw_answers", "tabulate_answers"}


class Results:
    """A folder in which every file of a finished run lies, and settings to be changed."""

    def __init__(self, folder: Path, changes: dict):
        self.folder = folder
        self.changes = changes
        made = self.artifacts({})
        for artifact in made.everything():
            write_recipe(artifact)
            for path in artifact.files.values():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).touch()
        self.remove_superseded_states(made)

    @staticmethod
    def remove_superseded_states(made: Artifacts) -> None:
        for model, epochs in made.models.epochs.items():
            for number, epoch in enumerate(epochs, 1):
                settings, keep = made.config["models"][model], made.config["training"]["keep_states"]
                if not recipes.keeps_states(settings, number, keep):
                    Path(epoch.files["states"]).unlink()

    def artifacts(self, changes: dict) -> Artifacts:
        """What the smallest configuration with changes leads to."""
        files = [OVERLAY]
        always = {"results": str(self.folder / "results"), "prediction": {"shards": len(SHARDS)}}
        for number, each in enumerate((self.changes | always, changes)):
            files.append(self.folder / f"{number}.yaml")
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_text(yaml.safe_dump(each))
        return catalogs.artifacts_of(overlays.read(ROOT, files))

    def missing(self, changes: dict, target: str = "all") -> list[Artifact]:
        made = self.artifacts(changes)
        return made.missing(made.target(target))

    def jobs(self, changes: dict | None = None, target: str = "all") -> set[str]:
        """What has to be made, as `rule wildcard...`, without the report's."""
        return {
            _job(artifact)
            for artifact in self.missing(changes or {}, target)
            if artifact.rule not in TABLES | TABLES_OF_ANSWERS
        }

    def why(self, changes: dict) -> dict[str, str]:
        return {_job(artifact): reason for artifact, reason in reasons.reasons(self.missing(changes))}

    def delete(self, pattern: str) -> None:
        found = list((self.folder / "results").glob(pattern))
        assert found
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _job(artifact: Artifact) -> str:
    return " ".join([artifact.rule, *outputs.without_digests(artifact.wildcards.items()).values()])


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path, {})


@pytest.fixture
def revision(monkeypatch):
    """Raise the REVISION of a script."""

    def raise_it(script: str) -> None:
        before = sources.revision
        monkeypatch.setattr(sources, "revision", lambda each: before(each) + (each == script))

    return raise_it


@pytest.fixture
def code(monkeypatch):
    """Change the code of a cheap script."""

    def change(script: str) -> None:
        before = sources.fingerprint
        monkeypatch.setattr(sources, "fingerprint", lambda each: before(each) + "x" * (each == script))

    return change


def training(model: str, first: int = 1, last: int | None = None) -> set[str]:
    return {f"train_epochs {model} {epoch:04d}" for epoch in range(first, (last or EPOCHS[model]) + 1)}


def predictions(*models: str, images: tuple[str, ...] = ("test", "valid"), shards: tuple = SHARDS) -> set[str]:
    sets = {"test": "test", "valid": "valid-{}"}
    return {
        f"predict_images {sets[name].format(SEED.get(model, 1))} {model} {shard}"
        for model in models
        for name in images
        for shard in shards
    }


def averages(*ensembles: str, shards: tuple = SHARDS) -> set[str]:
    return {f"average_models test {ensemble} {shard}" for ensemble in ensembles for shard in shards}


def averaged_otherwise(*ensembles: str) -> set[str]:
    """Everything that follows another way of averaging."""
    return averages(*ensembles) | submissions(*ensembles) | evaluations(*ensembles)


def submissions(*ensembles: str) -> set[str]:
    return {f"write_submission {ensemble}" for ensemble in ensembles}


def evaluations(*names: str) -> set[str]:
    return {f"evaluate_predictions {name}" for name in names}


def all_that_follows(*models: str, shards: tuple = SHARDS) -> set[str]:
    """Everything after the last epochs of the models."""
    ensembles = [name for name, members in ENSEMBLES.items() if {*members} & {*models}]
    followers = predictions(*models, shards=shards) | averages(*ensembles, shards=shards) | submissions(*ensembles)
    return followers | evaluations(*models, *ensembles)


SEEDS = (1, 12648430)
SPLITS = {f"split_catalog {seed}" for seed in SEEDS}
LISTS = {f"list_images {images}" for images in ("test", *(f"valid-{seed}" for seed in SEEDS))}
PACKED = {f"pack_records {dataset} {part}" for dataset in "ABC" for part in ("train", "valid")}
TRAINED = {job for model in ALL for job in training(model)}


def phases(model: str, step: int, change: dict, phase: int = 0) -> dict:
    """The change of one step of a model's schedule."""
    found = yaml.safe_load(OVERLAY.read_text())["models"][model]["phases"]
    found[phase]["schedule"][step] |= change
    return {"models": {model: {"phases": found}}}


def of_head(*images: str) -> set[str]:
    """What an M01's head of that name predicts, and its own evaluation."""
    return {f"apply_head {each} H1 {shard}" for each in images for shard in SHARDS} | {"evaluate_predictions H1"}


VALID, LEARNED_FROM = "valid-12648430", "train-12648430"


def test_a_head_asks_for_features_alone_of_what_is_finished(results):
    head = {"heads": {"H1": {"models": ["M01"]}}}
    passes = {f"extract_features {LEARNED_FROM} M01 {shard}" for shard in SHARDS}
    passes |= {f"predict_with_features {VALID} M01 {shard}" for shard in SHARDS}
    expected = passes | {f"list_images {LEARNED_FROM}", "train_head H1"} | of_head(VALID)
    assert results.jobs(head) == expected
    assert results.jobs({}) == set()


@pytest.fixture
def with_head(tmp_path):
    return Results(tmp_path, {"heads": {"H1": {"models": ["M01"]}}})


def test_another_head_on_the_same_features_is_a_head_alone(with_head):
    assert with_head.jobs({"heads": {"H1": {"hidden": 64}}}) == {"train_head H1"} | of_head(VALID)
    assert with_head.jobs({"heads": {"H1": {"of": "pictures"}}}) == {"train_head H1"} | of_head(VALID)
    assert set(with_head.why({"heads": {"H1": {"hidden": 64}}}).values()) >= {"hidden: 0 -> 64"}


def test_a_head_becomes_a_member_of_an_ensemble(with_head):
    changes = {"ensembles": {"ensemble-1": {"models": ["M10", "H1"]}}}
    expected = {f"predict_with_features test M01 {shard}" for shard in SHARDS}
    expected |= {f"apply_head test H1 {shard}" for shard in SHARDS}
    assert with_head.jobs(changes) == expected | {"write_submission ensemble-1", "evaluate_predictions ensemble-1"}


def test_the_revision_of_heads_concerns_heads_alone(with_head, revision):
    revision("train_head.py")
    assert with_head.jobs({}) == {"train_head H1"} | of_head(VALID)


def test_a_frozen_model_gives_features_and_nothing_else(results):
    frozen = {"network": "resnext-101-32x4d", "dataset": "C", "start": {"pretrained": "efficientnet-lite0"}}
    made = results.artifacts({"models": {"F1": frozen}, "heads": {"H1": {"models": ["F1"]}}})
    rules = {artifact.rule for artifact in made.everything() if artifact.wildcards.get("model") == "F1"}
    assert rules == {"extract_features"}
    assert "F1" not in made.models.epochs
    assert "H1" in made.answers.evaluations
    assert "F1" not in made.answers.evaluations


def test_nothing_changed_means_nothing_to_do(results):
    assert results.missing({}) == []


# Models


def test_a_learning_rate_retrains_its_model_and_what_starts_from_it(results):
    change = phases("M10", 0, {"learning_rate": 0.001})
    assert results.jobs(change) == training("M10") | training("M11") | all_that_follows("M10", "M11")


def test_a_learning_rate_from_an_epoch_on_leaves_the_epochs_before_alone(results):
    assert results.jobs(phases("M01", 1, {"learning_rate": 0.002})) == training("M01", 3) | all_that_follows("M01")


def test_more_epochs_are_trained_on_top(results):
    assert results.jobs(phases("M09", 0, {"epochs": 4})) == {"train_epochs M09 0004"} | all_that_follows("M09")


def test_fewer_epochs_train_nothing(results):
    change = phases("M09", 0, {"epochs": 2})
    assert results.jobs(change) == all_that_follows("M09")


def moved_step() -> dict:
    """M09 with 2 epochs at its rate and 1 at another; in the finished run all 3 have the first."""
    steps = [{"learning_rate": 0.003, "epochs": 2}, {"learning_rate": 0.001, "epochs": 1}]
    return {"models": {"M09": {"phases": [{"optimizer": "nadam", "label_smoothing": 0.1, "schedule": steps}]}}}


def test_a_moved_step_goes_on_from_the_last_states_that_were_kept(tmp_path):
    everything = Results(tmp_path, {"training": {"keep_states": "all"}})
    assert everything.jobs(moved_step()) == {"train_epochs M09 0003"} | all_that_follows("M09")
    every_second = Results(tmp_path / "2", {"training": {"keep_states": 2}})
    assert every_second.jobs(moved_step()) == {"train_epochs M09 0003"} | all_that_follows("M09")


def test_a_moved_step_trains_again_what_left_no_states_and_says_so(results):
    assert results.jobs(moved_step()) == training("M09") | all_that_follows("M09")
    why = results.why(moved_step())
    assert why["train_epochs M09 0003"] == "learning_rates: [0.003] -> [0.001]"
    assert why["train_epochs M09 0002"] == reasons.STATES


def test_a_new_model_is_trained_and_nothing_else(results):
    like_m01 = yaml.safe_load(OVERLAY.read_text())["models"]["M01"]
    change = {"models": {"M20": like_m01 | {"network": "resnext-101-32x4d", "dataset": "B"}}}
    made = training("M20", last=3) | evaluations("M20")
    assert results.jobs(change) == made | predictions("M20", images=("valid",))


def test_a_removed_model_concerns_its_ensembles_only(results):
    ensembles = {"ensemble-2": {"models": ["M11"]}, "ensemble-4": {"models": ["M09", "M10", "M11"]}}
    change = {"models": {"M01": None}, "ensembles": ensembles}
    assert results.jobs(change) == averaged_otherwise("ensemble-2", "ensemble-4")


def test_a_network_concerns_the_models_that_are_built_from_it(results):
    change = {"networks": {"resnext-101-64x4d": {"stem": 8}}}
    assert results.jobs(change) == training("M09") | all_that_follows("M09")


def test_another_start_trains_all_epochs_of_a_model(results):
    change = {"models": {"M11": {"start": {"model": "M01"}}}}
    assert results.jobs(change) == training("M11") | all_that_follows("M11")


def test_a_datasets_filter_concerns_the_models_that_learn_from_it(results):
    packed = {"pack_records C train", "pack_records C valid"}
    change = {"datasets": {"C": {"drop_conflicts": True}}}
    assert results.jobs(change) == packed | training("M01") | all_that_follows("M01")


def test_the_pictures_size_concerns_everything_that_a_network_sees(results):
    assert results.jobs({"image": {"size": 48}}) == TRAINED | all_that_follows(*ALL)


# Ensembles and post-processing


def test_a_new_ensemble_is_averaged_from_what_is_there(results):
    change = {"ensembles": {"ensemble-3": {"models": ["M09", "M10"]}}}
    assert results.jobs(change) == averaged_otherwise("ensemble-3")


@pytest.mark.parametrize("change", [{"mean": "geometric"}, {"weights": [1, 2, 3, 4]}])
def test_an_ensembles_mean_and_weights_concern_it_alone(results, change):
    assert results.jobs({"ensembles": {"ensemble-4": change}}) == averaged_otherwise("ensemble-4")


@pytest.mark.parametrize("change", [{"picture_md5": "majority"}, {"product_md5": False}])
def test_how_known_pictures_are_labelled_touches_no_prediction(results, change):
    assert results.jobs({"postprocessing": change}) == submissions(*ENSEMBLES) | evaluations(*ALL, *ENSEMBLES)


def test_without_known_pictures_more_pictures_are_predicted(results):
    predicted = predictions(*ALL, images=("test",)) | averages(*ENSEMBLES) | submissions(*ENSEMBLES)
    change = {"postprocessing": {"picture_md5": "off"}}
    assert results.jobs(change) == {"list_images test"} | predicted | evaluations(*ALL, *ENSEMBLES)


def test_other_shards_are_other_files(results):
    shards = ("0000", "0001", "0002")
    assert results.jobs({"prediction": {"shards": 3}}) == all_that_follows(*ALL, shards=shards)


def test_the_report_follows_what_it_shows(results):
    def tables(change: dict) -> set[str]:
        return {artifact.rule for artifact in results.missing(change)} & (TABLES | TABLES_OF_ANSWERS)

    of_evaluations = {"tabulate_evaluations", "tabulate_models", "draw_evaluations", "draw_times", "summarize_run"}
    assert tables({"ensembles": {"ensemble-1": {"mean": "geometric"}}}) == of_evaluations
    assert tables(phases("M01", 1, {"learning_rate": 0.002})) == TABLES - {"draw_categories"}
    assert tables(ANSWERS) == TABLES_OF_ANSWERS | {"draw_plan"}


# What never makes anything stale


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"threads": 2, "deterministic": True}},
        {"training": {"epochs_per_job": 3}},
        {"training": {"keep_states": "all"}},
        {"prediction": {"threads": 2, "gpus": 1, "batch_size": 32}},
        {"models": {"M01": {"gpus": 8}}},
        {"networks": {"resnext-101-64x4d": {"published_images_per_second": 9.0}}},
        {"on_bad_product": "skip", "most_bad_products": 0.5},
    ],
)
def test_what_determines_no_content_is_free(results, change):
    assert results.missing(change) == []


# Ensembles that learn their weights

LEARNING = {"ensembles": {"learning": {"models": list(ALL), "mean": "learned"}}}
LEARNING_ALONE = {"ensembles": LEARNING["ensembles"] | dict.fromkeys(ENSEMBLES)}


def learned(results: Results, *counting: str) -> None:
    """Write what an ensemble of all models has learned."""
    weights = [float(model in counting) / len(counting) for model in ALL]
    combination = Combination("learned", weights, [1.0] * len(ALL))
    file = Path(results.artifacts(LEARNING).answers.learned["learning"].files["learned"])
    file.parent.mkdir()
    file.write_text(Learned(list(ALL), combination, [combination] * 5, [], 0, "").as_json())


def test_an_ensemble_that_learns_predicts_nothing_again(results):
    assert results.jobs(LEARNING) == {"learn_weights learning"} | averaged_otherwise("learning")


def test_what_an_ensemble_learns_from_is_each_members_valid_products(results, revision):
    learned(results, *ALL)
    results.delete("probabilities/valid-1-*/M09-*/0000.npy")
    assert "predict_images valid-1 M09 0000" not in results.jobs(LEARNING, "submit")
    revision("learn_weights.py")
    assert results.jobs(LEARNING, "submit") >= {"predict_images valid-1 M09 0000", "learn_weights learning"}


def test_members_that_do_not_count_are_not_predicted_for_an_ensemble_alone(results):
    """Before anything is learned, all are; another ensemble may want them."""
    for model in ALL:
        results.delete(f"probabilities/test-*/{model}-*")
    tests = {model: predictions(model, images=("test",)) for model in ALL}
    assert results.jobs(LEARNING_ALONE, "submit") >= set.union(*tests.values())
    learned(results, "M10", "M11")
    for target in ("submit", "predict"):
        found = results.jobs(LEARNING_ALONE, target)
        assert {model for model in ALL if tests[model] & found} == {"M10", "M11"}
    assert {model for model in ALL if tests[model] & results.jobs(LEARNING, "predict")} == set(ALL)


def test_what_was_learned_decides_no_path(results):
    """Else what is made before it is there would be another file than what is wanted after it."""
    before = results.artifacts(LEARNING)
    learned(results, "M10")
    after = results.artifacts(LEARNING)
    assert [each.files for each in before.everything()] == [each.files for each in after.everything()]


# Code


def test_a_cheap_scripts_code_makes_its_files_and_what_follows(results, code):
    code("average_models.py")
    assert results.jobs() == averages(*ENSEMBLES) | submissions(*ENSEMBLES)
    assert set(results.why({}).values()) == {"its program changed", reasons.FOLLOWS}


def test_the_code_of_training_and_prediction_makes_nothing_until_its_revision_is_raised(results, code):
    for script in ("train_epochs.py", "predict_images.py"):
        code(script)
        assert results.jobs() == set()


@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("train_epochs.py", set()),
        ("pack_records.py", PACKED),
        ("split_catalog.py", SPLITS | PACKED | {job for job in LISTS if "valid" in job}),
        ("label_categories.py", {"label_categories"} | PACKED),
    ],
)
def test_the_revision_of_a_step_up_to_training_trains_every_model(results, revision, script, first):
    revision(script)
    assert results.jobs() == first | TRAINED | all_that_follows(*ALL)


def test_the_revision_of_indexing_makes_all_but_the_catalog(results, revision):
    revision("index_catalog.py")
    indexed = {"index_catalog train", "index_catalog test", "label_categories"}
    assert results.jobs() == indexed | SPLITS | PACKED | LISTS | TRAINED | all_that_follows(*ALL)


@pytest.mark.parametrize(("script", "first"), [("predict_images.py", set()), ("list_images.py", LISTS)])
def test_the_revision_of_a_step_before_prediction_predicts_again(results, revision, script, first):
    revision(script)
    assert results.jobs() == first | all_that_follows(*ALL)


# Lost files


def test_a_deleted_submission_is_written_again(results):
    results.delete("by-recipe/submission/*/ensemble-2.csv.gz")
    assert results.jobs() == submissions("ensemble-2")
    assert results.why({})["write_submission ensemble-2"] == reasons.GONE


def test_a_deleted_intermediate_file_is_made_when_it_is_needed_and_not_before(results):
    for pattern in ("ensemble/test/ensemble-2-*/0001.npy", "models/M01/0001-*", "records/*", "split/*", "index/*"):
        results.delete(pattern)
    assert results.missing({}) == []
    results.delete("by-recipe/submission/*/ensemble-2.csv.gz")
    needed = {"average_models test ensemble-2 0001", "index_catalog train", "index_catalog test"}
    assert results.jobs() == submissions("ensemble-2") | needed


def test_an_epoch_is_added_to_a_model_whose_records_are_gone(results):
    results.delete("records/*")
    results.delete("models/M09/0001-*")
    packed = {"pack_records B train", "pack_records B valid"}
    change = phases("M09", 0, {"epochs": 4})
    assert results.jobs(change) == packed | {"train_epochs M09 0004"} | all_that_follows("M09")


def test_only_the_last_epoch_of_a_model_has_to_stay(results):
    results.delete("models/M10/000[12]-*")
    assert results.jobs(target="train") == set()
    results.delete("models/M10/0003-*.params")
    assert results.jobs(target="train") == training("M10")


def test_a_target_asks_for_its_part(results):
    results.delete("models/M01/0003-*")
    results.delete("by-recipe/submission/*/ensemble-1.csv.gz")
    assert results.jobs(target="train") == {"train_epochs M01 0003"}
    assert results.jobs(target="submit") == submissions("ensemble-1")


# The catalog


def test_another_drawn_catalog_is_another_run(results):
    change = {"generate_catalog": {"seed": 2}}
    indexed = {"generate_catalog", "index_catalog train", "index_catalog test", "label_categories"}
    assert results.jobs(change) == indexed | SPLITS | PACKED | LISTS | TRAINED | all_that_follows(*ALL)


def test_another_validation_part_splits_and_trains_again(results):
    lists = {job for job in LISTS if "valid" in job}
    assert results.jobs({"valid_fraction": 0.25}) == SPLITS | PACKED | lists | TRAINED | all_that_follows(*ALL)


def test_products_in_groups_split_and_train_again(results):
    assert results.jobs({"group_field": "shop"}) == results.jobs({"valid_fraction": 0.25})
    assert results.why({"group_field": "shop"})["split_catalog 1"] == "group_field: none -> shop"


def test_another_engine_trains_its_model_again(results):
    change = {"models": {"M01": {"engine": "torch"}}}
    assert results.jobs(change) == training("M01") | all_that_follows("M01")
    assert results.why(change)["train_epochs M01 0001"] == "engine: none -> torch"
    change = {"models": {"M10": {"engine": "torch"}}}  # and what starts from it
    assert results.jobs(change) == training("M10") | training("M11") | all_that_follows("M10", "M11")


def test_another_engine_of_prediction_predicts_again(results):
    assert results.jobs({"prediction": {"engine": "torch"}}) == all_that_follows(*ALL)


def test_another_engine_for_all_counts_where_a_part_does_not_name_its_own(results):
    own = {"models": {name: {"engine": "mxnet"} for name in ALL if name != "M01"}, "prediction": {"engine": "mxnet"}}
    assert results.jobs({"engine": "torch"} | own) == results.jobs({"models": {"M01": {"engine": "torch"}}})
    assert results.jobs({"engine": "torch"}) == TRAINED | all_that_follows(*ALL)


def test_another_seed_makes_another_split(results, monkeypatch):
    monkeypatch.setitem(SEED, "M09", 2)
    made = {"split_catalog 2", "pack_records B train", "pack_records B valid", "list_images valid-2"}
    assert results.jobs({"datasets": {"B": {"seed": 2}}}) == made | training("M09") | all_that_follows("M09")


NAMES = "category_id,category_level1,category_level2,category_level3\n10,A,B,C\n20,A,B,D\n"


@pytest.fixture
def own(tmp_path):
    """A finished run on a catalog that no rule makes; its products are not looked at."""
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    for name, content in {"train.bson": "products", "test.bson": "others", "category_names.csv": NAMES}.items():
        (catalog / name).write_text(content)
    return Results(tmp_path, {"generate_catalog": None, "catalog": str(catalog)})


def test_a_touched_or_copied_catalog_is_free(own, tmp_path):
    for path in (tmp_path / "catalog").iterdir():
        path.touch()
    assert own.missing({}) == []
    shutil.copytree(tmp_path / "catalog", tmp_path / "copy")
    assert own.missing({"catalog": str(tmp_path / "copy")}) == []


def test_a_changed_label_of_equal_size_is_noticed(own, tmp_path):
    (tmp_path / "catalog/train.bson").write_text("PRODUCTS")
    indexed = {"index_catalog train", "label_categories"}
    changed = indexed | SPLITS | PACKED | LISTS | TRAINED | all_that_follows(*ALL)
    assert own.jobs() == changed
    assert own.why({})["index_catalog train"] == "catalog: another content"


def in_dumps(catalog: Path, **dumps: str) -> None:
    """Put dumps in the place of train.bson."""
    (catalog / "train.bson").unlink(missing_ok=True)
    (catalog / "train").mkdir(exist_ok=True)
    for name, content in dumps.items():
        (catalog / f"train/{name}.bson").write_text(content)


DUMP_SPLITS = {f"split_dumps {seed}" for seed in SEEDS}
FROM_TRAIN = {"label_categories"} | DUMP_SPLITS | PACKED | LISTS | TRAINED | all_that_follows(*ALL)


@pytest.fixture
def own_in_dumps(own, tmp_path):
    """A finished run on two dumps of products."""
    in_dumps(tmp_path / "catalog", b="b", a="a")
    return Results(tmp_path, own.changes)


def test_each_dump_has_an_index_of_its_own_and_they_are_joined_in_the_order_of_names(own, tmp_path):
    in_dumps(tmp_path / "catalog", b="b", a="a")
    indexed = {"index_catalog train.a", "index_catalog train.b", "join_indexes train"}
    assert own.jobs() == indexed | FROM_TRAIN
    joined = own.artifacts({}).data.index["train"]
    assert [Path(path).name for path in joined.sources["catalog"]] == ["a.bson", "b.bson"]
    assert [Path(path).name[:8] for path in joined.sources["indexes"]] == ["train.a-", "train.b-"]


def test_a_dump_that_is_added_leaves_the_indexes_of_the_others_alone(own_in_dumps, tmp_path):
    in_dumps(tmp_path / "catalog", c="c")
    assert own_in_dumps.jobs() == {"index_catalog train.c", "join_indexes train"} | FROM_TRAIN


def test_a_dump_that_changes_is_indexed_alone(own_in_dumps, tmp_path):
    in_dumps(tmp_path / "catalog", a="A")
    assert own_in_dumps.jobs() == {"index_catalog train.a", "join_indexes train"} | FROM_TRAIN
    (tmp_path / "catalog/train/a.bson").unlink()
    assert own_in_dumps.jobs() == {"join_indexes train"} | FROM_TRAIN


def test_dumps_that_are_touched_or_copied_are_free(own_in_dumps, tmp_path):
    for path in (tmp_path / "catalog/train").iterdir():
        path.touch()
    shutil.copytree(tmp_path / "catalog", tmp_path / "copy")
    assert own_in_dumps.missing({"catalog": str(tmp_path / "copy")}) == []


def test_other_names_of_categories_train_nothing_again(own, tmp_path):
    (tmp_path / "catalog/category_names.csv").write_text(NAMES.replace("A", "a name"))
    assert own.jobs() == {"label_categories"} | evaluations(*ALL, *ENSEMBLES)


def test_a_byte_order_mark_is_free(own, tmp_path):
    (tmp_path / "catalog/category_names.csv").write_text("\ufeff" + NAMES)
    assert own.missing({}) == []


def test_another_order_of_categories_trains_again(own, tmp_path):
    head, first, second = NAMES.splitlines(keepends=True)
    (tmp_path / "catalog/category_names.csv").write_text(head + second + first)
    assert own.jobs() == {"label_categories"} | PACKED | TRAINED | all_that_follows(*ALL)


def test_a_sample_submission_concerns_submissions(own, tmp_path):
    (tmp_path / "catalog/sample_submission.csv").write_text("_id,category_id\n")
    assert own.jobs() == submissions(*ENSEMBLES)


# Answers and batches


ANSWERS = {"answers": {"ensemble": "ensemble-2"}}
CALIBRATED = {"calibrate_answers ensemble-2"}


def predicted_batch(batch: str, members: tuple[str, ...] = ("M01", "M11"), indexed: set[str] | None = None) -> set[str]:
    """What comes before the answers of a batch."""
    images = f"batch-{batch}"
    predicted = {f"predict_images {images} {model} {shard}" for model in members for shard in SHARDS}
    averaged = {f"average_models {images} ensemble-2 {shard}" for shard in SHARDS}
    return (indexed or {f"index_catalog {images}"}) | {f"list_images {images}"} | predicted | averaged


def answered(*batches: str) -> set[str]:
    return {f"write_answers {batch}" for batch in batches}


def reviewed(*batches: str) -> set[str]:
    return answered(*batches) | {f"write_review {batch}" for batch in batches}


@pytest.fixture
def batches(tmp_path):
    """A finished run with answers and a batch, and another one beside it."""
    for day in (24, 25):
        (tmp_path / f"{day}.bson").write_text(f"products of {day}")
    return Results(tmp_path, ANSWERS | {"batches": {"2026-11-24": str(tmp_path / "24.bson")}})


def test_answers_follow_from_the_averages_that_are_there(results):
    assert results.jobs(ANSWERS) == CALIBRATED | answered("test")
    accepted = ANSWERS | {"accept": {"precision": 0.98}}
    assert results.jobs(accepted) == CALIBRATED | {"choose_thresholds ensemble-2"} | reviewed("test")


def test_a_batch_is_answered_by_members_of_one_ensemble_and_nothing_else_is_made(results, tmp_path):
    (tmp_path / "24.bson").write_text("products")
    batch = ANSWERS | {"batches": {"2026-11-24": str(tmp_path / "24.bson")}}
    made = CALIBRATED | predicted_batch("2026-11-24") | answered("2026-11-24")
    assert results.jobs(batch) == made | answered("test")
    assert results.jobs(batch, target="batch_2026-11-24") == made


def test_a_batch_that_is_added_or_removed_touches_nothing_else(batches, tmp_path):
    added = {"batches": {"2026-11-25": str(tmp_path / "25.bson")}}
    assert batches.jobs(added) == predicted_batch("2026-11-25") | answered("2026-11-25")
    assert batches.jobs({"batches": {"2026-11-24": None}}) == set()


def test_a_batch_in_several_dumps_is_indexed_dump_by_dump(batches, tmp_path):
    (tmp_path / "days").mkdir()
    for day in "ab":
        (tmp_path / f"days/{day}.bson").write_text(day)
    indexes = {"index_catalog batch-days.a", "index_catalog batch-days.b", "join_indexes batch-days"}
    expected = predicted_batch("days", indexed=indexes) | answered("days")
    assert batches.jobs({"batches": {"days": f"{tmp_path}/days/*.bson"}}) == expected


def test_a_batch_that_changes_is_answered_anew_and_one_that_is_touched_or_moved_is_not(batches, tmp_path):
    moved = {"batches": {"2026-11-24": str((tmp_path / "24.bson").rename(tmp_path / "moved.bson"))}}
    assert batches.missing(moved) == []
    (tmp_path / "moved.bson").write_text("other products")
    assert batches.jobs(moved) == predicted_batch("2026-11-24") | answered("2026-11-24")
    assert batches.why(moved)["index_catalog batch-2026-11-24"] == "catalog: another content"


def test_another_ensemble_that_answers_predicts_with_the_members_that_have_not(batches):
    made = batches.jobs({"answers": {"ensemble": "ensemble-1"}})
    batch = "batch-2026-11-24"
    predicted = {f"predict_images {batch} M10 {shard}" for shard in SHARDS}
    averaged = {f"average_models {batch} ensemble-1 {shard}" for shard in SHARDS}
    assert made == predicted | averaged | {"calibrate_answers ensemble-1"} | answered("test", "2026-11-24")


def test_names_of_products_write_answers_and_reviews_and_nothing_else(tmp_path):
    accepting = Results(tmp_path, ANSWERS | {"accept": {"precision": 0.98}})
    assert accepting.jobs({"answers": {"name_field": "title"}}) == reviewed("test")


def test_another_precision_chooses_thresholds_and_writes_answers_and_reviews(tmp_path):
    accepting = Results(tmp_path, ANSWERS | {"accept": {"precision": 0.98}})
    made = {"choose_thresholds ensemble-2"} | reviewed("test")
    assert accepting.jobs({"accept": {"precision": 0.9}}) == made
    why = accepting.why({"accept": {"precision": 0.9}})
    assert why["choose_thresholds ensemble-2"] == "precision: 0.98 -> 0.9"
    assert why["write_review test"] == reasons.FOLLOWS


def test_a_model_that_is_trained_otherwise_answers_anew(batches):
    change = phases("M01", 1, {"learning_rate": 0.002})
    of_batch = predicted_batch("2026-11-24", ("M01",), indexed=training("M01", 3)) - {"list_images batch-2026-11-24"}
    expected = all_that_follows("M01") | of_batch | CALIBRATED | answered("test", "2026-11-24")
    assert batches.jobs(change) == expected


# Why


def test_a_reason_is_the_first_key_that_differs_from_the_nearest_recipe(results, revision):
    assert results.why(phases("M01", 0, {"learning_rate": 0.04}))["train_epochs M01 0001"] == (
        "learning_rates: [0.05] -> [0.04]"
    )
    assert results.why({"valid_fraction": 0.25})["pack_records A train"] == "split.valid_fraction: 0.2 -> 0.25"
    why = results.why({"ensembles": {"ensemble-4": {"mean": "geometric"}}})
    assert why["average_models test ensemble-4 0000"] == "mean: arithmetic -> geometric"
    assert why["write_submission ensemble-4"] == reasons.FOLLOWS
    plan = results.why(phases("M01", 0, {"learning_rate": 0.04}))["draw_plan"]
    assert plan == "configured.models.M01.phases.0.schedule.0.learning_rate: 0.05 -> 0.04"
    assert results.why({"datasets": {"B": {"seed": 2}}})["evaluate_predictions M09"] == "seeds: [1] -> [2]"
    before = sources.revision("predict_images.py")
    revision("predict_images.py")
    assert results.why({})["predict_images test M01 0000"] == f"revision: {before} -> {before + 1}"
    assert results.why({"image": {"size": 48}})["train_epochs M01 0001"] == "image.size: 32 -> 48"


# Where results lie, and going back


def test_any_spelling_of_the_results_and_any_place_is_free(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for spelling in ("results", "./results", "results/", "../" + tmp_path.name + "/results"):
        assert results.missing({"results": spelling}) == []
    (tmp_path / "results").rename(tmp_path / "moved")
    assert results.missing({"results": "moved"}) == []


def test_going_back_to_an_earlier_setting_finds_its_files(results):
    change = phases("M01", 1, {"learning_rate": 0.002})
    before = {path for artifact in results.artifacts({}).everything() for path in artifact.files.values()}
    for artifact in results.missing(change):
        for path in artifact.files.values():
            assert path not in before
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
    assert results.missing(change) == results.missing({}) == []
