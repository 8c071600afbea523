"""Training in PyTorch: what it shares with MXNet, what resumes, what its batches hold."""

import hashlib
import json
import os
import struct

import cv2
import numpy as np
import pandas as pd
import pytest

import cli
import engines
import networks
import train_epochs
from engines.mxnet import trainer as of_mxnet
from engines.mxnet.library import mx
from plain_recipes import BATCH, SIZE, entries, recipe
from records.files import RecordFile
from teachers import taught
from test_train_epochs import (
    CLASSES,
    FINE_TUNING,
    MOMENTUM,
    arrays,
    assert_same_files,
    changed,
    data,
    going_on,
    measured,
    source,
    start_of,
    train,
    write_records,
)
from training import checkpoints, states_file
from training.metrics import Metrics
from training.recipe import Recipe

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from engines.torch import batches, devices, operators, optimizers, trainer
from engines.torch.averages import WeightAverage

SETTINGS = [
    {"optimizer": "nadam", "learning_rates": [0.01]},
    {"optimizer": "nag", "learning_rates": [0.05], **MOMENTUM},
    {"optimizer": "adam", "learning_rates": [0.01]},
    {"optimizer": "sgd", "learning_rates": [0.05], **MOMENTUM},
    FINE_TUNING | {"learning_rates": [0.01]},
]

MIXED, AVERAGED = {"mixup": 0.4}, {"weight_average": 0.9}
IN_PARTS = [*SETTINGS[:2], SETTINGS[4], SETTINGS[1] | MIXED | AVERAGED]


def in_torch(**changes: object) -> dict:
    """The JSON of a recipe file."""
    return entries(**changes) | {"engine": "torch"}


@pytest.mark.parametrize(
    "settings",
    [*SETTINGS, IN_PARTS[-1]],
    ids=lambda settings: " ".join([settings["optimizer"], *(settings.keys() & {"mixup"})]),
)
def test_two_epochs_in_two_jobs_equal_two_in_one_to_the_last_bit(train, tmp_path, settings):
    """With any number of decoding threads."""
    together, apart, forgetful = tmp_path / "together", tmp_path / "apart", tmp_path / "forgetful"
    train(together, in_torch(**settings), 1, 2)
    train(apart, in_torch(**settings), 1, 1, "--threads", 1)
    train(apart, in_torch(**settings), 2, 2, *going_on(apart, 1), "--threads", 5)
    assert_same_files(together, apart, 2)

    train(forgetful, in_torch(**settings), 2, 2, "--start", apart / "0001.params")
    assert (forgetful / "0002.params").read_bytes() != (apart / "0002.params").read_bytes()


