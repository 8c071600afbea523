"""Train consecutive epochs of a model, from the epoch before, another checkpoint or random weights.

Epochs count from 1; each leaves .params, .states (of the optimizer) and .json (accuracies, losses, speed, and in
`before` the same of the epochs before it, whose files may then be deleted).
Weights, optimizer and order of the data follow from files and the recipe alone, so that epochs trained one by one
equal epochs trained in one go.

In: the recipe (JSON: what these epochs are trained with), .rec files of the train and valid part, classes.csv.

REVISION goes into every recipe: raise it when the results of training change, and every model is trained again.

Example:
    python scripts/train_epochs.py --recipe models/M05/0002.recipe.json --first-epoch 2 \
        --train records/A/train.rec --valid records/A/valid.rec --classes classes.csv \
        --start models/M05/0001.params --states models/M05/0001.states --metrics-before models/M05/0001.json \
        --outputs models/M05/0002.params --threads 8
"""

import argparse
import json
import math
import time
from pathlib import Path

import cli
import devices
import networks
from catalog.classes import read_classes
from mxnet_for_numpy2 import mx
from training import checkpoints, optimizers
from training.metrics import Metrics, epochs_until
from training.records import record_count, training_batches, validation_batches

REVISION = 2

ADVICE = {
    "sub-memory": "on a CPU, the channels that DPN and DenseNet concatenate must come in multiples of 16",
    "out of memory": "lower the model's batch_size, or choose GPUs with more memory",
}


def training_symbol(recipe: dict, classes: int) -> mx.sym.Symbol:
    """The network with its loss: cross entropy, with label smoothing (true class 1 - alpha, others alpha / (K - 1))."""
    scores = networks.build(mx.sym, recipe["network"], recipe["image"]["size"], classes, recipe["dropout"])
    if trains_classifier_only(recipe):
        scores = with_fixed_statistics(scores)
    return mx.sym.SoftmaxOutput(scores, name="softmax", smooth_alpha=recipe["label_smoothing"])


def trains_classifier_only(recipe: dict) -> bool:
    return recipe.get("train") == "classifier"


def with_fixed_statistics(symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    """A network whose batch normalizations use their moving statistics in training too, and leave them as they are."""
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] == "BatchNorm":
            node["attrs"]["use_global_stats"] = "True"
    return mx.sym.load_json(json.dumps(graph))


def prepare(
    recipe: dict, classes: int, start: Path | None, states: Path | None, places: list[mx.Context]
) -> mx.mod.Module:
    """A module with its weights and optimizer, ready for the first epoch.

    Raises:
        cli.UserError: a file does not fit, or fewer arrays match a transfer's start than its recipe asks for.
    """
    symbol = training_symbol(recipe, classes)
    batch, size = recipe["batch_size"], recipe["image"]["size"]
    if batch % len(places):
        raise cli.UserError(f"a batch of {batch} cannot be shared by {len(places)} GPUs; change the model's batch_size")
    names = [name for name in symbol.list_arguments() if name not in checkpoints.INPUTS]
    fixed = [name for name in names if name not in optimizers.CLASSIFIER] if trains_classifier_only(recipe) else None
    module = mx.mod.Module(symbol, context=places, fixed_param_names=fixed)
    module.bind(data_shapes=[("data", (batch, 3, size, size))], label_shapes=[("softmax_label", (batch,))])
    mx.random.seed(recipe["seed"])
    fitting = checkpoints.fitting(start, symbol, size) if start else checkpoints.Transfer({}, {}, 0)
    if start:
        check_transfer(fitting, recipe, start)
    module.init_params(
        # He et al., Delving Deep into Rectifiers, 2015 (arXiv:1502.01852), with the published solution's settings.
        mx.init.MSRAPrelu(factor_type="avg", slope=0.25),
        arg_params=fitting.arguments,
        aux_params=fitting.auxiliaries,
        allow_missing=True,
    )
    kvstore = "device" if len(places) > 1 else None
    module.init_optimizer(kvstore=kvstore, optimizer=optimizers.create(recipe, names))
    if states:
        optimizers.load_states(module, states)
    return module


def check_transfer(fitting: checkpoints.Transfer, recipe: dict, start: Path) -> None:
    """Say what the start gives; an epoch goes on from all arrays, a transfer from at least min_transfer of them."""
    found = f"{fitting.matched} of {fitting.needed} arrays match by name and shape"
    cli.summary(f"{start}: {found}")
    least = recipe["transfer"]["min_transfer"] if recipe["transfer"] else 1.0
    if fitting.matched < least * fitting.needed:
        raise cli.UserError(
            f"{start}: {found}, {least:.0%} are needed; choose another start, or lower the model's min_transfer"
        )


