"""Predict class probabilities of one shard of an image set: the mean over each picture and its mirror.

Shard s of n is the s-th of n contiguous blocks of the listed pictures. Decoder processes read and decode, this process
computes. Memory: three batches of pictures, and what the network needs for one. A picture that does not decode
becomes a row of zeros and a line of the table beside the output.

REVISION goes into the settings of predictions: raise it when results change.

In: the image set's .bson and its list of pictures; a model's network and image as in config.yaml, and its parameters.
Out: .npy, float16, (pictures of the shard, classes), and .undecodable.csv.

Example:
    python scripts/predict_images.py --catalog catalog/test.bson --images images/test.parquet --shard 0 --shards 16 \
        --network '{"family": "densenet", "stem": 96, "units": [6, 12, 36, 24], "growth": 48, "bottleneck": 4,
        "compression": 0.5}' --image '{"size": 180, "mean": [0, 0, 0], "scale": 1.0}' --params models/M07/0015.params \
        --batch-size 512 --decoders 8 --output 0000.npy
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cli
import engines
from catalog.ids import first_written, written
from catalog.index import read_index
from catalog.pictures import iter_pictures
from loading.decoders import Decoders
from loading.pixels import Crop
from postprocessing.scores import NotFiniteError, is_scored
from postprocessing.shards import NewShard
from workflow import recipes

REVISION = 2


def shard_rows(images: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The listed pictures of a shard; shards differ by one picture at most."""
    bounds = [len(images) * number // shards for number in (shard, shard + 1)]
    return images.iloc[bounds[0] : bounds[1]]


def predict(predictor: engines.Predictor, decoders: Decoders, pictures: int, shard: NewShard) -> np.ndarray:
    """Write the probabilities of all pictures batch by batch; returns which decoded (pictures,) bool.

    Raises:
        NotFiniteError: the probabilities of a picture are not finite.
    """
    decoded = np.empty(pictures, bool)
    done = 0
    with cli.progress(pictures, "picture", "predicting") as bar:
        for pixels, is_decoded in decoders.batches():
            probabilities = predictor.probabilities(pixels)[: len(is_decoded)]
            probabilities[~is_decoded] = 0
            is_scored(probabilities, done)
            shard.write(done, probabilities.astype(np.float16))
            decoded[done : done + len(is_decoded)] = is_decoded
            bar.update(len(is_decoded))
            done += len(is_decoded)
    return decoded


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    rows = shard_rows(read_index(args.images), args.shard, args.shards)
    undecodable_path = args.output.with_suffix(".undecodable.csv")
    with (
        cli.written_whole(args.output, undecodable_path) as (path, undecodable),
        path.open("wb", buffering=0) as output,
        tempfile.TemporaryDirectory(prefix="shelfmark-") as folder,
        Decoders(
            lambda positions: iter_pictures(args.catalog, rows.iloc[positions]),
            len(rows),
            Crop(args.image["size"], recipes.resize(args.image)),
            args.batch_size,
            args.decoders,
            Path(folder),
        ) as decoders,
    ):
        # An engine is loaded after the decoders were forked: they start at once, and without its threads.
        predictor = engines.choose(args.engine).load_predictor(
            args.network, args.image, args.params, batch_size=args.batch_size, gpus=args.gpus
        )
        try:
            decoded = predict(predictor, decoders, len(rows), NewShard(output, (len(rows), predictor.classes)))
        except NotFiniteError as fault:
            product, image = first_written(rows[fault.row :], "product"), rows.image.iloc[fault.row]
            raise cli.UserError(
                f"{args.params}: product {product}, picture {image}: the network's probabilities are"
                " not finite; train the model again, with a lower learning rate"
            ) from None
        faults = rows[~decoded].assign(product_id=written(rows[~decoded], "product"))
        faults = faults[["product_id", "image", "doc_offset"]].assign(reason="the picture does not decode")
        faults.to_csv(undecodable, index=False)
    seconds = time.monotonic() - start
    cli.summary(
        f"{len(rows)} pictures, {len(faults)} of them undecodable, in {seconds:.1f} s ({len(rows) / seconds:.0f}/s)"
    )


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--catalog", type=Path, nargs="+", required=True, help="its dumps in order")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--network", type=json.loads, required=True, help="family and numbers as JSON")
    parser.add_argument("--image", type=json.loads, required=True, help="size, mean, scale and resize as JSON")
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--decoders", type=int, required=True, help="decoder processes")
    parser.add_argument("--engine", choices=engines.NAMES, default=recipes.USUAL_ENGINE, help="that computes")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to predict on; 0: the CPU")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