@pytest.mark.parametrize(
    "settings", IN_PARTS, ids=lambda settings: " ".join([settings["optimizer"], *(settings.keys() & {"mixup"})])
)
def test_an_epoch_in_parts_equals_one_in_one_go_to_the_last_bit(train, tmp_path, monkeypatch, settings):
    monkeypatch.setattr(trainer, "BLOCK", 2)
    whole, divided = tmp_path / "whole", tmp_path / "divided"
    train(whole, in_torch(**settings), 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(train_epochs, "end_of", lambda minutes: 0.0)  # long ago
        for _ in range(3):
            with pytest.raises(cli.UnfinishedError):
                train(divided, in_torch(**settings), 1, 1)
        train(divided, in_torch(**settings), 1, 1)
    assert_same_files(whole, divided, 1)
    assert measured(whole, 1) == measured(divided, 1)


def test_deterministic_training_uses_algorithms_that_are(train, tmp_path, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    train(tmp_path / "plain", in_torch(), 1, 1)
    assert not torch.are_deterministic_algorithms_enabled()
    try:
        train(tmp_path / "deterministic", in_torch(), 1, 1, "--deterministic")
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert not torch.backends.cudnn.benchmark
    assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
    assert_same_files(tmp_path / "plain", tmp_path / "deterministic", 1)


def test_an_epoch_depends_on_its_number_and_the_seed(train, tmp_path):
    train(tmp_path / "one", in_torch(), 1, 1)
    train(tmp_path / "two", in_torch(), 2, 2, "--start", tmp_path / "one/0001.params")
    train(tmp_path / "again", in_torch(), 3, 3, "--start", tmp_path / "one/0001.params")
    train(tmp_path / "seed", in_torch(seed=2), 2, 2, "--start", tmp_path / "one/0001.params")
    files = [tmp_path / name for name in ("two/0002.params", "again/0003.params", "seed/0002.params")]
    assert len({file.read_bytes() for file in files}) == 3


def test_training_learns(train, tmp_path):
    train(tmp_path, in_torch(dropout=0.0, hsl=[0, 0, 0], learning_rates=[0.003]), 1, 6)
    report = json.loads((tmp_path / "0006.json").read_text())
    assert report["devices"] == ["cpu"]
    assert report["valid"]["top1"] > 0.8
    assert report["train"]["cross_entropy"] < 0.7 < np.log(CLASSES)
    assert report["train"]["images_per_second"] > 0


def test_a_model_is_trained_by_both_engines_in_turn(train, tmp_path):
    """Weights and states of each epoch are the other's start; the first needs no word on what fits."""
    settings = entries(optimizer="nag", learning_rates=[0.05], **MOMENTUM)
    train(tmp_path, settings, 1, 1)
    train(tmp_path, settings | {"engine": "torch"}, 2, 2, *going_on(tmp_path, 1))
    train(tmp_path, settings, 3, 3, *going_on(tmp_path, 2))
    reports = [json.loads((tmp_path / f"000{epoch}.json").read_text()) for epoch in (1, 3)]
    assert reports[1]["train"]["cross_entropy"] < reports[0]["train"]["cross_entropy"]


def test_both_engines_find_the_same_metrics(train, data, tmp_path):
    """Of a model that MXNet trained; the last batch holds 3 real records of 8."""
    train(tmp_path, entries(), 1, 1)
    of_mxnet, of_torch = (
        engines.choose(name)
        .create_trainer(
            recipe(), CLASSES, start_of(tmp_path / "0001.params"), None, gpus=0, threads=2, deterministic=False
        )
        .validate(data / "valid.rec")
        for name in engines.NAMES
    )
    assert of_torch["images"] == of_mxnet["images"] == BATCH + 3
    assert of_torch["top1"] == of_mxnet["top1"]
    assert of_torch["cross_entropy"] == pytest.approx(of_mxnet["cross_entropy"], rel=1e-5)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings["optimizer"])
def test_both_engines_take_the_same_steps(data, settings):
    """From the same weights, over the same augmented batches, with smoothed labels and rates that change.

    In float64: in float32 one activation on the other side of a ReLU changes all that follows.
    """
    settings = recipe(**settings, dropout=0.0)
    network = trainer.prepare(settings, CLASSES, None, devices.CPU).train().double()
    before = [{name: array.copy() for name, array in arrays.items()} for arrays in operators.numbers(network)]
    optimizer = optimizers.create(settings, operators.learned_arrays(network))
    other = MxnetSteps(settings, before)
    rate = settings.learning_rates[0]
    for number, (pictures, labels) in enumerate(
        batches.training_batches(data / "train.rec", settings, 1, 1, pinned=False)
    ):
        now = rate if number < 3 else rate / 5
        seen = devices.inputs(pictures.permute(0, 3, 1, 2), settings.image, devices.CPU).double()
        network.zero_grad()
        trainer.smoothed_cross_entropy(network(seen), labels, settings.label_smoothing).backward()
        optimizer.step(now)
        other.step(seen.numpy(), labels.numpy(), now)
    for own, given, others in zip(operators.numbers(network), before, other.numbers(), strict=True):
        for name, array in others.items():
            way, difference = np.abs(array - given[name]), np.abs(own[name] - array)
            # MXNet's constants are float32; what that changes, Adam's first steps enlarge where gradients are small.
            assert difference.max() <= 0.05 * way.max() + 1e-9, name
            assert difference.mean() <= 0.01 * way.mean() + 1e-9, name
            if not name.endswith("_bias"):
                assert way.max() > 1e-3 or name == "bn_data_gamma", name


class MxnetSteps:
    """Training steps of MXNet in float64."""

    def __init__(self, settings: Recipe, arrays: tuple[dict, dict]) -> None:
        symbol = of_mxnet.training_symbol(settings, CLASSES)
        shapes = {"data": (BATCH, 3, SIZE, SIZE), "softmax_label": (BATCH,)}
        self.names = [name for name in symbol.list_arguments() if name not in shapes]
        dtypes = dict.fromkeys(symbol.list_arguments(), np.float64)
        self.executor = symbol.simple_bind(mx.cpu(), grad_req="write", type_dict=dtypes, **shapes)
        for name, array in (arrays[0] | arrays[1]).items():
            (self.executor.arg_dict | self.executor.aux_dict)[name][:] = mx.nd.array(array, dtype=np.float64)
        optimizer = of_mxnet.optimizers.create(settings, self.names)
        optimizer.idx2name = dict(enumerate(self.names))
        self.updater = mx.optimizer.get_updater(optimizer)

    def step(self, data: np.ndarray, labels: np.ndarray, rate: float) -> None:
        for name, array in (("data", data), ("softmax_label", labels)):
            self.executor.arg_dict[name][:] = mx.nd.array(array, dtype=np.float64)
        self.executor.forward(is_train=True)
        self.executor.backward()
        self.updater.optimizer.lr = rate
        for index, name in enumerate(self.names):
            self.updater(index, self.executor.grad_dict[name], self.executor.arg_dict[name])
        mx.nd.waitall()

    def numbers(self) -> tuple[dict, dict]:
        self.executor.arg_dict["bn_data_gamma"][:] = 1  # MXNet decays it, and sets it to 1 before it takes it
        learned = {name: self.executor.arg_dict[name].asnumpy() for name in self.names}
        return learned, {name: array.asnumpy() for name, array in self.executor.aux_dict.items()}


def test_where_only_the_classifier_learns_all_else_stays_to_the_last_bit(train, tmp_path):
    settings = in_torch(**FINE_TUNING | {"train": "classifier", "body_rate": 1.0})
    before = operators.numbers(trainer.prepare(recipe(**settings), CLASSES, None, devices.CPU))
    train(tmp_path, settings, 1, 1)
    after = checkpoints.load(tmp_path / "0001.params")
    assert changed(before, after) == {"fc_weight", "fc_bias"}


def test_the_body_learns_at_its_share_of_a_rate_that_runs_its_course(train, tmp_path):
    """By Adam's first step, which is the rate wherever there is a gradient; the warm-up's first batch has a third."""
    course = FINE_TUNING["course"] | {"epochs": 12}
    settings = in_torch(
        **FINE_TUNING | {"weight_decay": 0.0, "batch_size": 43, "learning_rates": [0.003], "course": course}
    )
    before, _ = operators.numbers(trainer.prepare(recipe(**settings), CLASSES, None, devices.CPU))
    train(tmp_path, settings, 1, 1)
    after, _ = checkpoints.load(tmp_path / "0001.params")
    steps = {name: np.abs(after[name] - array).max() for name, array in before.items()}
    assert steps["fc_weight"] == pytest.approx(0.001, rel=1e-3)
    assert steps["stage1_unit1_conv1_weight"] == pytest.approx(0.0001, rel=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_cross_entropy_with_smoothed_labels(smoothing):
    """The gradient of the scores: probability minus target, 1 - alpha or alpha / (K - 1)."""
    scores = torch.tensor([[0.5, -1.0, 2.0, 0.0]], requires_grad=True)
    trainer.smoothed_cross_entropy(scores, torch.tensor([2]), smoothing).backward()
    target = np.where(np.arange(4) == 2, 1 - smoothing, smoothing / 3)
    expected = torch.softmax(scores, 1).detach().numpy() - target
    np.testing.assert_allclose(scores.grad.numpy(), expected, atol=1e-6)


def test_an_average_keeps_its_share_of_each_step_and_less_of_the_first():
    network = torch.nn.BatchNorm1d(3)
    generator = np.random.default_rng(0)
    average = WeightAverage(network, 0.5)
    expected = {name: array.double().numpy() for name, array in network.state_dict().items()}
    for step in range(1, 15):
        now = {name: generator.normal(size=array.shape) for name, array in expected.items()}
        network.load_state_dict({name: torch.tensor(array) for name, array in now.items()})
        average.add(step)
        kept = (1 + step) / (10 + step) if step < 8 else 0.5
        expected = {name: kept * expected[name] + (1 - kept) * now[name] for name in now}
    for _ in range(2):
        with average.in_place():
            for name in ("weight", "bias", "running_mean", "running_var"):
                np.testing.assert_allclose(network.state_dict()[name], expected[name], rtol=1e-5)
        for name in ("weight", "running_var"):
            np.testing.assert_allclose(network.state_dict()[name], now[name], rtol=1e-6)


def test_an_epoch_leaves_the_average_and_is_measured_by_it_and_goes_on_from_the_weights(train, data, tmp_path):
    """The weights are those of a training without an average, to the last bit."""
    plain, averaged = tmp_path / "plain", tmp_path / "averaged"
    train(plain, in_torch(**SETTINGS[1]), 1, 2)
    train(averaged, in_torch(**SETTINGS[1] | AVERAGED), 1, 2)
    arguments, auxiliaries = checkpoints.load(plain / "0002.params")
    kept = states_file.read(averaged / "0002.states", "NAG").weights
    assert set(kept) == set(arguments | auxiliaries)
    for name, array in (arguments | auxiliaries).items():
        np.testing.assert_array_equal(kept[name], array, err_msg=name)
    means = {name: array for kind in checkpoints.load(averaged / "0002.params") for name, array in kind.items()}
    assert {name for name in means if np.array_equal(means[name], kept[name])} == {"bn_data_gamma"}
    start = checkpoints.Start(averaged / "0002.params", np.arange(CLASSES))
    reached = trainer.create_trainer(recipe(), CLASSES, start, None, gpus=0, threads=1, deterministic=False)
    assert reached.validate(data / "valid.rec") == json.loads((averaged / "0002.json").read_text())["valid"]
    with pytest.raises(cli.UserError, match=r"0002.states: no weights, whose average the start is; train the epoch"):
        train(plain, in_torch(**SETTINGS[1] | AVERAGED), 3, 3, *going_on(plain, 2))


def test_pictures_are_mixed_with_their_partners_and_labels_alike():
    """The gradient of the scores: probability minus the mixed target."""
    pictures = torch.rand(3, 3, 2, 2)
    np.testing.assert_allclose(trainer.mixed(pictures, 0.7), 0.7 * pictures + 0.3 * pictures[[2, 1, 0]], rtol=1e-6)
    scores = torch.rand(3, 4, requires_grad=True)
    trainer.mixed_loss(scores, torch.tensor([0, 1, 3]), 0.7, 0.0).backward()
    target = np.array([[0.7, 0, 0, 0.3], [0, 1, 0, 0], [0.3, 0, 0, 0.7]])
    np.testing.assert_allclose(3 * scores.grad, torch.softmax(scores, 1).detach().numpy() - target, atol=1e-6)


def test_shares_are_drawn_from_the_beta_distribution_anew_for_each_batch():
    shares = np.array([batches.mixed_share(recipe(mixup=0.4), 2, batch) for batch in range(4000)])
    drawn = np.random.default_rng(1).beta(0.4, 0.4, 4000)
    expected = np.maximum(drawn, 1 - drawn)
    assert shares.min() >= 0.5
    assert shares.mean() == pytest.approx(expected.mean(), abs=0.01)
    assert np.std(shares) == pytest.approx(np.std(expected), abs=0.01)
    assert batches.mixed_share(recipe(mixup=0.4), 3, 5) != shares[5] == batches.mixed_share(recipe(mixup=0.4), 2, 5)
    assert batches.mixed_share(recipe(), 2, 5) == 1


def test_a_step_learns_mixed_labels_from_mixed_pictures(train, data, tmp_path):
    settings = in_torch(optimizer="sgd", learning_rates=[0.5], batch_size=43, label_smoothing=0.0, dropout=0.0, **MIXED)
    train(tmp_path, settings, 1, 1)
    network = trainer.prepare(recipe(**settings), CLASSES, None, devices.CPU).train()
    [(pictures, labels)] = batches.training_batches(data / "train.rec", recipe(**settings), 1, 1, pinned=False)
    share = batches.mixed_share(recipe(**settings), 1, 0)
    assert share < 0.95
    seen = devices.inputs(pictures.permute(0, 3, 1, 2), settings["image"], devices.CPU)
    ones = torch.nn.functional.one_hot(labels, CLASSES)
    targets = share * ones + (1 - share) * ones.flip(0)
    torch.nn.functional.cross_entropy(network(share * seen + (1 - share) * seen.flip(0)), targets).backward()
    after, _ = checkpoints.load(tmp_path / "0001.params")
    for name, array in operators.learned_arrays(network).items():
        if array.grad is not None:
            expected = array.detach() - 0.5 * array.grad
            np.testing.assert_allclose(after[name], expected, rtol=1e-3, atol=1e-5, err_msg=name)


def test_initial_weights_are_drawn_as_mxnet_draws_them():
    shapes = networks.array_shapes(recipe().network, 32, 400)
    arguments, auxiliaries = trainer.initial_arrays(shapes, 1)
    symbol = networks.build(mx.sym, recipe().network, 32, 400)
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, 3, 32, 32))])
    module.init_params(mx.init.MSRAPrelu(factor_type="avg", slope=0.25))
    for own, others in zip((arguments, auxiliaries), module.get_params(), strict=True):
        assert set(own) == set(others)
        for name, array in others.items():
            if name.endswith("_weight"):
                assert np.std(own[name]) == pytest.approx(np.std(array.asnumpy()), rel=5 / np.sqrt(array.size)), name
                assert abs(own[name].mean()) < 5 * own[name].std() / np.sqrt(array.size)
            else:
                np.testing.assert_array_equal(own[name], array.asnumpy(), err_msg=name)
    other, _ = trainer.initial_arrays(shapes, 2)
    assert not np.array_equal(arguments["fc_weight"], other["fc_weight"])