def train_epoch(module: mx.mod.Module, recipe: dict, records: Path, epoch: int, rate: float, threads: int) -> dict:
    """Train one epoch; returns metrics on the training records as they were seen, and pictures per second.

    Args:
        rate: the learning rate where it is constant, else the one that a warm-up ends at and a decay starts from.

    Raises:
        cli.UserError: the loss is not a number or infinite.
    """
    mx.random.seed((recipe["seed"] + epoch) % (1 << 31))
    optimizer = optimizers.updater_of(module).optimizer
    batches = training_batches(records, recipe, epoch, threads)
    total = math.ceil(record_count(records) / recipe["batch_size"])
    metrics = Metrics()
    start = time.monotonic()
    with cli.progress(total, "batch", f"epoch {epoch}") as bar:
        for number, batch in enumerate(batches, 1):
            optimizer.lr = rate * optimizers.rate_share(recipe.get("course"), epoch, number - 1, total)
            module.forward_backward(batch)
            module.update()
            loss = metrics.add(module.get_outputs()[0].asnumpy(), batch.label[0].asnumpy())
            if not math.isfinite(loss):
                raise cli.UserError(
                    f"epoch {epoch}, batch {number} of {total}: the loss is {loss}; lower the learning rate of this"
                    " epoch; the epoch before is kept"
                )
            bar.update()
    mx.nd.waitall()
    seconds = time.monotonic() - start
    return {**metrics.means(), "images_per_second": metrics.examples / seconds, "seconds": seconds}


def validate(module: mx.mod.Module, recipe: dict, records: Path, threads: int) -> dict:
    """Metrics on the records of the valid part, without augmentation."""
    metrics = Metrics()
    count = record_count(records)
    for batch in validation_batches(records, recipe, threads):
        module.forward(batch, is_train=False)
        real = min(recipe["batch_size"], count - metrics.examples)
        metrics.add(module.get_outputs()[0].asnumpy()[:real], batch.label[0].asnumpy()[:real])
    return {**metrics.means(), "images": metrics.examples}


def write_epoch(module: mx.mod.Module, output: Path, report: dict) -> None:
    """Write an epoch's three files, all or none."""
    targets = [output.with_suffix(suffix) for suffix in (".params", ".states", ".json")]
    with cli.written_whole(*targets) as (params, states, metrics):
        checkpoints.save(params, *map(checkpoints.in_numpy, module.get_params()))
        optimizers.save_states(module, states)
        metrics.write_text(json.dumps(report, indent=1) + "\n")


def main() -> None:
    try:
        train_epochs(parse_args())
    except mx.MXNetError as error:
        raise cli.UserError(describe(error)) from error


def describe(error: mx.MXNetError) -> str:
    """One line for what MXNet could not do, with advice where there is some."""
    reason = str(error).strip().splitlines()[-1].strip()
    return "; ".join([reason, *(advice for part, advice in ADVICE.items() if part in str(error))])


def train_epochs(args: argparse.Namespace) -> None:
    recipe = json.loads(args.recipe.read_text())
    places = devices.contexts(args.gpus)
    module = prepare(recipe, len(read_classes(args.classes)), args.start, args.states, places)
    before = epochs_until(json.loads(args.metrics_before.read_text())) if args.metrics_before else []
    for epoch, output in enumerate(args.outputs, args.first_epoch):
        rate = recipe["learning_rates"][epoch - args.first_epoch]
        train = train_epoch(module, recipe, args.train, epoch, rate, args.threads)
        valid = validate(module, recipe, args.valid, args.threads)
        report = {
            "epoch": epoch,
            "optimizer": recipe["optimizer"],
            "fresh_optimizer": epoch == args.first_epoch and not args.states,
            "learning_rate": rate,
            "devices": list(map(str, places)),
            "train": train,
            "valid": valid,
        }
        write_epoch(module, output, report | {"before": before})
        before = [*before, report]
        cli.summary(
            f"epoch {epoch}: train top-1 {train['top1']:.4f}, valid top-1 {valid['top1']:.4f},"
            f" valid cross entropy {valid['cross_entropy']:.4f}, {train['images_per_second']:.0f} pictures/s"
        )
    for states in args.superseded_states:
        states.unlink(missing_ok=True)


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--first-epoch", type=int, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="parameters to start from")
    parser.add_argument("--states", type=Path, help="optimizer states to go on with")
    parser.add_argument("--metrics-before", type=Path, metavar="JSON", help="metrics of the epoch before")
    parser.add_argument(
        "--superseded-states", type=Path, nargs="+", default=[], help="optimizer states to remove at the end"
    )
    parser.add_argument("--outputs", type=Path, nargs="+", required=True, metavar="PARAMS", help="one per epoch")
    parser.add_argument("--threads", type=int, required=True, help="decoding threads")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to train on; 0: the CPU")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
