"""Training by epochs: what resumes, what starts anew, what ends a job, and what stays on the disk then."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import cli
import train_epochs
from checkout import ROOT
from disks import largest_file
from engines.mxnet import devices, trainer
from engines.mxnet.batches import training_batches, validation_batches
from engines.mxnet.library import mx
from engines.mxnet.trainer import in_numpy
from plain_recipes import BATCH, NETWORK, SIZE, entries, recipe
from programs import error_of, run
from records import files
from training import checkpoints
from training.metrics import epochs_until
from training.progress import Progress

CLASSES = 4
MOMENTUM = {"momentum": 0.9, "weight_decay": 0.0005}


def write_records(path: Path, count: int, seed: int) -> Path:
    """Pictures of one colour per class, with noise; an odd side, so that resizing and cropping take part."""
    generator = np.random.default_rng(seed)
    colours = np.random.default_rng(0).integers(40, 216, (CLASSES, 3))
    records = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number in range(count):
        picture = np.clip(colours[number % CLASSES] + generator.normal(0, 30, (36, 40, 3)), 0, 255).astype(np.uint8)
        header = mx.recordio.IRHeader(0, number % CLASSES, number, 0)
        records.write_idx(number, mx.recordio.pack(header, cv2.imencode(".jpg", picture)[1].tobytes()))
    records.close()
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder / "train.rec", 5 * BATCH + 3, seed=1)
    write_records(folder / "valid.rec", BATCH + 3, seed=2)
    names = [f"{number},{1000 + number},A,B,{number}\n" for number in range(CLASSES)]
    (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + "".join(names))
    return folder


def words(data: Path, folder: Path, settings: dict, first: int, last: int, *more: object) -> list[str]:
    """The arguments of a run that trains epochs first to last into a folder."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{first:04d}.recipe.json"
    file.write_text(json.dumps(settings | {"learning_rates": (settings["learning_rates"] * last)[: last - first + 1]}))
    inputs = ["--train", data / "train.rec", "--valid", data / "valid.rec", "--classes", data / "classes.csv"]
    outputs = [folder / f"{epoch:04d}.params" for epoch in range(first, last + 1)]
    epochs = ["--recipe", file, "--first-epoch", first, "--outputs", *outputs]
    return [str(word) for word in [*epochs, *inputs, "--threads", 2, *more]]


@pytest.fixture
def train(data, monkeypatch):
    """Run the program in this process."""

    def run(folder: Path, settings: dict, first: int, last: int, *more: object) -> None:
        monkeypatch.setattr(sys, "argv", ["train_epochs.py", *words(data, folder, settings, first, last, *more)])
        train_epochs.main()

    return run


def start_of(params: Path) -> checkpoints.Start:
    return checkpoints.Start(params, np.arange(1000, 1000 + CLASSES))


def arrays(folder: Path, epoch: int) -> dict[str, np.ndarray]:
    loaded = mx.nd.load(str(folder / f"{epoch:04d}.params"))
    return {name: array.asnumpy() for name, array in loaded.items()}


def changed(before: tuple[dict, dict], after: tuple[dict, dict]) -> set[str]:
    """The names of learned arrays and moving statistics that differ."""
    return {
        name
        for earlier, later in zip(before, after, strict=True)
        for name in earlier
        if not np.array_equal(earlier[name], later[name])
    }


def assert_same_files(left: Path, right: Path, epoch: int) -> None:
    """Parameters and optimizer states equal to the last bit."""
    assert (left / f"{epoch:04d}.params").read_bytes() == (right / f"{epoch:04d}.params").read_bytes()
    assert (left / f"{epoch:04d}.states").read_bytes() == (right / f"{epoch:04d}.states").read_bytes()


def going_on(folder: Path, epoch: int) -> list[object]:
    before = [folder / f"{epoch:04d}.{suffix}" for suffix in ("params", "states", "json")]
    return [word for pair in zip(("--start", "--states", "--metrics-before"), before, strict=True) for word in pair]


# Epochs one by one


