"""workflow.options: what commands say beside their files."""

import json
import shlex
import sys

import pytest
import yaml

import cli
from checkout import ROOT
from tiny_workflow import OVERLAY, artifacts_in
from workflow import options, recipes
from workflow.image_sets import TEST, ImageSet, valid_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return artifacts_in(tmp_path_factory.mktemp("options"))


def test_a_file_that_is_absent_has_no_option():
    assert options.file("--start", "") == ""
    assert options.file("--start", "a b.params") == "--start 'a b.params'"


def test_products_are_split_by_a_field_where_one_is_given(config):
    assert options.grouping(config) == ""
    assert options.grouping(config | {"group_field": "shop's"}) == shlex.join(["--group-field", "shop's"])


def test_conflicts_are_dropped_from_the_train_part_alone(made):
    records = made.data.records["C"]
    for part, words in (("train", "--first-copies-only --drop-conflicts"), ("valid", "--first-copies-only")):
        records[part].recipe["drop_conflicts"] = True
        assert options.filters(records[part]) == words
        records[part].recipe["drop_conflicts"] = False
    assert options.filters(made.data.records["A"]["train"]) == ""


def test_packing_may_use_half_of_what_its_job_is_granted():
    assert options.budget(4001) == "--memory 2000M"


def test_a_network_is_told_with_its_pictures(config):
    config["networks"][config["models"]["M05"]["network"]]["image"] = {"size": 160, "resize": 172}
    words = shlex.split(options.network(config, "M05"))
    assert words[::2] == ["--network", "--image"]
    network, image = map(json.loads, words[1::2])
    assert network == recipes.network_spec(config, "M05")
    assert (image["size"], image["resize"]) == (160, 172)


def test_the_first_epoch_starts_from_a_public_checkpoint_unless_a_rule_makes_its_start(config):
    assert options.start(config, "M01", 1, "") == "--start pretrained/imagenet1k-resnext-101-0000.params"
    assert options.start(config, "M01", 1, "converted.params") == "--start converted.params"
    assert options.start(config, "M01", 2, "") == ""
    assert options.start(config, "M11", 1, "") == ""  # M10's last epoch is deleted, and M11 is finished


def test_a_model_predicts_with_its_last_epoch_and_a_frozen_one_with_what_a_rule_converts_or_a_public_checkpoint():
    models = {
        "M1": {"phases": [{}], "start": {}},
        "F1": {"phases": [], "start": {"pretrained": "dpn92"}},
    }
    config = {"models": models, "pretrained": "public"}
    assert options.weights(config, "M1", "models/M1/0003.params") == "models/M1/0003.params"
    assert options.weights(config, "M1", "") == ""
    assert options.weights(config, "F1", "") == "public/dpn92-0000.params"
    assert options.weights(config, "F1", "pretrained/lite.params") == "pretrained/lite.params"


def test_packaged_weights_are_found_or_their_package_is_named(monkeypatch):
    assert options.packaged_weights("efficientnet-lite0").suffix == ".pth"
    monkeypatch.setitem(options.PACKAGED_WEIGHTS, "efficientnet-lite0", "no_such_package")
    with pytest.raises(cli.UserError, match="no_such_package: no such package, which brings efficientnet-lite0"):
        options.packaged_weights("efficientnet-lite0")


def test_an_epoch_removes_the_states_that_no_job_needs_any_more(made):
    epochs = made.models.epochs["M09"]
    assert options.superseded_states(made, "M09", 2) == ""
    assert options.superseded_states(made, "M09", 3) == f"--superseded-states {epochs[0].files['states']}"