def test_a_transfer_takes_what_fits_and_initialises_the_rest(tmp_path):
    start = source(tmp_path)
    own, _ = operators.numbers(trainer.prepare(recipe(transfer={"min_transfer": 0.5}), CLASSES, start, devices.CPU))
    given, _ = checkpoints.load(start.params)
    assert {name for name, array in own.items() if not np.array_equal(array, given[name])} == {"fc_weight", "fc_bias"}
    with pytest.raises(cli.UserError, match=r"49 of 51 arrays match .* 100% are needed"):
        trainer.prepare(recipe(), CLASSES, start, devices.CPU)


# Faults


def test_a_loss_that_is_not_a_number_names_epoch_and_batch_and_keeps_the_epoch_before(train, tmp_path):
    train(tmp_path, in_torch(), 1, 1)
    settings = in_torch(optimizer="sgd", learning_rates=[1e38])
    with pytest.raises(cli.UserError, match=r"epoch 2, batch \d of 6: the loss is (nan|inf)"):
        train(tmp_path, settings, 2, 2, "--start", tmp_path / "0001.params")
    assert not list(tmp_path.glob("*0002.[!r]*"))


def test_weights_that_the_last_step_of_an_epoch_ruined_are_told_by_the_valid_part(train, tmp_path):
    settings = in_torch(optimizer="sgd", learning_rates=[1e38], batch_size=43)  # one step
    with pytest.raises(cli.UserError, match=r"valid.rec: after this epoch the network's probabilities are not finite"):
        train(tmp_path, settings, 1, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"0001.recipe.json"}


