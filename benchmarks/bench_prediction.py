"""Measure prediction without the network's own work: decoding, transport, mirror, batches; prints a table as Markdown.

The network looks at every 16th pixel of every 16th row. Baselines and the program's own functions run in turn, several
times, in one process with decoder processes beside it, the page cache warm; medians count. Pictures are 180x180 JPEGs.

Example:
    python benchmarks/bench_prediction.py --size 0.2
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import cv2
import mxnet as mx
import numpy as np
import pandas as pd
import plain_prediction
import workloads
from measuring import GB, machine

import index_catalog
import predict_images
from catalog.pictures import iter_pictures
from prediction.decoders import BLOCK, BLOCKS_IN_FLIGHT, Decoders, decode
from prediction.network import Network

SIZE = 180
IMAGE = {"size": SIZE, "mean": [0, 0, 0], "scale": 1}
STRIDE = 16
CLASSES = 24
BOUND_BARE, BOUND_PUBLISHED = 0.7, 6


def trivial_network(folder: Path, batch_size: int) -> Network:
    """A network that costs next to nothing beside its input."""
    pixels = mx.sym.slice(mx.sym.Variable("data"), begin=(None,) * 4, end=(None,) * 4, step=(1, 1, STRIDE, STRIDE))
    scores = mx.sym.FullyConnected(mx.sym.flatten(pixels), num_hidden=CLASSES, name="fc")
    inputs = 3 * len(range(0, SIZE, STRIDE)) ** 2
    mx.sym.softmax(scores).save(str(folder / "symbol.json"))
    arrays = {"arg:fc_weight": mx.nd.zeros((CLASSES, inputs)), "arg:fc_bias": mx.nd.zeros(CLASSES)}
    mx.nd.save(str(folder / "trivial.params"), arrays)
    return Network(folder / "symbol.json", folder / "trivial.params", IMAGE, batch_size, [mx.cpu()])


class QueueDecoders:
    """What Decoders is, over multiprocessing.Queue: blocks are pickled."""

    def __init__(self, catalog: Path, rows: pd.DataFrame, count: int):
        self._queues = [multiprocessing.Queue(2 * BLOCKS_IN_FLIGHT) for _ in range(count)]
        self._processes = [
            multiprocessing.Process(target=self._decode, args=(catalog, rows, number), daemon=True)
            for number in range(count)
        ]
        self._received = 0

    def __enter__(self) -> "QueueDecoders":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes:
            process.join()

    def _decode(self, catalog: Path, rows: pd.DataFrame, number: int) -> None:
        cv2.setNumThreads(1)
        for first in range(number * BLOCK, len(rows), len(self._queues) * BLOCK):
            block = rows.iloc[first : first + BLOCK]
            pictures = iter_pictures(catalog, block.doc_offset.array, block.doc_size.array, block.image.array)
            pixels = np.empty((len(block), 3, SIZE, SIZE), np.uint8)
            for place, picture in enumerate(pictures):
                cv2.split(decode(picture, SIZE), list(pixels[place]))
            self._queues[number].put((np.ones(len(block), bool), pixels))

    def read(self, pixels: np.ndarray) -> np.ndarray:
        decoded = []
        for first in range(0, len(pixels), BLOCK):
            flags, pixels[first : first + BLOCK] = self._queues[self._received % len(self._queues)].get()
            decoded.append(flags)
            self._received += 1
        return np.concatenate(decoded)


def decode_bare(pictures: list[bytes], barrier: multiprocessing.Barrier) -> None:
    cv2.setNumThreads(1)
    barrier.wait()
    for picture in pictures:
        cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


class Bench:
    """A catalog in a folder of its own, the trivial network, and the works that are measured; each returns seconds."""

    def __init__(self, folder: Path, size: int, decoders: int, batch_size: int):
        self.catalog = folder / "test.bson"
        workloads.make_catalog(self.catalog, size)
        self.rows, _ = index_catalog.index_catalog(self.catalog, "stop", processes=1)
        self.folder = folder
        self.decoders = decoders
        self.network = trivial_network(folder, batch_size)

    def bare(self) -> float:
        places = (self.rows[name].array for name in ("doc_offset", "doc_size", "image"))
        pictures = list(iter_pictures(self.catalog, *places))
        barrier = multiprocessing.Barrier(self.decoders + 1)
        processes = [
            multiprocessing.Process(target=decode_bare, args=(pictures[number :: self.decoders], barrier))
            for number in range(self.decoders)
        ]
        for process in processes:
            process.start()
        barrier.wait()
        start = time.monotonic()
        for process in processes:
            process.join()
        return time.monotonic() - start

    def ours(self) -> float:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            return self._predict(Decoders(self.catalog, self.rows, SIZE, self.decoders, Path(folder)))

    def queue(self) -> float:
        return self._predict(QueueDecoders(self.catalog, self.rows, self.decoders))

    def _predict(self, decoders: Decoders | QueueDecoders) -> float:
        probabilities = np.empty((len(self.rows), CLASSES), np.float16)
        start = time.monotonic()
        with decoders:
            decoded = predict_images.predict(self.network, decoders, probabilities)
            seconds = time.monotonic() - start
        assert decoded.all()
        return seconds

    def published(self, mirror: bool) -> float:
        executor = self.network._devices[0]._executor

        def forward(batch: np.ndarray) -> np.ndarray:
            mx.nd.array(batch).copyto(executor.arg_dict["data"])
            return executor.forward(is_train=False)[0].asnumpy()

        start = time.monotonic()
        shape = self.network.batch_shape
        plain_prediction.predict(forward, self.catalog, len(self.rows), shape, self.decoders, mirror)
        return time.monotonic() - start


def medians(repeats: int, works: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Run the works one after the other, several times; returns the median seconds of each."""
    found = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(work())
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def main() -> None:
    args = parse_args()
    multiprocessing.set_start_method("fork")
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bench-prediction-") as name:
        bench = Bench(Path(name), int(args.size * GB), args.decoders, args.batch_size)
        works = {
            "cv2.imdecode alone": bench.bare,
            "Shelfmark, with mirror": bench.ours,
            "the same over multiprocessing.Queue, with mirror": bench.queue,
            "the published design": lambda: bench.published(mirror=False),
            "the published design, with mirror": lambda: bench.published(mirror=True),
        }
        seconds = medians(args.repeats, works)
        print(f"{machine(Path(name))}\n")
    count = len(bench.rows)
    print(
        f"{count} pictures, {args.decoders} decoders, batches of {args.batch_size}, medians of {args.repeats} rounds.\n"
    )
    bare, ours, *_, published = seconds.values()
    print("| what | pictures/s | of cv2.imdecode |\n| --- | ---: | ---: |")
    for title, value in seconds.items():
        print(f"| {title} | {count / value:.0f} | {bare / value:.2f} |")
    print(f"\nShelfmark: {bare / ours:.2f} of cv2.imdecode alone (bound: {BOUND_BARE}),", end=" ")
    print(f"{published / ours:.1f} times the published design with mirror (bound: {BOUND_PUBLISHED}).")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=0.2, help="of the catalog, GB")
    parser.add_argument("--decoders", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the catalog is made and removed again")
    return parser.parse_args()


if __name__ == "__main__":
    main()