def test_an_ensemble_is_averaged_as_configured_and_a_model_alone(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    changes = {"ensemble-2": {"mean": "geometric", "weights": [1.0, 2.5]}, "ensemble-4": {"mean": "learned"}}
    overlay.write_text(yaml.safe_dump({"ensembles": changes}))
    made = artifacts_in(tmp_path, OVERLAY, overlay)
    assert options.mean(made, "ensemble-2") == "--mean geometric --weights 1.0 2.5"
    assert options.averaged(made, "ensemble-2") == "--mean geometric --weights 1.0 2.5"
    assert options.mean(made, "M10") == "--mean arithmetic"
    learned = made.answers.learned["ensemble-4"].files["learned"]
    assert options.mean(made, "ensemble-4") == f"--mean learned --learned {learned}"
    assert options.averaged(made, "ensemble-4").endswith(" --models M01 M09 M10 M11")


def test_models_are_told_with_all_splits_of_their_lineage(tmp_path):
    """Here M10, of dataset A, starts from M09, of dataset B; M11 starts from M10."""
    overlay = tmp_path / "overlay.yaml"
    start = {"models": {"M10": {"start": {"pretrained": None, "model": "M09"}}}}
    overlay.write_text(yaml.safe_dump(start | {"ensembles": {"ensemble-2": {"mean": "learned"}}}))
    made = artifacts_in(tmp_path, OVERLAY, overlay)
    words = options.said_of_valid(made, ["M01", "M11"]).split("--")[1:]
    own, of_m09 = (made.data.splits[seed].files["valid_index"] for seed in (12648430, 1))
    images = made.data.images[ImageSet(12648430)].files["images"]
    assert [shlex.split(word)[1:] for word in words[:2]] == [["12648430", own, images], ["1", of_m09]]
    assert [shlex.split(word)[1:3] for word in words[2:]] == [["M01", "12648430"], ["M11", "12648430,1"]]


def test_a_split_is_drawn_by_its_seed_and_its_fold(config):
    assert options.drawn(config, "1") == "--seed 1 --valid-fraction 0.05"
    assert options.drawn(config | {"group_field": "shop"}, "1.2") == (
        "--seed 1 --valid-fraction 0.05 --fold 2 --group-field shop"
    )


def test_labels_are_told_to_submissions_and_evaluations(config):
    assert options.labels(config) == "--picture-md5 unique --product-md5 on"
    config["postprocessing"] = {"picture_md5": "off", "product_md5": False}
    assert options.labels(config) == "--picture-md5 off --product-md5 off"


def test_an_evaluation_names_each_split_once_and_each_member_with_its_own(made):
    words = shlex.split(options.splits(made, "ensemble-4"))
    assert words[::5] == ["--split", "--split"]
    assert words[1::5] == ["1", "12648430"]
    split = made.data.splits[1].files
    assert words[2:5] == [split["valid_index"], split["train_index"], made.data.images[ImageSet(1)].files["images"]]
    members = options.members(made, "ensemble-4").split("--member ")[1:]
    assert [shlex.split(member) for member in members] == [
        [seed, *made.answers.probabilities(valid_of(made.config, model), model)]
        for seed, model in (("12648430", "M01"), ("1", "M09"), ("12648430", "M10"), ("12648430", "M11"))
    ]


def test_an_evaluation_names_the_splits_of_ancestors_that_no_member_trained_on(tmp_path):
    """M11 starts from M10, both of dataset A; here M10 starts from M09, of dataset B."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"models": {"M10": {"start": {"pretrained": None, "model": "M09"}}}}))
    made = artifacts_in(tmp_path, OVERLAY, overlay)
    own, of_m09 = (made.data.splits[seed] for seed in (12648430, 1))
    for name in ("M10", "M11", "ensemble-1", "ensemble-2"):
        words = shlex.split(options.splits(made, name))
        assert words[5:] == ["--ancestor-split", "1", of_m09.files["valid_index"]]
        evaluation = made.answers.evaluations[name]
        assert evaluation.sources["valid"] == [own.files["valid_index"], of_m09.files["valid_index"]]
        assert evaluation.recipe["ancestors"] == {"1": of_m09.recipe}
    for name in ("M01", "M09", "ensemble-4"):  # the members of the ensemble have both splits
        assert "--ancestor-split" not in options.splits(made, name)
        assert made.answers.evaluations[name].recipe["ancestors"] == {}


def test_test_pictures_are_those_of_no_split(made):
    assert (TEST.name, ImageSet(7).name) == ("test", "valid-7")
    assert list(made.data.images) == [TEST, ImageSet(1), ImageSet(12648430)]


def test_programs_are_named_from_the_checkout_and_by_their_whole_path_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert options.scripts_folder(ROOT) == "scripts"
    monkeypatch.chdir(tmp_path)
    assert options.scripts_folder(ROOT) == str(ROOT / "scripts")
    (tmp_path / "scripts").mkdir()  # of another workflow
    assert options.scripts_folder(ROOT) == str(ROOT / "scripts")


def test_a_path_with_blanks_and_braces_reaches_the_shell_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = options.scripts_folder(tmp_path / "my {work}").format()
    assert shlex.split(f"{sys.executable} {named}/cli.py")[1] == str(tmp_path / "my {work}/scripts/cli.py")