FINE_TUNING = {
    "optimizer": "adamw",
    "weight_decay": 0.02,
    "body_rate": 0.1,
    "image": {"size": SIZE, "resize": 36, "mean": [127, 127, 127], "scale": 1 / 128},
    "course": {"decay": "cosine", "warmup_steps": 3, "epochs": 2, "after": 0},
}


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "nadam", "learning_rates": [0.01]},
        {"optimizer": "nag", "learning_rates": [0.05], **MOMENTUM},
        {"optimizer": "adam", "learning_rates": [0.01]},
        {"optimizer": "sgd", "learning_rates": [0.05], **MOMENTUM},
        FINE_TUNING | {"learning_rates": [0.01]},
    ],
    ids=lambda settings: settings["optimizer"],
)
def test_two_epochs_in_two_jobs_equal_two_in_one_to_the_last_bit(train, tmp_path, settings):
    together, apart, forgetful = tmp_path / "together", tmp_path / "apart", tmp_path / "forgetful"
    train(together, entries(**settings), 1, 2)
    train(apart, entries(**settings), 1, 1)
    train(apart, entries(**settings), 2, 2, *going_on(apart, 1))
    assert_same_files(together, apart, 2)

    train(forgetful, entries(**settings), 2, 2, "--start", apart / "0001.params")
    assert (forgetful / "0002.params").read_bytes() != (apart / "0002.params").read_bytes()


# Parts of an epoch


def measured(folder: Path, epoch: int) -> list[dict]:
    """The reports of epochs up to one, without what depends on the time."""
    reports = epochs_until(json.loads((folder / f"{epoch:04d}.json").read_text()))
    for report in reports:
        del report["train"]["seconds"], report["train"]["images_per_second"]
    return reports


