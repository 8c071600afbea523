"""Predict class probabilities of one shard of an image set: the mean over each picture and its mirror.

Shard s of n is the s-th of n contiguous blocks of the listed pictures. Decoder processes read and decode, this process
owns the devices. Memory: three batches of pictures, and what the network needs for one. A picture that does not decode
becomes a row of NaN and a line of the table beside the output.

REVISION goes into the settings of predictions: raise it when results change.

In: the image set's .bson and its list of pictures, symbol and parameters of a model. Out: .npy, float16, (pictures of
the shard, classes), and .undecodable.csv.

Example:
    python scripts/predict_images.py --catalog catalog/test.bson --images images/test.parquet --shard 0 --shards 16 \
        --symbol models/M07/symbol.json --params models/M07/0015.params \
        --image-size 180 --resize 180 --batch-size 512 --decoders 8 --output 0000.npy
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import cli
from catalog.index import read_index
from catalog.pictures import iter_pictures
from loading.decoders import Decoders
from loading.pixels import Crop

if TYPE_CHECKING:
    from prediction.network import Network

REVISION = 1


def shard_rows(images: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The listed pictures of a shard; shards differ by one picture at most."""
    bounds = [len(images) * number // shards for number in (shard, shard + 1)]
    return images.iloc[bounds[0] : bounds[1]]


def predict(network: "Network", decoders: Decoders, probabilities: np.ndarray) -> np.ndarray:
    """Fill probabilities (pictures, classes) batch by batch; returns which pictures decoded (pictures,) bool."""
    decoded = np.empty(len(probabilities), bool)
    done = 0
    with cli.progress(len(probabilities), "picture", "predicting") as bar:
        for pixels, is_decoded in decoders.batches():
            rows = slice(done, done + len(is_decoded))
            decoded[rows] = is_decoded
            probabilities[rows] = network.probabilities(pixels)[: len(is_decoded)]
            bar.update(len(is_decoded))
            done = rows.stop
    probabilities[~decoded] = np.nan
    return decoded


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    rows = shard_rows(read_index(args.images), args.shard, args.shards)
    undecodable_path = args.output.with_suffix(".undecodable.csv")
    with (
        cli.written_whole(args.output, undecodable_path) as (output, undecodable),
        tempfile.TemporaryDirectory(prefix="shelfmark-") as folder,
        Decoders(
            lambda positions: iter_pictures(args.catalog, rows.iloc[positions]),
            len(rows),
            Crop(args.image_size, args.resize),
            args.batch_size,
            args.decoders,
            Path(folder),
        ) as decoders,
    ):
        network = load_network(args)
        if len(rows):
            shape = (len(rows), network.classes)
            probabilities = np.lib.format.open_memmap(output, mode="w+", dtype=np.float16, shape=shape)
        else:
            probabilities = np.empty((0, network.classes), np.float16)
            with output.open("wb") as file:
                np.save(file, probabilities)
        decoded = predict(network, decoders, probabilities)
        faults = rows[~decoded][["product_id", "image", "doc_offset"]]
        faults.assign(reason="the picture does not decode").to_csv(undecodable, index=False)
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(rows)} pictures, {len(faults)} of them undecodable, in {seconds:.1f} s ({len(rows) / seconds:.0f}/s)"
    )


def load_network(args: argparse.Namespace) -> "Network":
    """Load MXNet and the network, after the decoders were forked."""
    import devices  # noqa: PLC0415 - see above
    from prediction.network import Network  # noqa: PLC0415

    return Network(args.symbol, args.params, args.image_size, args.batch_size, devices.contexts(args.gpus))


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--symbol", type=Path, required=True)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--resize", type=int, required=True, help="shorter edge of a picture before it is cropped")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--decoders", type=int, required=True, help="decoder processes")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to predict on; 0: the CPU")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
