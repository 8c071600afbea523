"""Measure prediction without the network's own work: decoding, transport, mirror, batches; prints a table as Markdown.

The network looks at every 60th pixel of every 60th row; another one first casts all pixels to float32, as real ones
do. Baselines and the program's own functions run in turn, several times, in one process with decoder processes beside
it, the page cache warm; medians count. Pictures are 180x180 JPEGs.

Example:
    python benchmarks/bench_prediction.py --size 0.2
"""

import argparse
import itertools
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import cv2
import numpy as np
import pandas as pd
import plain_prediction
import workloads
from measuring import GB, machine

import index_catalog
import predict_images
from catalog.pictures import iter_pictures
from engines.mxnet.library import mx
from engines.mxnet.predictor import Predictor
from loading import pixels
from loading.decoders import BATCHES, BLOCK, Decoders, picture_blocks
from postprocessing.shards import NewShard
from training import checkpoints

SIZE = 180
CROP = pixels.Crop(SIZE, SIZE)
STRIDE = 60
CLASSES = 24
BOUND_BARE, BOUND_PUBLISHED = 0.7, 6


def trivial_symbol(casts_all: bool) -> mx.sym.Symbol:
    """A network that costs next to nothing beside its input, a few pixels of which it looks at."""
    pixels = mx.sym.Variable("data")
    if casts_all:
        pixels = mx.sym.cast(pixels, dtype="float32")
    pixels = mx.sym.slice(pixels, begin=(None,) * 4, end=(None,) * 4, step=(1, 1, STRIDE, STRIDE))
    scores = mx.sym.FullyConnected(mx.sym.flatten(mx.sym.cast(pixels, dtype="float32")), num_hidden=CLASSES, name="fc")
    return mx.sym.softmax(scores)


def trivial_predictor(casts_all: bool, batch_size: int) -> Predictor:
    symbol = trivial_symbol(casts_all)
    shapes, *_ = symbol.infer_shape(data=(1, 3, SIZE, SIZE))
    named = dict(zip(symbol.list_arguments(), shapes, strict=True))
    weights = {name: np.zeros(shape, np.float32) for name, shape in named.items() if name != "data"}
    return Predictor(
        symbol, ["probabilities"], checkpoints.Transfer(weights, {}, len(weights)), SIZE, batch_size, [mx.cpu()]
    )


class QueueDecoders:
    """What Decoders is, over multiprocessing.Queue: blocks are pickled."""

    def __init__(self, catalog: Path, rows: pd.DataFrame, batch_size: int, count: int):
        self._blocks = picture_blocks(len(rows), batch_size)
        self._batch = np.empty((batch_size, 3, SIZE, SIZE), np.uint8)
        self._queues = [multiprocessing.Queue(max(1, BATCHES * batch_size // (BLOCK * count))) for _ in range(count)]
        self._processes = [
            multiprocessing.Process(
                target=self._decode, args=(catalog, rows, self._blocks[number::count], queue), daemon=True
            )
            for number, queue in enumerate(self._queues)
        ]

    def __enter__(self) -> "QueueDecoders":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes:
            process.join()

    @staticmethod
    def _decode(catalog: Path, rows: pd.DataFrame, blocks: list[range], queue: multiprocessing.Queue) -> None:
        cv2.setNumThreads(1)
        pictures = iter_pictures([catalog], rows.iloc[np.concatenate(blocks)])
        for block in blocks:
            planes = np.empty((len(block), 3, SIZE, SIZE), np.uint8)
            read = itertools.islice(pictures, len(block))
            flags = [pixels.fill(*each, CROP) for each in zip(planes, read, strict=True)]
            queue.put((np.array(flags), planes))

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size = len(self._batch)
        queues = itertools.cycle(self._queues)
        for _, blocks in itertools.groupby(self._blocks, key=lambda block: block.start // size):
            decoded = []
            for block in blocks:
                flags, planes = next(queues).get()
                self._batch[block.start % size :][: len(block)] = planes
                decoded.append(flags)
            yield self._batch, np.concatenate(decoded)


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
        rows, _ = index_catalog.index_catalog(self.catalog, index_catalog.Options("stop"), processes=1)
        self.rows = rows.to_pandas()
        self.folder = folder
        self.decoders = decoders
        self.batch_size = batch_size
        self.predictors = {casts_all: trivial_predictor(casts_all, batch_size) for casts_all in (False, True)}

    def bare(self) -> float:
        pictures = list(iter_pictures([self.catalog], self.rows))
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

    def ours(self, casts_all: bool) -> float:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            decoders = Decoders(
                lambda positions: iter_pictures([self.catalog], self.rows.iloc[positions]),
                len(self.rows),
                CROP,
                self.batch_size,
                self.decoders,
                Path(folder),
            )
            return self._predict(decoders, casts_all)

    def queue(self) -> float:
        return self._predict(QueueDecoders(self.catalog, self.rows, self.batch_size, self.decoders), casts_all=False)

    def _predict(self, decoders: Decoders | QueueDecoders, casts_all: bool) -> float:
        start = time.monotonic()
        with decoders, (self.folder / "0000.npy").open("wb", buffering=0) as output:
            shard = NewShard(output, (len(self.rows), CLASSES))
            decoded = predict_images.predict(self.predictors[casts_all], decoders, {"probabilities": shard})
            seconds = time.monotonic() - start
        assert decoded.all()
        return seconds

    def published(self, mirror: bool) -> float:
        shape = (self.batch_size, 3, SIZE, SIZE)
        executor = trivial_symbol(casts_all=False).simple_bind(mx.cpu(), grad_req="null", data=shape)

        def forward(batch: np.ndarray) -> np.ndarray:
            mx.nd.array(batch).copyto(executor.arg_dict["data"])
            return executor.forward(is_train=False)[0].asnumpy()

        start = time.monotonic()
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
            "Shelfmark, with mirror": lambda: bench.ours(casts_all=False),
            "the same, all pixels cast by the CPU": lambda: bench.ours(casts_all=True),
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
