"""Measure how fast PyTorch trains and predicts with the networks of config.yaml; prints Markdown.

On one GPU, or on the CPU where none is visible. Pictures/s of training and of prediction (picture and mirror), from
drawn 180x180 JPEGs by the code that reads and decodes them in training, beside the same steps on one batch in memory:
their ratio says what reading leaves of a device's speed (wanted: 0.95). Then, on that batch, what else a device could
do: compute in float32, in bfloat16, compiled or not, channels first, deterministically; and the GPU's memory at its
peak, as training uses it. What fails is told behind the tables. It imports neither mxnet, pyzmq nor pymongo.

Example:
    python benchmarks/bench_engine.py --networks dpn-92 densenet-161 --batches 50
    python benchmarks/bench_engine.py --overlay profiles/demo/overlay.yaml --networks dpn-92 --size 32 --batch-size 4 \
        --batches 8 --classes 10 --ways float32 bfloat16
"""

import argparse
import contextlib
import functools
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import cv2
import numpy as np
import torch
import yaml
from measuring import GB, machine

import cli
import engines
import networks
from engines.torch import batches, compilation, devices, predictor, trainer
from records import recordio
from records.files import batch_count
from training import checkpoints
from training.progress import BLOCK, Progress
from training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
DRAWN_PICTURES = 200
# Pixels of a drawn picture's side, and of what is enlarged to it: a JPEG of about 5 kB, as published ones.
SIDE, COARSE = 180, 14
PUBLISHED = [
    *("resnext-101-32x4d", "resnext-101-64x4d", "se-resnext-101-64x4d"),
    *("dpn-92", "dpn-98", "dpn-107", "dpn-131", "densenet-161"),
]
WARM_UP = 1  # epochs, in which a network is compiled and cuDNN chooses its algorithms
NOTHING = "-"


@dataclass(frozen=True)
class Way:
    """How a device computes."""

    precision: torch.dtype
    compiled: bool
    layout: torch.memory_format = torch.channels_last
    deterministic: bool = False


WAYS = {
    "float32": Way(torch.float32, False),
    "float32, compiled": Way(torch.float32, True),
    "bfloat16": Way(torch.bfloat16, False),
    "bfloat16, compiled": Way(torch.bfloat16, True),
    "bfloat16, compiled, channels first": Way(torch.bfloat16, True, torch.contiguous_format),
    "bfloat16, compiled, deterministic": Way(torch.bfloat16, True, deterministic=True),
}
# As trainer and predictor compute where nothing is changed.
USUAL = {"cuda": WAYS["bfloat16, compiled"], "cpu": Way(torch.float32, False)}


@contextlib.contextmanager
def computing(device: torch.device, way: Way) -> Iterator[None]:
    """Have the engine compute on this device, in this way."""
    changes = {
        "take": lambda count: [device],
        "precision": lambda _: torch.autocast(device.type, torch.bfloat16, enabled=way.precision == torch.bfloat16),
        "LAYOUT": way.layout,
    }
    with (
        mock.patch.multiple(devices, **changes),
        mock.patch.object(
            compilation, "for_device", lambda network, _: compilation.Compiled(network) if way.compiled else network
        ),
    ):
        torch.backends.cudnn.benchmark = device.type == "cuda"
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)