@pytest.mark.parametrize("classes", [3, 9])
def test_metrics_of_a_device_are_those_of_arrays(classes):
    """Ties included: a class that is as probable as the right one counts as better."""
    generator = np.random.default_rng(0)
    scores = generator.integers(-2, 3, (200, classes)).astype(np.float32)
    labels = generator.integers(0, classes, 200)
    of_arrays, of_device = Metrics(), torch.zeros(4, dtype=torch.float64)
    for rows in (slice(0, 150), slice(150, 200)):
        seen, right = torch.tensor(scores[rows]), torch.tensor(labels[rows])
        expected = of_arrays.add(torch.softmax(seen, 1).numpy(), labels[rows])
        of_batch = trainer.sums_of(seen, right)
        assert (of_batch[3] / of_batch[0]).item() == pytest.approx(expected)
        of_device += of_batch
    found = trainer.metrics_of(of_device)
    assert found.examples == 200
    assert found.means() == pytest.approx(of_arrays.means())
    scores[0, 0] = np.inf
    assert not np.isfinite(trainer.sums_of(torch.tensor(scores), torch.tensor(labels))[3].item())


def test_records_that_fill_no_batch_are_named(train, tmp_path):
    with pytest.raises(cli.UserError, match=r"train.rec: 43 records do not fill one batch of 64; lower .*batch_size"):
        train(tmp_path, in_torch(batch_size=64), 1, 1)


