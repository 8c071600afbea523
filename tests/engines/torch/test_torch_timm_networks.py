"""Networks of timm: the same scores as timm's own, their names, what resumes, transfers, and is refused."""

import importlib.util
import json

import numpy as np
import pytest

import cli
import engines
from plain_recipes import entries, recipe
from test_train_epochs import CLASSES, assert_same_files, changed, data, going_on, train
from training import checkpoints
from workflow import recipes

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed: make timm", allow_module_level=True)

from engines.torch import devices, operators, timm_networks, trainer
from engines.torch.predictor import load_predictor

# The smallest networks of timm: batch normalization; layer normalization and vectors as scales; position embeddings.
NAMES = ("test_resnet", "test_convnext", "test_vit")
SIZE = 32
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IMAGE = {"size": SIZE, "mean": MEAN, "scale": 1.0, "deviation": DEVIATION}


@pytest.fixture(scope="module")
def timm():
    return timm_networks.library()


@pytest.fixture(scope="module")
def specs():
    return {name: recipes.numbers(engines.choose("torch").describe(name)) for name in NAMES}


def settings(spec: dict, **changes: object) -> dict:
    """The JSON of a recipe file."""
    return entries(network=spec, image=IMAGE, engine="torch", **changes)


def with_random_statistics(network: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def options_of(name: str) -> dict:
    return {"img_size": SIZE} if name == "test_vit" else {}


def saved(network: torch.nn.Module, params) -> None:
    """A .params of timm's own network."""
    learned = {name for name, _ in network.named_parameters()}
    arrays = {name: array.numpy() for name, array in network.state_dict().items() if array.ndim}
    kinds = ({name: array for name, array in arrays.items() if (name in learned) == own} for own in (True, False))
    checkpoints.save(params, *kinds)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_gives_the_probabilities_and_features_of_timms_own(timm, specs, tmp_path, name):
    """Of pictures as timm normalizes them: from 0 to 1, less the mean, over the deviation."""
    network = with_random_statistics(timm.create_model(name, num_classes=CLASSES, **options_of(name)))
    saved(network, tmp_path / "0001.params")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, SIZE, SIZE), np.uint8)
    means, deviations = (torch.tensor(each).reshape(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    seen = (torch.tensor(pixels).float() / 255 - means) / deviations
    with torch.no_grad():
        views = [seen, seen.flip(3)]
        probabilities = sum(torch.softmax(network(view), 1) for view in views) / 2
        features = sum(network.forward_head(network.forward_features(view), pre_logits=True) for view in views) / 2
    predictor = load_predictor(specs[name], IMAGE, tmp_path / "0001.params", engines.OUTPUTS, batch_size=5, gpus=0)
    found = predictor.means(pixels)
    np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-5)
    np.testing.assert_allclose(found["features"], features, rtol=1e-3, atol=1e-4)
    assert predictor.columns == {"probabilities": CLASSES, "features": specs[name]["features"]}
    assert np.ptp(found["features"], axis=0).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_two_epochs_in_two_jobs_equal_two_in_one_to_the_last_bit(train, specs, tmp_path, name):
    own = settings(specs[name], optimizer="adamw", weight_decay=0.02, body_rate=0.3, weight_average=0.9, mixup=0.2)
    together, apart = tmp_path / "together", tmp_path / "apart"
    train(together, own, 1, 2)
    train(apart, own, 1, 1, "--threads", 1)
    train(apart, own, 2, 2, *going_on(apart, 1))
    assert_same_files(together, apart, 2)


def test_a_network_learns(train, specs, tmp_path):
    own = settings(specs["test_vit"], dropout=0.0, hsl=[0, 0, 0], optimizer="adamw", learning_rates=[0.003])
    train(tmp_path, own, 1, 6)
    assert json.loads((tmp_path / "0006.json").read_text())["valid"]["top1"] > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_arrays_have_the_names_of_timms_state_dictionary(timm, specs, train, tmp_path, name):
    train(tmp_path, settings(specs[name]), 1, 1)
    arguments, auxiliaries = checkpoints.load(tmp_path / "0001.params")
    network = timm.create_model(name, num_classes=CLASSES, **options_of(name))
    assert set(arguments) == {key for key, _ in network.named_parameters()}
    counters = {key for key in network.state_dict() if key.endswith("num_batches_tracked")}
    assert set(arguments | auxiliaries) == set(network.state_dict()) - counters


@pytest.mark.parametrize("name", NAMES)
def test_where_only_the_classifier_learns_all_else_stays_to_the_last_bit(train, specs, tmp_path, name):
    own = settings(specs[name], train="classifier")
    before = operators.numbers(trainer.prepare(recipe(**own), CLASSES, None, devices.CPU))
    train(tmp_path, own, 1, 1)
    classifier = {"test_resnet": "fc", "test_convnext": "head.fc", "test_vit": "head"}[name]
    after = checkpoints.load(tmp_path / "0001.params")
    assert changed(before, after) == {f"{classifier}.weight", f"{classifier}.bias"}


@pytest.mark.parametrize("name", NAMES)
def test_arrays_decay_by_timms_rule(timm, specs, name):
    import timm.optim as of_timm  # noqa: PLC0415 - only where it is installed

    network = operators.build(specs[name], SIZE, CLASSES)
    excepted = getattr(network.model, "no_weight_decay", tuple)()
    without, with_decay = of_timm.param_groups_weight_decay(network.model, 0.1, no_weight_decay_list=excepted)
    assert (without["weight_decay"], with_decay["weight_decay"]) == (0, 0.1)
    decaying = {id(array) for array in with_decay["params"]}
    found = {key for key, array in operators.learned_arrays(network).items() if id(array) in decaying}
    assert found == {key for key in operators.learned_arrays(network) if operators.roles(network).decays(key)}
    assert found


def test_a_start_gives_all_but_the_classifier_and_position_embeddings_of_another_size(timm, specs, tmp_path, capsys):
    from timm.layers import resample_abs_pos_embed  # noqa: PLC0415

    params = tmp_path / "test_vit-0000.params"
    network = timm.create_model("test_vit", num_classes=1000)  # of 160 pixels
    saved(network, params)
    start = checkpoints.Start(params, np.arange(CLASSES))
    own = recipe(**settings(specs["test_vit"], transfer={"min_transfer": 0.9}))
    arguments, _ = operators.numbers(trainer.prepare(own, CLASSES, start, devices.CPU))
    needed = len(arguments)
    assert f"{needed - 2} of {needed} arrays match by name and shape" in capsys.readouterr().err
    resampled = resample_abs_pos_embed(network.pos_embed.detach(), [2, 2], num_prefix_tokens=1)
    np.testing.assert_allclose(arguments["pos_embed"], resampled, atol=1e-6)
    np.testing.assert_array_equal(arguments["blocks.0.attn.qkv.weight"], network.blocks[0].attn.qkv.weight.detach())


def test_initial_numbers_follow_from_the_seed(specs):
    own = [settings(specs["test_vit"], seed=seed) for seed in (1, 1, 2)]
    first, again, other = (
        operators.numbers(trainer.prepare(recipe(**each), CLASSES, None, devices.CPU)) for each in own
    )
    assert not changed(first, again)
    assert "head.weight" in changed(first, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "test_vitt"}, r"timm 1.*: no network test_vitt|has no network test_vitt; do you mean test_vit"),
        ({"name": "test_vit.nobodys"}, "has no network test_vit.nobodys; do you mean test_vit"),
        (
            {"features": 65},
            r"timm's test_vit.* has 64 features, not 65; correct its entry in networks: scripts/desc",
        ),
    ],
)
def test_an_entry_that_is_not_timms_is_one_line(specs, change, message):
    with pytest.raises(cli.UserError, match=message) as raised:
        operators.build(specs["test_vit"] | change, SIZE, CLASSES)
    assert "\n" not in str(raised.value)


def test_pictures_that_do_not_go_into_a_network_are_one_line(specs):
    with pytest.raises(cli.UserError, match=r"test_vit.* pictures of 30x30 pixels .*; set image.size of its network"):
        operators.build(specs["test_vit"], 30, CLASSES)


def test_a_missing_timm_is_one_line(monkeypatch, specs):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    timm_networks.library.cache_clear()
    with pytest.raises(cli.UserError, match="family: timm: the package timm is not installed; make timm installs it"):
        operators.build(specs["test_vit"], SIZE, CLASSES)
    timm_networks.library.cache_clear()
