"""workflow.configuration finds each wrong key, value or name and says where it is."""

import copy
import inspect

import pytest
import yaml

import cli
import networks
from checkout import ROOT
from workflow import configuration, values

SCHEMA_PATH = ROOT / "config.schema.yaml"
CONVNEXT = {"family": "timm", "name": "convnext_tiny", "features": 768, "parameters": 27_820_128}
LITE = {"pretrained": "efficientnet-lite0"}
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text())


def answering(batches: dict) -> dict:
    return {"batches": batches, "answers": {"ensemble": "ensemble-2"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": {"ensemble": "all"}}, r"answers\.ensemble: all is not in ensembles: ensemble-1"),
        ({"batches": {"monday": "a.bson"}}, r"answers\.ensemble: missing; name the ensemble that answers"),
        ({"accept": {"precision": 0.9}}, r"answers\.ensemble: missing; name the ensemble that answers"),
        ({"accept": {"precision": 1}}, r"accept\.precision: 1 is greater than or equal to the maximum of 1"),
        (answering({"a b": "a.bson"}), r"batches\.a b: a name has letters"),
        (answering({"test": "a.bson"}), r"batches\.test: files of the workflow .* another name"),
        (answering({"a-joined": "a.bson"}), r"batches\.a-joined: .* choose another name"),
        (
            {"only": ["M01"], "answers": {"ensemble": "ensemble-2"}},
            "answers.ensemble: ensemble-2 is not in ensembles: only",
        ),
    ],
)
def test_a_batch_that_nobody_answers_or_whose_name_would_not_do_is_found(config, change, message):
    with pytest.raises(cli.UserError, match=f"config: {message}"):
        configuration.complete(config | change, SCHEMA_PATH)


def test_a_batch_may_be_named_by_its_day(config):
    written = yaml.safe_load("batches: {2026-11-25: a.bson, 1126: b.bson}\nanswers: {ensemble: ensemble-2}")
    assert [*configuration.complete(config | written, SCHEMA_PATH)["batches"]] == ["2026-11-25", "1126"]


PHASE = {"optimizer": "adam", "schedule": [{"learning_rate": 1, "epochs": 1}]}
FROZEN = {"network": "dpn-92", "dataset": "A", "start": {"pretrained": "dpn92-5k"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {"F1": FROZEN | {"start": {}}}}, r"models\.F1\.start: a model without phases is frozen and"),
        (
            {"models": {"F1": FROZEN, "F2": FROZEN | {"start": {"model": "F1"}}}},
            r"models\.F2\.start\.model: F1 is frozen; take",
        ),
        ({"models": {"F1": FROZEN | {"phases": [PHASE]}}},
         r"models\.F1\.batch_size: missing"),
        ({"heads": {"H1": {"models": ["M99"]}}}, r"heads\.H1\.models: M99 is not in models: M01"),
        ({"heads": {"H1": {"models": []}}}, r"heads\.H1\.models: \[\] should be non-empty"),
        ({"heads": {"M01": {"models": ["M02"]}}}, r"heads\.M01: a model has this name"),
        ({"heads": {"H1": {"models": ["M05", "M09"]}}}, r"heads\.H1\.models: M05 and M09 have different splits"),
        ({"models": {"F1": FROZEN}, "ensembles": {"e": {"models": ["F1"]}}}, r".*e\.models: F1 is not in trained"),
        (
            {"heads": {"H1": {"models": ["M01"]}}, "ensembles": {"e": {"models": ["M01", "H1"], "mean": "learned"}}},
            r"ensembles\.e\.mean: learned weighs members that say what pictures are, and H1",
        ),
        ({"models": {"F1": FROZEN}, "only": ["F1"]}, "only: all of these models are frozen, and no head"),
    ],
)  # fmt: skip
def test_a_head_without_features_and_a_frozen_model_without_weights_are_found(config, change, message):
    for section, entries in change.items():
        config[section] = entries if isinstance(entries, list) else config.get(section, {}) | entries
    with pytest.raises(cli.UserError, match=f"config: {message}"):
        configuration.complete(config, SCHEMA_PATH)


def test_heads_stay_with_their_models(config):
    config["models"]["F1"] = FROZEN
    config["heads"] = {"H1": {"models": ["F1"]}, "H2": {"models": ["M01"]}}
    config["ensembles"]["mine"] = {"models": ["H1"]}
    left = configuration.complete(copy.deepcopy(config) | {"only": ["F1"]}, SCHEMA_PATH)
    assert [*left["heads"]] == ["H1"]
    assert [*left["ensembles"]] == ["mine"]
    left = configuration.complete(config | {"only": ["F1", "M05"]}, SCHEMA_PATH)
    assert left["ensembles"]["only"]["models"] == ["M05"]


