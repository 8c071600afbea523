"""Training by MXNet's Module, epoch by epoch."""

import dataclasses
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import cli
import networks
from engines.mxnet import devices, optimizers
from engines.mxnet.batches import training_batches, validation_batches
from engines.mxnet.faults import explained
from engines.mxnet.library import mx
from records.files import batch_count, record_count
from training import checkpoints
from training.metrics import Metrics, check_loss, check_valid_loss
from training.progress import BLOCK, Progress
from training.recipe import Recipe
from training.teachers import Teacher

INPUTS = ("data", "softmax_label")  # arguments of a network that are no weights


def training_symbol(recipe: Recipe, classes: int) -> mx.sym.Symbol:
    """The network with its loss: cross entropy, with label smoothing (true class 1 - alpha, others alpha / (K - 1))."""
    scores = networks.build(mx.sym, recipe.network, recipe.image["size"], classes, recipe.dropout)
    if recipe.trains_classifier_only:
        scores = with_fixed_statistics(scores)
    return mx.sym.SoftmaxOutput(scores, name="softmax", smooth_alpha=recipe.label_smoothing)


def with_fixed_statistics(symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    """A network whose batch normalizations use their moving statistics in training too, and leave them as they are."""
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] == "BatchNorm":
            node["attrs"]["use_global_stats"] = "True"
    return mx.sym.load_json(json.dumps(graph))


def prepare(
    recipe: Recipe, classes: int, start: checkpoints.Start | None, states: Path | None, contexts: list[mx.Context]
) -> mx.mod.Module:
    """A module with its weights and optimizer, ready for the first epoch.

    Raises:
        cli.UserError: a file does not fit, or fewer arrays match the start than the recipe asks for.
    """
    symbol = training_symbol(recipe, classes)
    batch, size = recipe.batch_size, recipe.image["size"]
    recipe.check_share(len(contexts))
    names = [name for name in symbol.list_arguments() if name not in INPUTS]
    fixed = [name for name in names if name not in networks.CLASSIFIER] if recipe.trains_classifier_only else None
    module = mx.mod.Module(symbol, context=contexts, fixed_param_names=fixed)
    module.bind(data_shapes=[("data", (batch, 3, size, size))], label_shapes=[("softmax_label", (batch,))])
    mx.random.seed(recipe.seed)
    layout = checkpoints.Layout(*networks.array_shapes(recipe.network, size, classes))
    fitting = checkpoints.of_start(start, recipe, layout) if start else checkpoints.Transfer({}, {}, 0)
    module.init_params(
        # He et al., Delving Deep into Rectifiers, 2015 (arXiv:1502.01852), with the published solution's settings.
        mx.init.MSRAPrelu(factor_type="avg", slope=0.25),
        arg_params={name: optimizers.in_mxnet(array) for name, array in fitting.arguments.items()},
        aux_params={name: optimizers.in_mxnet(array) for name, array in fitting.auxiliaries.items()},
        allow_missing=True,
    )
    kvstore = "device" if len(contexts) > 1 else None
    module.init_optimizer(kvstore=kvstore, optimizer=optimizers.create(recipe, names))
    if states:
        optimizers.load_states(module, states)
    return module


def in_numpy(arrays: dict[str, mx.nd.NDArray]) -> dict[str, np.ndarray]:
    return {name: array.asnumpy() for name, array in arrays.items()}


class Trainer:
    """An engines.Trainer.

    Args:
        module: as prepare leaves it.
        threads: that decode pictures.
    """

    def __init__(self, module: mx.mod.Module, recipe: Recipe, threads: int) -> None:
        self._module, self._recipe, self._threads = module, recipe, threads
        self.devices = list(map(str, module._context))

    def train(self, records: Path, epoch: int, rate: float, done: Progress) -> Iterator[Progress]:
        recipe, module = self._recipe, self._module
        optimizer = optimizers.updater_of(module).optimizer
        total = batch_count(records, recipe.batch_size)
        metrics = dataclasses.replace(done.metrics)
        with explained(), cli.progress(total, "batch", f"epoch {epoch}", initial=done.batches) as bar:
            batches = itertools.islice(training_batches(records, recipe, epoch, self._threads), done.batches, None)
            for first in range(done.batches, total, BLOCK):
                start = time.monotonic()
                mx.random.seed(recipe.dropout_seed(epoch, first // BLOCK))
                for number, batch in enumerate(itertools.islice(batches, BLOCK), first):
                    optimizer.lr = rate * recipe.rate_share(epoch, number, total)
                    module.forward_backward(batch)
                    module.update()
                    loss = metrics.add(module.get_outputs()[0].asnumpy(), batch.label[0].asnumpy())
                    check_loss(loss, epoch, number + 1, total)
                    bar.update()
                mx.nd.waitall()
                done = done.after(min(BLOCK, total - first), time.monotonic() - start, metrics)
                yield done

    @explained()
    def validate(self, records: Path) -> dict:
        metrics = Metrics()
        count = record_count(records)
        for batch in validation_batches(records, self._recipe, self._threads):
            self._module.forward(batch, is_train=False)
            real = min(self._recipe.batch_size, count - metrics.examples)
            loss = metrics.add(self._module.get_outputs()[0].asnumpy()[:real], batch.label[0].asnumpy()[:real])
            check_valid_loss(loss, records)
        return {**metrics.means(), "images": metrics.examples}

    @explained()
    def save(self, params: Path, states: Path) -> None:
        # Forward passes change arrays on the devices, too: a gamma that is fixed becomes 1 again.
        self._module._params_dirty = True
        checkpoints.save(params, *map(in_numpy, self._module.get_params()))
        optimizers.save_states(self._module, states)


@explained()
def create_trainer(
    recipe: Recipe,
    classes: int,
    start: checkpoints.Start | None,
    states: Path | None,
    teacher: Teacher | None = None,
    *,
    gpus: int,
    threads: int,
    deterministic: bool,
) -> Trainer:
    """See engines.Engine."""
    if teacher:
        raise cli.UserError("engine: mxnet learns from labels alone; train a student with engine: torch")
    if deterministic:
        os.environ["MXNET_ENFORCE_DETERMINISM"] = "1"  # heeded when an operator chooses its algorithm
    return Trainer(prepare(recipe, classes, start, states, devices.contexts(gpus)), recipe, threads)