def write_records(path: Path, count: int, classes: int) -> None:
    """Write drawn pictures with labels as a .rec and its .idx."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (DRAWN_PICTURES, COARSE, COARSE, 3), np.uint8)
    drawn = [cv2.imencode(".jpg", cv2.resize(each, (SIDE, SIDE)))[1].tobytes() for each in coarse]
    with path.open("wb") as records, path.with_suffix(".idx").open("w") as offsets:
        for number in range(count):
            offsets.write(f"{number}\t{records.tell()}\n")
            records.write(recordio.record(number % classes, number, drawn[number % DRAWN_PICTURES]))


class Work:
    """A network's training and prediction.

    Args:
        folder: has records.rec; weights are written there.
    """

    def __init__(self, name: str, network: dict, folder: Path, args: argparse.Namespace) -> None:
        self.records, self.params, self.args = folder / "records.rec", folder / f"{name}.params", args
        image = {"size": args.size, "mean": [0, 0, 0], "scale": 1.0}
        self.recipe = Recipe(
            network=network,
            image=image,
            optimizer="nadam",
            learning_rates=[1e-4],
            momentum=0.0,
            weight_decay=0.0,
            batch_size=args.batch_size,
            dropout=0.2,
            label_smoothing=0.1,
            mirror=True,
            hsl=[10, 20, 20],
            seed=1,
            engine="torch",
        )
        shapes = networks.array_shapes(network, args.size, args.classes)
        checkpoints.save(self.params, *trainer.initial_arrays(shapes, seed=1))

    def train(self, way: Way, in_memory: bool) -> float:
        """Pictures per second of training."""
        made = trainer.create_trainer(
            self.recipe,
            self.args.classes,
            None,
            None,
            gpus=0,
            threads=self.args.threads,
            deterministic=way.deterministic,
        )
        with mock.patch.object(trainer, "training_batches", repeated if in_memory else batches.training_batches):
            for epoch in range(1, WARM_UP + 2):
                *_, done = made.train(self.records, epoch, 1e-4, Progress())
        return done.report()["images_per_second"]

    def predict(self, way: Way, in_memory: bool) -> float:
        """Pictures per second of prediction."""
        made = predictor.load_predictor(
            self.recipe.network,
            self.recipe.image,
            self.params,
            [engines.PROBABILITIES],
            batch_size=self.args.batch_size,
            gpus=0,
        )
        read = batches.validation_batches(self.records, self.recipe, self.args.threads, pinned=False)
        pictures = (pixels.permute(0, 3, 1, 2).contiguous().numpy() for pixels, _ in read)
        first = next(pictures)
        if in_memory:
            pictures = [first] * (self.args.batches - 1)
        made.means(first)
        start = time.monotonic()
        counts = [len(made.means(batch)[engines.PROBABILITIES]) for batch in pictures]
        return sum(counts) / (time.monotonic() - start)


def repeated(records: Path, recipe: Recipe, epoch: int, *, threads: int, pinned: bool, **more: object) -> Iterator:
    """The first batch of an epoch in place of each."""
    batch = next(batches.training_batches(records, recipe, epoch, threads, pinned=pinned))
    return itertools.repeat(batch, batch_count(records, recipe.batch_size))


def measured(device: torch.device, way: Way, run: Callable[[Way, bool], float], in_memory: bool) -> float | str:
    """Pictures per second, or why there are none."""
    with computing(device, way):
        try:
            return run(way, in_memory)
        except (cli.UserError, RuntimeError) as error:
            return str(error).strip().splitlines()[0]
        finally:
            torch.compiler.reset()
            if device.type == "cuda":
                torch.cuda.empty_cache()


def row(
    name: str, device: torch.device, ways: list[str], run: Callable[[Way, bool], float], faults: list[str]
) -> list[str]:
    """The cells of a network: from records, from memory, their ratio, memory, and each way."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    usual = USUAL[device.type]
    found = {"records": measured(device, usual, run, False)}
    peak = f"{torch.cuda.max_memory_allocated() / GB:.1f}" if device.type == "cuda" else NOTHING
    found |= {"memory": measured(device, usual, run, True)}
    found |= {way: measured(device, WAYS[way], run, True) for way in ways}
    faults += [f"{name}, {way}: {speed}" for way, speed in found.items() if isinstance(speed, str)]
    cells = {way: NOTHING if isinstance(speed, str) else f"{speed:,.1f}" for way, speed in found.items()}
    is_whole = NOTHING not in (cells["records"], cells["memory"])
    ratio = f"{found['records'] / found['memory']:.2f}" if is_whole else NOTHING
    return [name, cells.pop("records"), cells.pop("memory"), ratio, peak, *cells.values()]


def network_specs(overlay: Path | None) -> dict[str, dict]:
    """The numbers of config.yaml's networks, as an overlay changes them."""
    files = [ROOT / "config.yaml", *([overlay] if overlay else [])]
    known, *changes = (yaml.safe_load(path.read_text())["networks"] for path in files)
    merged = {name: numbers | (changes[0].get(name, {}) if changes else {}) for name, numbers in known.items()}
    others = ("published_images_per_second", "image")
    return {name: {key: value for key, value in each.items() if key not in others} for name, each in merged.items()}


def main() -> None:
    args = parse_args()
    on_gpu = torch.cuda.is_available()
    [device] = devices.take(int(on_gpu))
    specs = {name: spec for name, spec in network_specs(args.overlay).items() if name in args.networks}
    print(f"{machine(ROOT)} Device: {torch.cuda.get_device_name(device) if on_gpu else 'the CPU'}.")
    print(f"PyTorch {torch.__version__}; batches of {args.batch_size}, {args.size} pixels, {args.classes} classes.")
    faults = []
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
        count = args.batches * args.batch_size
        write_records(Path(folder, "records.rec"), count, args.classes)
        works = {name: Work(name, spec, Path(folder), args) for name, spec in specs.items()}
        for title, run in (("training", Work.train), ("prediction", Work.predict)):
            ways = [way for way in args.ways if run == Work.train or not WAYS[way].deterministic]
            heads = [title, "from records", "from memory", "ratio", "memory, GB", *ways]
            print(f"\n| {' | '.join(heads)} |\n| --- |{' ---: |' * (len(heads) - 1)}")
            for name, work in works.items():
                cells = row(name, device, ways, functools.partial(run, work), faults)
                print(f"| {' | '.join(cells)} |", flush=True)
    if faults:
        print("\nWhat failed:", *faults, sep="\n- ")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=PUBLISHED, help="of config.yaml")
    parser.add_argument("--overlay", type=Path, help="that changes their numbers, as that of profiles/demo")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=[*WAYS], help="to compute, on the batch in memory")
    parser.add_argument("--size", type=int, default=180, help="pixels of a picture's side")
    parser.add_argument("--classes", type=int, default=5270)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=BLOCK // 2, help="of an epoch")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="decoding threads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