@pytest.fixture
def blocks_of_two(monkeypatch):
    """An epoch has three of them."""
    monkeypatch.setattr(trainer, "BLOCK", 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "nadam", "learning_rates": [0.01]},
        {"optimizer": "nag", "learning_rates": [0.05], **MOMENTUM},
        FINE_TUNING | {"learning_rates": [0.01]},
    ],
    ids=lambda settings: settings["optimizer"],
)
def test_an_epoch_in_parts_equals_one_in_one_go_to_the_last_bit(
    train, blocks_of_two, tmp_path, monkeypatch, capfd, settings
):
    """With dropout, a learning rate that changes inside the epoch, and metrics that add up over the parts."""
    whole, divided = tmp_path / "whole", tmp_path / "divided"
    train(whole, entries(**settings), 1, 2)
    train(divided, entries(**settings), 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(train_epochs, "end_of", lambda minutes: 0.0)  # long ago
        for batches in (2, 4, 6):
            with pytest.raises(
                cli.UnfinishedError, match=f"^{batches} batches of the epoch are done; the next attempt"
            ):
                train(divided, entries(**settings), 2, 2, *going_on(divided, 1))
            assert capfd.readouterr().err.endswith("\n")  # so that the line that says so stands alone
            names = {path.name for path in divided.glob("0002.part-*")}
            assert names == {f"0002.part-0000000{batches}.{suffix}" for suffix in ("params", "states", "progress")}
        train(divided, entries(**settings), 2, 2, *going_on(divided, 1))  # has only to validate
    assert_same_files(whole, divided, 2)
    assert measured(whole, 2) == measured(divided, 2)
    assert not list(divided.glob("*.part-*"))


def test_a_killed_job_loses_no_part_that_it_has_written(train, blocks_of_two, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(whole, entries(), 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(train_epochs, "PART_SECONDS", 0.0)
        patch.setattr(trainer, "check_loss", lambda loss, epoch, number, total: 1 / (5 - number))
        with pytest.raises(ZeroDivisionError):
            train(killed, entries(), 1, 1)
    trained = []
    monkeypatch.setattr(trainer, "check_loss", lambda loss, epoch, number, total: trained.append(number))
    train(killed, entries(), 1, 1)
    assert trained == [5, 6]
    assert_same_files(whole, killed, 1)


def test_a_part_is_due_from_time_to_time_and_before_the_end():
    steps = [Progress(100), Progress(200)]
    written = []
    now = time.monotonic()
    assert train_epochs.train(iter(steps), now + 60, written.append) == steps[1]
    assert written == []
    with pytest.raises(cli.UnfinishedError):
        train_epochs.train(iter(steps), now, written.append)
    assert written == steps[:1]
    assert train_epochs.train(iter([]), now, written.append) is None
    assert train_epochs.end_of(None) == np.inf
    assert [round(train_epochs.end_of(minutes) - now) // 6 for minutes in (10, 600)] == [90, 5950]


def test_what_a_part_that_was_not_written_whole_has_left_is_passed_over_and_goes(train, blocks_of_two, tmp_path):
    (tmp_path / "0001.part-00000002.params").write_bytes(b"garbage")
    train(tmp_path, entries(), 1, 1)
    assert not list(tmp_path.glob("*.part-*"))


def test_resuming_is_exact_on_several_devices_too(train, tmp_path, monkeypatch):
    """Several devices update through MXNet's key-value store, whose optimizer is another object.

    Each keeps moving statistics of its own; their mean is saved, so these agree up to rounding.
    """
    monkeypatch.setattr(devices, "contexts", lambda count: [mx.cpu(0), mx.cpu(1)])
    together, apart = tmp_path / "together", tmp_path / "apart"
    train(together, entries(dropout=0.0), 1, 2)
    train(apart, entries(dropout=0.0), 1, 1)
    train(apart, entries(dropout=0.0), 2, 2, *going_on(apart, 1))
    left, right = arrays(together, 2), arrays(apart, 2)
    for name, array in left.items():
        np.testing.assert_allclose(array, right[name], rtol=0 if name.startswith("arg:") else 1e-5, err_msg=name)


@pytest.mark.parametrize("contexts", [[mx.cpu()], [mx.cpu(0), mx.cpu(1)]], ids=len)
def test_an_epoch_is_that_of_mxnet_which_is_given_the_optimizer_by_name(data, contexts):
    """As the published scripts gave it: an optimizer object would decay biases and betas too."""
    settings = recipe(**entries(optimizer="sgd", momentum=0.9, weight_decay=0.1, dropout=0.0))
    ours, plain = (trainer.prepare(settings, CLASSES, None, None, contexts) for _ in range(2))
    named = {"learning_rate": 0.05, "momentum": 0.9, "wd": 0.1}
    kvstore = "device" if len(contexts) > 1 else None
    plain.init_optimizer(kvstore, optimizer="sgd", optimizer_params=named, force_init=True)
    list(trainer.Trainer(ours, settings, 1).train(data / "train.rec", 1, 0.05, Progress()))
    for batch in training_batches(data / "train.rec", settings, 1, 1):
        plain.forward_backward(batch)
        plain.update()
    expected = plain.get_params()[0]
    for name, array in ours.get_params()[0].items():
        np.testing.assert_array_equal(array.asnumpy(), expected[name].asnumpy(), err_msg=name)


def test_the_body_learns_at_its_share_of_the_rate(train, tmp_path):
    """By Adam's first step, which is the rate wherever there is a gradient; the warm-up's first batch has a third."""
    course = FINE_TUNING["course"] | {"epochs": 12}
    settings = entries(
        **FINE_TUNING | {"weight_decay": 0.0, "batch_size": 43, "learning_rates": [0.003], "course": course}
    )
    module = trainer.prepare(recipe(**settings), CLASSES, None, None, [mx.cpu()])
    before = {name: array.asnumpy() for name, array in module.get_params()[0].items()}
    train(tmp_path, settings, 1, 1)
    after, _ = checkpoints.load(tmp_path / "0001.params")
    steps = {name: np.abs(after[name] - array).max() for name, array in before.items()}
    assert steps["fc_weight"] == pytest.approx(0.001, rel=1e-3)
    assert steps["stage1_unit1_conv1_weight"] == pytest.approx(0.0001, rel=1e-3)


def test_where_only_the_classifier_learns_all_else_stays_to_the_last_bit(train, tmp_path):
    settings = entries(**FINE_TUNING | {"train": "classifier", "body_rate": 1.0})
    module = trainer.prepare(recipe(**settings), CLASSES, None, None, [mx.cpu()])
    before = [{name: array.asnumpy() for name, array in arrays.items()} for arrays in module.get_params()]
    train(tmp_path, settings, 1, 1)
    after = checkpoints.load(tmp_path / "0001.params")
    assert changed(before, after) == {"fc_weight", "fc_bias"}


def test_an_epoch_depends_on_its_number(train, tmp_path):
    """Another order and other augmentations in each epoch."""
    train(tmp_path / "one", entries(), 1, 1)
    train(tmp_path / "two", entries(), 2, 2)
    assert (tmp_path / "one/0001.params").read_bytes() != (tmp_path / "two/0002.params").read_bytes()


def test_each_epoch_has_its_learning_rate(train, tmp_path):
    train(tmp_path, entries(learning_rates=[0.01, 0.0]), 1, 2)
    before, after = arrays(tmp_path, 1), arrays(tmp_path, 2)
    learned = [name for name in before if name.startswith("arg:")]
    assert all(np.array_equal(before[name], after[name]) for name in learned)
    rates = [json.loads((tmp_path / f"000{epoch}.json").read_text())["learning_rate"] for epoch in (1, 2)]
    assert rates == [0.01, 0.0]


def test_training_learns(train, tmp_path):
    train(tmp_path, entries(dropout=0.0, hsl=[0, 0, 0]), 1, 4)
    report = json.loads((tmp_path / "0004.json").read_text())
    assert report["valid"]["top1"] > 0.8
    assert report["train"]["cross_entropy"] < 0.7 < np.log(CLASSES)
    assert report["train"]["images_per_second"] > 0


def test_states_of_superseded_epochs_go_and_a_finished_model_can_be_continued(train, tmp_path):
    superseded = ["--superseded-states", tmp_path / "0001.states"]
    train(tmp_path, entries(), 1, 1)
    train(tmp_path, entries(), 2, 2, *going_on(tmp_path, 1), *superseded)
    assert {path.name for path in tmp_path.glob("*.states")} == {"0002.states"}
    train(tmp_path, entries(), 3, 3, *going_on(tmp_path, 2))
    assert {path.name for path in tmp_path.glob("*.params")} == {"0001.params", "0002.params", "0003.params"}


def test_valid_metrics_count_every_record_once_and_only_once(train, data, tmp_path):
    """Against a forward pass of each record on its own; the last batch holds 3 real records of 8."""
    train(tmp_path, entries(), 1, 1)
    report = json.loads((tmp_path / "0001.json").read_text())["valid"]
    module = trainer.prepare(recipe(batch_size=1), CLASSES, start_of(tmp_path / "0001.params"), None, [mx.cpu()])
    probabilities, labels = [], []
    for batch in validation_batches(data / "valid.rec", recipe(batch_size=1), 1):
        module.forward(batch, is_train=False)
        probabilities.append(module.get_outputs()[0].asnumpy()[0])
        labels.append(int(batch.label[0].asscalar()))
    probabilities = np.array(probabilities)
    assert report["images"] == len(labels) == BATCH + 3
    assert report["top1"] == np.mean(probabilities.argmax(axis=1) == labels)
    np.testing.assert_allclose(
        report["cross_entropy"], -np.log(probabilities[np.arange(len(labels)), labels]).mean(), rtol=1e-4
    )


def test_the_loss_is_cross_entropy_with_smoothed_labels():
    """The gradient of the last layer's bias: probability minus target, 1 - alpha or alpha / (K - 1)."""
    module = mx.mod.Module(trainer.training_symbol(recipe(dropout=0.0), CLASSES))
    module.bind([("data", (1, 3, SIZE, SIZE))], [("softmax_label", (1,))])
    module.init_params(mx.init.Xavier())
    module.forward_backward(mx.io.DataBatch([mx.nd.ones((1, 3, SIZE, SIZE))], [mx.nd.array([2])]))
    gradient = module._exec_group.execs[0].grad_dict["fc_bias"].asnumpy()
    target = np.array([0.1 / 3, 0.1 / 3, 0.9, 0.1 / 3])
    np.testing.assert_allclose(gradient, module.get_outputs()[0].asnumpy()[0] - target, atol=1e-6)


# Starts


def source(folder: Path, **changes: object) -> checkpoints.Start:
    """A checkpoint of the network with other numbers of classes or units, for the categories 1000, 1001, ..."""
    symbol = trainer.training_symbol(recipe(network=NETWORK | changes), changes.get("classes", 7))
    module = mx.mod.Module(symbol)
    module.bind([("data", (1, 3, SIZE, SIZE))], [("softmax_label", (1,))])
    mx.random.seed(5)
    module.init_params(mx.init.Uniform(0.3))
    checkpoints.save(folder / "source.params", *map(in_numpy, module.get_params()))
    return start_of(folder / "source.params")


def test_a_transfer_takes_what_fits_and_initialises_the_rest(tmp_path, capsys):
    start = source(tmp_path)
    module = trainer.prepare(recipe(transfer={"min_transfer": 0.5}), CLASSES, start, None, [mx.cpu()])
    found, given = module.get_params()[0], checkpoints.load(start.params)[0]
    assert f"{start.params}: 49 of 51 arrays match by name and shape" in capsys.readouterr().err
    for name, array in found.items():
        if not name.startswith("fc_"):
            np.testing.assert_array_equal(array.asnumpy(), given[name], err_msg=name)
    weights = found["fc_weight"].asnumpy()
    assert weights.shape == (CLASSES, 32)
    # MSRAPrelu by the mean of inputs and outputs: variance 2 / ((1 + slope ** 2) * mean of both).
    assert np.std(weights) == pytest.approx(np.sqrt(2 / (1 + 0.25**2) / ((32 + CLASSES) / 2)), rel=0.2)


def test_a_transfer_keeps_the_rows_of_the_categories_that_stay(tmp_path, capsys):
    start = source(tmp_path)
    (tmp_path / "source.classes.csv").write_text("category_id\n" + "".join(f"{1008 - row}\n" for row in range(7)))
    module = trainer.prepare(recipe(transfer={"min_transfer": 1}), CLASSES, start, None, [mx.cpu()])
    found, given = in_numpy(module.get_params()[0]), checkpoints.load(start.params)[0]
    assert "51 of 51 arrays match by name and shape; 2 of 4 categories keep their rows" in capsys.readouterr().err
    for name in ("fc_weight", "fc_bias"):
        np.testing.assert_array_equal(found[name][[2, 3]], given[name][[6, 5]])


def test_a_transfer_of_too_little_ends_with_the_counts(tmp_path):
    start = source(tmp_path)
    with pytest.raises(cli.UserError, match=r"source.params: 49 of 51 arrays match .* 99% are needed; .*min_transfer"):
        trainer.prepare(recipe(transfer={"min_transfer": 0.99}), CLASSES, start, None, [mx.cpu()])


def test_going_on_takes_every_array(tmp_path):
    with pytest.raises(cli.UserError, match=r"49 of 51 arrays match .* 100% are needed"):
        trainer.prepare(recipe(), CLASSES, source(tmp_path), None, [mx.cpu()])


def test_a_batch_that_gpus_cannot_share_is_refused():
    with pytest.raises(cli.UserError, match="a batch of 9 cannot be shared by 2 GPUs; change the model's batch_size"):
        trainer.prepare(recipe(batch_size=9), CLASSES, None, None, [mx.cpu(0), mx.cpu(1)])


# Faults


def test_a_loss_that_is_not_a_number_names_epoch_and_batch_and_keeps_the_epoch_before(train, tmp_path):
    train(tmp_path, entries(), 1, 1)
    before = (tmp_path / "0001.params").read_bytes()
    settings = entries(optimizer="sgd", learning_rates=[1e38])
    with pytest.raises(cli.UserError, match=r"epoch 2, batch \d of 6: the loss is (nan|inf)"):
        train(tmp_path, settings, 2, 2, "--start", tmp_path / "0001.params")
    assert (tmp_path / "0001.params").read_bytes() == before
    assert not list(tmp_path.glob("*0002.[!r]*"))


def test_weights_that_the_last_step_of_an_epoch_ruined_are_told_by_the_valid_part(train, tmp_path):
    settings = entries(optimizer="sgd", learning_rates=[1e38], batch_size=43)  # one step
    with pytest.raises(cli.UserError, match=r"valid.rec: after this epoch the network's probabilities are not finite"):
        train(tmp_path, settings, 1, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"0001.recipe.json"}


def test_parameters_or_states_that_do_not_fit_on_the_disk_are_one_line_and_nothing_is_left(train, tmp_path):
    train(tmp_path / "whole", entries(), 1, 1)
    sizes = [(tmp_path / f"whole/0001.{suffix}").stat().st_size for suffix in ("params", "states")]
    assert sizes[0] < sizes[1]
    for size in (sizes[0] - 1, sizes[1] - 1):
        message = r"0001\.params, .*0001\.states, .*0001\.json: cannot be written: File too large"
        with largest_file(size), pytest.raises(cli.UserError, match=message):
            train(tmp_path, entries(), 1, 1)
        assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"0001.recipe.json"}


def test_records_that_fill_no_batch_are_named(train, data, tmp_path):
    with pytest.raises(cli.UserError, match=r"train.rec: 43 records do not fill one batch of 64; lower .*batch_size"):
        train(tmp_path, entries(batch_size=64), 1, 1)


def test_channels_that_mxnet_cannot_concatenate_on_a_cpu_are_explained(train, tmp_path):
    network = {"family": "densenet", "stem": 32, "units": [4, 1], "growth": 20, "bottleneck": 4, "compression": 0.5}
    with pytest.raises(cli.UserError, match=r"sub-memory.*multiples of 16"):
        train(tmp_path, entries(network=network), 1, 1)


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("--start", None, "start.params: no such file"),
        ("--start", b"garbage", "start.params: byte 0: "),
        ("--states", None, "start.states: no such file"),
        ("--states", b"garbage", "start.states: not optimizer states"),
        ("--train", None, "start.rec: no such file"),
        ("--classes", None, "start.csv"),
    ],
)
def test_a_missing_or_damaged_input_is_one_line(data, tmp_path, option, content, message):
    suffix = {"--start": "params", "--states": "states", "--train": "rec", "--classes": "csv"}[option]
    file = tmp_path / f"start.{suffix}"
    if content is not None:
        file.write_bytes(content)
    assert message in error_of(run("train_epochs", *words(data, tmp_path, entries(), 1, 1, option, file)))
    assert {path.name for path in tmp_path.iterdir()} <= {"0001.recipe.json", file.name}


def test_records_without_their_index_or_without_a_record_are_named(data, tmp_path):
    (tmp_path / "valid.rec").write_bytes((data / "valid.rec").read_bytes())
    with pytest.raises(cli.UserError, match=r"valid.idx: no such file; pack the records again"):
        files.record_count(tmp_path / "valid.rec")
    (tmp_path / "valid.idx").touch()
    with pytest.raises(cli.UserError, match=r"valid.rec: no records; choose a larger valid_fraction"):
        files.record_count(tmp_path / "valid.rec")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_job_cleanly(data, tmp_path, number, code):
    """SLURM sends SIGTERM before a time limit; Ctrl-C sends SIGINT."""
    command = [sys.executable, ROOT / "scripts/train_epochs.py", *words(data, tmp_path, entries(), 1, 99)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "0001.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors
    names = {path.name for path in tmp_path.iterdir()}
    epochs = {name[:4] for name in names}
    assert "." not in {name[0] for name in names}
    assert names - {"0001.recipe.json"} == {f"{k}.{s}" for k in epochs for s in ("params", "states", "json")}
    assert "0099.json" not in names


def test_epochs_are_the_same_from_records_on_the_nodes_own_disk(train, tmp_path):
    """A crop at random and a shuffled order, so that the .idx counts, too."""
    here, staged = tmp_path / "here", tmp_path / "staged"
    (tmp_path / "disk").mkdir()
    train(here, entries(**FINE_TUNING), 1, 2)
    train(staged, entries(**FINE_TUNING), 1, 2, "--stage", tmp_path / "disk")
    assert_same_files(here, staged, 2)
    assert list((tmp_path / "disk").iterdir()) == []
