"""Bring one shard of an image set through a network: probabilities, pooled features, or both from the same pass.

Each is the mean over a picture and its mirror. The features are the input of the network's classifier.

Shard s of n is the s-th of n contiguous blocks of the listed pictures. Decoder processes read and decode, this process
computes. Memory: three batches of pictures, and what the network needs for one. A picture that does not decode
becomes a row of zeros and a line of the table beside the output.

REVISION goes into the settings of predictions: raise it when results change.

In: the image set's .bson and its list of pictures; a model's network and image as in config.yaml, and its parameters.
Out: .npy, float16, (pictures of the shard, classes), and another, (pictures of the shard, features); beside the first
.undecodable.csv.

Example:
    python scripts/predict_images.py --catalog catalog/test.bson --images images/test.parquet --shard 0 --shards 16 \
        --network '{"family": "densenet", "stem": 96, "units": [6, 12, 36, 24], "growth": 48, "bottleneck": 4,
        "compression": 0.5}' --image '{"size": 180, "mean": [0, 0, 0], "scale": 1.0}' --params models/M07/0015.params \
        --batch-size 512 --decoders 8 --probabilities 0000.npy
"""

import argparse
import contextlib
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
from postprocessing.float16 import widened
from postprocessing.scores import NotFiniteError, check_finite
from postprocessing.shards import NewShard, shard_bounds
from workflow import recipes

REVISION = 2


def shard_rows(images: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The listed pictures of a shard."""
    first, stop = shard_bounds(len(images), shard, shards)
    return images.iloc[first:stop]


def predict(predictor: engines.Predictor, decoders: Decoders, pictures: int, shards: dict[str, NewShard]) -> np.ndarray:
    """Write what a network gives of all pictures batch by batch; returns which decoded (pictures,) bool.

    Args:
        shards: that take it, by name.

    Raises:
        NotFiniteError: a number of a picture is not finite.
    """
    decoded = np.empty(pictures, bool)
    done = 0
    with cli.progress(pictures, "picture", "predicting") as bar:
        for pixels, is_decoded in decoders.batches():
            for name, means in predictor.means(pixels).items():
                rows = means[: len(is_decoded)]
                rows[~is_decoded] = 0
                narrow = rows.astype(np.float16)
                check_finite(widened(narrow), done)
                shards[name].write(done, narrow)
            decoded[done : done + len(is_decoded)] = is_decoded
            bar.update(len(is_decoded))
            done += len(is_decoded)
    return decoded


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    rows = shard_rows(read_index(args.images), args.shard, args.shards)
    outputs = {name: path for name in engines.OUTPUTS if (path := getattr(args, name))}
    if not outputs:
        raise cli.UserError("nothing to write; give --probabilities, --features or both")
    with (
        cli.written_whole(*outputs.values(), next(iter(outputs.values())).with_suffix(".undecodable.csv")) as (
            *paths,
            undecodable,
        ),
        contextlib.ExitStack() as files,
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
            args.network, args.image, args.params, list(outputs), batch_size=args.batch_size, gpus=args.gpus
        )
        shards = {
            name: NewShard(files.enter_context(path.open("wb", buffering=0)), (len(rows), predictor.columns[name]))
            for name, path in zip(outputs, paths, strict=True)
        }
        try:
            decoded = predict(predictor, decoders, len(rows), shards)
        except NotFiniteError as fault:
            product, image = first_written(rows[fault.row :], "product"), rows.image.iloc[fault.row]
            raise cli.UserError(
                f"{args.params}: product {product}, picture {image}: the network's {' and '.join(outputs)} are"
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
    parser.add_argument("--probabilities", type=Path)
    parser.add_argument("--features", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
