"""Measure what the input pipeline costs in training, and how long a job takes to its first batch; prints Markdown.

Epochs of the program's own loop, from records of drawn 180x180 pictures, take turns with epochs of the same steps on
one batch in memory; medians count. The networks are those of profiles/small, and those of profiles/demo with 64x64
pictures, on the CPU.

Example:
    python benchmarks/bench_training.py --records 1024 --repeats 3
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np
from measuring import machine

import generate_catalog
from engines.mxnet import trainer
from engines.mxnet.batches import training_batches
from engines.mxnet.library import mx
from training.metrics import Metrics
from training.progress import Progress
from training.recipe import Recipe
from workflow import overlays, recipes

ROOT = Path(__file__).resolve().parents[1]
DRAWN_PICTURES = 200
CLASSES = 81
DEMO_IMAGE = {"size": 64}  # pixels; the demo's 32 would leave nothing but the calls
STARTS = 5


def write_records(path: Path, count: int) -> None:
    """Write drawn pictures with labels as a .rec and its .idx."""
    rng = np.random.default_rng(1)
    leaves = generate_catalog.categories(rng)
    drawn = [generate_catalog.draw_picture(leaves[n % len(leaves)], rng) for n in range(DRAWN_PICTURES)]
    records = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number in range(count):
        header = mx.recordio.IRHeader(0, number % CLASSES, number, 0)
        records.write_idx(number, mx.recordio.pack(header, drawn[number % DRAWN_PICTURES]))
    records.close()


def measured_networks() -> dict[str, tuple[dict, dict]]:
    """The networks of two profiles by name: their numbers, and what their pictures are like."""
    found = {}
    for profile in ("demo", "small"):
        configuration = overlays.read(ROOT, [ROOT / "profiles" / profile / "overlay.yaml"])
        for model in configuration["models"]:
            image = recipes.image(configuration, model) | (DEMO_IMAGE if profile == "demo" else {})
            found[configuration["models"][model]["network"]] = recipes.network_spec(configuration, model), image
    return found


def entries_of(network: dict, image: dict) -> dict:
    """The entries of a recipe with all augmentation."""
    return {
        "network": network,
        "image": image,
        "optimizer": "nadam",
        "learning_rates": [1e-4],
        "momentum": 0.0,
        "weight_decay": 0.0,
        "batch_size": 32,
        "dropout": 0.2,
        "label_smoothing": 0.1,
        "mirror": True,
        "hsl": [10, 20, 20],
        "seed": 1,
    }


def from_memory(module: mx.mod.Module, batch: mx.io.DataBatch, count: int) -> float:
    """Pictures per second of training steps on one batch."""
    metrics = Metrics()
    start = time.monotonic()
    for _ in range(count // len(batch.label[0])):
        module.forward_backward(batch)
        module.update()
        metrics.add(module.get_outputs()[0].asnumpy(), batch.label[0].asnumpy())
    mx.nd.waitall()
    return metrics.examples / (time.monotonic() - start)


def speeds(recipe: Recipe, records: Path, count: int, threads: int, repeats: int) -> tuple[float, float]:
    """Median pictures per second from records and from memory."""
    module = trainer.prepare(recipe, CLASSES, None, None, [mx.cpu()])
    programs = trainer.Trainer(module, recipe, threads)
    batch = next(training_batches(records, recipe, 1, threads))
    batch = mx.io.DataBatch([batch.data[0].copy()], [batch.label[0].copy()])
    from_memory(module, batch, count)
    found = [], []
    for epoch in range(1, repeats + 1):
        *_, done = programs.train(records, epoch, 1e-4, Progress())
        found[0].append(done.report()["images_per_second"])
        found[1].append(from_memory(module, batch, count))
    return statistics.median(found[0]), statistics.median(found[1])


def reach_first_batch(recipe: Recipe, records: Path, threads: int) -> None:
    """The body of a fresh process: prepare a model as a job does and train one batch."""
    module = trainer.prepare(recipe, CLASSES, None, None, [mx.cpu()])
    module.forward_backward(next(training_batches(records, recipe, 1, threads)))
    module.update()
    mx.nd.waitall()


def start_up(entries: dict, records: Path, threads: int) -> float:
    """Median seconds of fresh processes, from their start to the end of their first batch."""
    arguments = ["--first-batch", json.dumps(entries), records, "--threads", threads]
    command = [sys.executable, *map(str, [__file__, *arguments])]
    found = []
    for _ in range(STARTS):
        start = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.monotonic() - start)
    return statistics.median(found)


def main() -> None:
    args = parse_args()
    if args.first_batch:
        reach_first_batch(Recipe(**json.loads(args.first_batch[0])), Path(args.first_batch[1]), args.threads)
        return
    print(f"{machine(ROOT)}\n")
    print("| network | from records, pictures/s | from memory, pictures/s | ratio | to the first batch, s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        records = Path(folder) / "train.rec"
        write_records(records, args.records)
        for name, (network, image) in measured_networks().items():
            entries = entries_of(network, image)
            real, memory = speeds(Recipe(**entries), records, args.records, args.threads, args.repeats)
            seconds = start_up(entries, records, args.threads)
            print(f"| {name} | {real:.0f} | {memory:.0f} | {real / memory:.2f} | {seconds:.1f} |", flush=True)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1024, help="records of an epoch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="decoding threads")
    parser.add_argument("--first-batch", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