def test_the_published_configuration_is_right(config):
    assert configuration.complete(copy.deepcopy(config), SCHEMA_PATH) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(catalogue="x"), r"config: catalogue: no such key; do you mean catalog\?"),
        (lambda c: c.update(pieces=3), "config: pieces: no such key; known here: catalog, engine, results"),
        (lambda c: c["models"]["M05"].update(batchsize=1), r"models\.M05\.batchsize: .* mean batch_size\?"),
        (lambda c: c["models"]["M05"].update(batch_size="many"), r"models\.M05\.batch_size: 'many' is not an integer"),
        (lambda c: c["models"]["M05"].update(batch_size=0), r"models\.M05\.batch_size: 0 is less than"),
        (lambda c: c["models"]["M05"].update(batch_size=1.5), r"models\.M05\.batch_size: 1.5 is not an integer"),
        (lambda c: c["models"].update(M05=7), r"models\.M05: 7 is not a section"),
        (lambda c: c["models"]["M05"]["phases"][0].update(optimizer="lion"), r"phases\.0\.optimizer: 'lion'"),
        (lambda c: c.pop("catalog"), "config: catalog: missing"),
        (lambda c: c.update(catalog=False), "config: catalog: False is not text; put it in quotes"),
        (lambda c: c.update(valid_fraction=1.5), "valid_fraction: 1.5 is greater"),
        (lambda c: c.update(only="M01"), "config: only: 'M01' is not a list"),
        (lambda c: c["networks"]["dpn-92"].pop("k_r"), r"networks\.dpn-92\.k_r: missing \(Channels within a block"),
        (lambda c: c["networks"]["dpn-92"].pop("family"), r"networks\.dpn-92\.family: missing"),
        (lambda c: c["networks"]["dpn-92"].update(family="vgg"), r"networks\.dpn-92\.family: 'vgg' is not one of"),
        (lambda c: c["networks"]["densenet-161"].update(groups=2), r"networks\.densenet-161\.groups: no such key"),
        (lambda c: c["networks"]["dpn-92"].update(k_R=2), r"networks\.dpn-92\.k_R: .* mean k_r\?"),
        (lambda c: c["networks"]["dpn-92"].update(groups="2x"), r"networks\.dpn-92\.groups: '2x' is not an integer"),
        (lambda c: c["networks"]["dpn-92"]["filters"].pop(), r"networks\.dpn-92\.filters: 3 numbers for 4 stages"),
        (lambda c: c["networks"]["dpn-92"]["increments"].append(1), r"networks\.dpn-92\.increments: 5 numbers"),
        (lambda c: c["networks"]["dpn-92"].update(groups=36), r"networks\.dpn-92\.groups: 36 .* the 96 channels"),
        (lambda c: c["networks"]["resnext-101-32x4d"].update(width=0.1), r"groups: 32 groups .* the 25 channels"),
        (lambda c: c["networks"]["resnext-101-32x4d"].update(width=1e-4), "groups: 32 groups .* the 0 channels"),
        (lambda c: c.update(results="{a}"), "config: results: { and } are Snakemake's"),
        (lambda c: c["models"]["M05"].update(gpus=3), r"models\.M05\.batch_size: 3 GPUs cannot share a batch of 512"),
        (
            lambda c: c["models"]["M02"]["phases"][0].update(weight_decay=0.1),
            r"phases\.0\.weight_decay: adam takes none",
        ),
        (
            lambda c: c["models"]["M02"]["phases"][0].update(mixup=0.2),
            r"models\.M02\.phases\.0\.mixup: mxnet has none; leave it out, or set models\.M02\.engine: torch",
        ),
        (
            lambda c: c["models"]["M01"]["phases"][1].update(weight_average=0.9),
            r"models\.M01\.phases\.1\.weight_average: mxnet has none",
        ),
        (lambda c: c["models"]["M01"]["phases"][1].update(weight_average=1), r"weight_average: 1 is greater than or"),
        (
            lambda c: c["networks"]["dpn-98"].update(image={"resize": 160}),
            r"networks\.dpn-98\.image\.resize: 160 pixels are fewer than the 180",
        ),
        (
            lambda c: c["networks"].update({"dpn-92": CONVNEXT}),
            r"models\.M02\.network: mxnet has no networks of timm, such as dpn-92; set models\.M02\.engine: torch",
        ),
        (lambda c: c["networks"].update(x={"family": "timm", "name": "x"}), r"networks\.x\.features: missing"),
        (lambda c: c["networks"].update(x=CONVNEXT | {"units": [1]}), r"networks\.x\.units: no such key"),
        (lambda c: c.update(only=["M05", "M77"]), "config: only: M77 is not in models: M01, M02"),
        (
            lambda c: c["models"].update({"_x": c["models"]["M01"]}),
            r"config: models\._x: a name has letters, digits, _ and",
        ),
        (
            lambda c: c["networks"].update({"a b": c["networks"]["dpn-92"]}),
            r"config: networks\.a b: a name has letters",
        ),
        (lambda c: c["datasets"].update({"é": {"seed": 1}}), r"config: datasets\.é: a name has letters"),
        (lambda c: c["ensembles"].update({"a/b": {"models": ["M01"]}}), r"config: ensembles\.a/b: a name has letters"),
        (lambda c: c.update(only=["M11"]), r"config: only: M11 starts from M10; name M10 too, or set models\.M11\."),
    ],
)
def test_a_fault_names_its_key(config, change, message):
    change(config)
    with pytest.raises(cli.UserError, match=message) as raised:
        configuration.complete(config, SCHEMA_PATH)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["models"]["M05"].update(network="vgg"), r"models\.M05\.network: vgg is not in networks"),
        (
            lambda c: c["models"]["M05"].update(dataset="Z"),
            r"models\.M05\.dataset: Z is not in datasets: A, B, C",
        ),
        (lambda c: c["models"]["M11"]["start"].update(model="M99"), r"models\.M11\.start\.model: M99 is not"),
        (lambda c: c["models"]["M10"].update(start={"model": "M11"}), "M10 -> M11 -> M10 is a circle"),
        (lambda c: c["ensembles"]["ensemble-2"]["models"].append("M77"), "ensembles.ensemble-2.models: M77"),
        (lambda c: c["ensembles"]["ensemble-2"].update(weights=[1.0]), "one weight per model"),
        (
            lambda c: c["datasets"]["B"].update(fold=21),
            "datasets.B.fold: 21, but a valid_fraction of 0.05 makes 20 folds",
        ),
        (lambda c: c["ensembles"]["ensemble-2"].update(mean="learned", weights=[1, 1]), "weights: the mean learned"),
        (lambda c: c["ensembles"].update(M05={"models": ["M05"]}), r"ensembles\.M05: a model or a head has this name"),
        (
            lambda c: c["models"].update(epochs=c["models"]["M05"]),
            r"models\.epochs: its target train_epochs has the name",
        ),
        (
            lambda c: c["networks"].pop("efficientnet-lite0") and c["models"]["M05"]["start"].update(LITE),
            r"models\.M05\.start\.pretrained: efficientnet-lite0 is not in networks",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_found(config, change, message):
    change(config)
    with pytest.raises(cli.UserError, match=message):
        configuration.check_names(config)


@pytest.mark.parametrize("section", ["models", "ensembles"])
def test_nothing_else_has_the_name_of_the_ensemble_of_selected_models(config, section):
    config[section]["only"] = config["models"]["M01"] if section == "models" else {"models": ["M01"]}
    configuration.complete(copy.deepcopy(config), SCHEMA_PATH)
    configuration.complete(config | {"only": ["M05", "M07"]}, SCHEMA_PATH)  # ensemble-2 has them
    with pytest.raises(cli.UserError, match=rf"config: {section}\.only: the ensemble of all models that the key only"):
        configuration.complete(config | {"only": ["M02", "M03"]}, SCHEMA_PATH)


def test_pictures_that_are_too_small_for_a_network_are_found(config):
    config["image"]["size"] = 16
    with pytest.raises(cli.UserError, match=r"image\.size: pictures of 16x16 pixels are too small for densenet-161"):
        configuration.check_sizes(config)
    config["networks"]["densenet-161"]["image"] = {"size": 32}
    configuration.check_sizes(config)


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_the_schema_knows_the_keys_that_a_family_takes(family):
    """Those that are not in `required` have a default there."""
    [_, _, *taken] = inspect.signature(networks.FAMILIES[family]).parameters.values()
    taken = [parameter for parameter in taken if parameter.name != "size"]  # of the pictures
    known = values.properties(SCHEMA["$defs"]["network"], SCHEMA, {"family": family})
    assert set(known) == {key.name for key in taken} | {"family", "image", "published_images_per_second"}
    required = SCHEMA["$defs"]["network"]["required"] + SCHEMA["$defs"][family]["required"]
    assert set(required) == {key.name for key in taken if key.default is key.empty} | {"family"}


@pytest.mark.parametrize(
    ("only", "ensembles"),
    [
        (["M01", "M04"], {"only": ["M01", "M04"]}),
        (["M05", "M07"], {"ensemble-2": ["M05", "M07"]}),
        (["M14", "M05"], {"ensemble-1": ["M14"], "only": ["M05", "M14"]}),
        (["M10", "M11"], {"only": ["M10", "M11"]}),
    ],
)
def test_only_keeps_models_and_the_ensembles_of_them_alone(config, only, ensembles):
    selected = configuration.complete(config | {"only": only}, SCHEMA_PATH)
    assert list(selected["models"]) == sorted(only)
    assert {name: ensemble["models"] for name, ensemble in selected["ensembles"].items()} == ensembles