def test_a_picture_that_does_not_decode_is_named(train, data, tmp_path):
    path = tmp_path / "bad.rec"
    path.write_bytes((data / "train.rec").read_bytes().replace(b"\xff\xd8\xff", b"\0\0\0", 1))
    path.with_suffix(".idx").write_bytes((data / "train.idx").read_bytes())
    with pytest.raises(
        cli.UserError, match=r"bad.rec: byte 0: the picture has no format that is taken; pack the records again"
    ):
        train(tmp_path, in_torch(), 1, 1, "--train", path)


def test_channels_that_mxnet_cannot_concatenate_on_a_cpu_are_trained(train, tmp_path):
    network = {"family": "densenet", "stem": 32, "units": [4, 1], "growth": 20, "bottleneck": 4, "compression": 0.5}
    train(tmp_path, in_torch(network=network), 1, 1)
    assert json.loads((tmp_path / "0001.json").read_text())["train"]["cross_entropy"] < 5


# Students


def test_a_student_learns_what_its_teacher_says_and_not_the_labels(train, data, taught, tmp_path):
    settings = in_torch(dropout=0.0, hsl=[0, 0, 0], learning_rates=[0.003])
    train(tmp_path, settings, 1, 6, *taught)
    assert json.loads((tmp_path / "0006.json").read_text())["valid"]["top1"] < 0.2
    start = checkpoints.Start(tmp_path / "0006.params", np.arange(CLASSES))
    network = trainer.prepare(recipe(**settings), CLASSES, start, devices.CPU).eval()
    [(pictures, labels), *_] = batches.validation_batches(data / "valid.rec", recipe(**settings), 1, pinned=False)
    with torch.no_grad():
        said = network(devices.inputs(pictures.permute(0, 3, 1, 2), settings["image"], devices.CPU)).argmax(1)
    assert (said == (labels + 1) % CLASSES).float().mean() > 0.7


def test_a_students_two_epochs_in_two_jobs_equal_two_in_one_to_the_last_bit(train, taught, tmp_path):
    settings, together, apart = in_torch(**MIXED | AVERAGED), tmp_path / "together", tmp_path / "apart"
    train(together, settings, 1, 2, *taught)
    train(apart, settings, 1, 1, *taught, "--threads", 1)
    train(apart, settings, 2, 2, *taught, *going_on(apart, 1))
    assert_same_files(together, apart, 2)


def test_a_students_loss_is_the_cross_entropy_to_its_targets():
    """The gradient of the scores: probability minus target."""
    scores, targets = torch.rand(3, 4, requires_grad=True), torch.softmax(torch.rand(3, 4), 1)
    trainer.cross_entropy_to(scores, targets).backward()
    np.testing.assert_allclose(3 * scores.grad, torch.softmax(scores, 1).detach() - targets, atol=1e-6)
