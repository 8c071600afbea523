"""Train consecutive epochs of a model, from the epoch before, another checkpoint or random weights.

Epochs count from 1; each leaves .params, .states (of the optimizer) and .json (accuracies, losses, speed, and in
`before` the same of the epochs before it, whose files may then be deleted).
Weights, optimizer and order of the data follow from files and the recipe alone, so that epochs trained one by one
equal epochs trained in one go. So are the parts of an epoch: from time to time, and when --minutes are almost over, a
job writes the part that is done beside the outputs, and the next one goes on from there, whatever ended it.

In: the recipe (JSON: what these epochs are trained with), .rec files of the train and valid part, classes.csv.

REVISION goes into every recipe: raise it when the results of training change, and every model is trained again.

Example:
    python scripts/train_epochs.py --recipe models/M05/0002.recipe.json --first-epoch 2 \
        --train records/A/train.rec --valid records/A/valid.rec --classes classes.csv \
        --start models/M05/0001.params --states models/M05/0001.states --metrics-before models/M05/0001.json \
        --outputs models/M05/0002.params --threads 8
"""

import argparse
import contextlib
import functools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cli
import engines
from catalog.classes import read_categories
from records.staging import staged
from training.checkpoints import Start
from training.metrics import epochs_until
from training.progress import Progress, latest_part, remove_parts, save_part
from training.recipe import read_recipe
from training.teachers import Teacher

REVISION = 3

PART_SECONDS = 1800.0  # after which a part is written: what a killed job may lose
RESERVED_SHARE, RESERVED_SECONDS = 0.1, 300.0  # of a job's time, for its start and its last part: the smaller one


def write_epoch(trainer: engines.Trainer, output: Path, report: dict) -> None:
    """Write an epoch's three files, all or none."""
    targets = [output.with_suffix(suffix) for suffix in (".params", ".states", ".json")]
    with cli.written_whole(*targets) as (params, states, metrics):
        trainer.save(params, states)
        metrics.write_text(cli.as_json(report))


def end_of(minutes: float | None) -> float:
    """When training has to end, by time.monotonic, in a job that starts now and was granted some minutes."""
    seconds = math.inf if minutes is None else 60 * minutes
    return time.monotonic() + seconds - min(RESERVED_SHARE * seconds, RESERVED_SECONDS)


def train(steps: Iterator[Progress], end: float, save: Callable[[Progress], None]) -> Progress | None:
    """Train to the end of an epoch; returns the last progress, None where nothing was left to do.

    Args:
        steps: an engines.Trainer's.
        end: as end_of tells it.
        save: writes the part of the epoch that is done; called when that is due.

    Raises:
        cli.UnfinishedError: the next block would last beyond the end; the part that is done is written.
    """
    done = None
    before = saved = time.monotonic()
    for done in steps:
        now = time.monotonic()
        is_over = now + 2 * (now - before) > end
        if is_over or now - saved >= PART_SECONDS:
            save(done)
            saved = time.monotonic()
        if is_over:
            raise cli.UnfinishedError(f"{done.batches:,} batches of the epoch are done")
        before = time.monotonic()
    return done


def main() -> None:
    args = parse_args()
    end = end_of(args.minutes)
    recipe, categories = read_recipe(args.recipe), read_categories(args.classes)
    before = epochs_until(json.loads(args.metrics_before.read_text())) if args.metrics_before else []
    part = latest_part(args.outputs[0])
    params, states = (part.params, part.states) if part else (args.start, args.states)
    start = Start(params, categories) if params else None
    done = part.read() if part else Progress()
    teacher = Teacher(args.teacher[0], args.teacher[1:], len(categories)) if args.teacher else None
    trainer = engines.choose(recipe.engine).create_trainer(
        recipe,
        len(categories),
        start,
        states,
        teacher,
        gpus=args.gpus,
        threads=args.threads,
        deterministic=args.deterministic,
    )
    with staged(args.train, args.stage) as train_records:
        for epoch, output in enumerate(args.outputs, args.first_epoch):
            rate = recipe.learning_rates[epoch - args.first_epoch]
            with contextlib.closing(trainer.train(train_records, epoch, rate, done)) as steps:  # and its progress bar
                trained = train(steps, end, functools.partial(save_part, trainer.save, output)) or done
            report = {
                "epoch": epoch,
                "optimizer": recipe.optimizer,
                "fresh_optimizer": epoch == args.first_epoch and not args.states,
                "learning_rate": rate,
                "devices": trainer.devices,
                "train": trained.report(),
                "valid": trainer.validate(args.valid),
            }
            write_epoch(trainer, output, report | {"before": before})
            remove_parts(output)
            before, done = [*before, report], Progress()
            cli.summary(summary(report))
    for states in args.superseded_states:
        states.unlink(missing_ok=True)


def summary(report: dict) -> str:
    """What an epoch reached, in one line."""
    train, valid = report["train"], report["valid"]
    return (
        f"epoch {report['epoch']}: train top-1 {train['top1']:.4f}, valid top-1 {valid['top1']:.4f},"
        f" valid cross entropy {valid['cross_entropy']:.4f}, {train['images_per_second']:.0f} pictures/s"
    )


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
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar=("IMAGES", "SHARD"),
        help="learn an ensemble's probabilities of listed pictures, in place of labels",
    )
    parser.add_argument(
        "--superseded-states", type=Path, nargs="+", default=[], help="optimizer states to remove at the end"
    )
    parser.add_argument(
        "--stage", metavar="FOLDER", help="of the node's own disk: copy the train records there first, if they fit"
    )
    parser.add_argument("--minutes", type=float, help="granted to the job: it ends in time with a part of an epoch")
    parser.add_argument("--outputs", type=Path, nargs="+", required=True, metavar="PARAMS", help="one per epoch")
    parser.add_argument("--threads", type=int, required=True, help="decoding threads")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to train on; 0: the CPU")
    parser.add_argument("--deterministic", action="store_true", help="on GPUs, too, the same bits every time")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
