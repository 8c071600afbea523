"""The plain approach to the data path, to compare with: documents decoded, records in memory, counters pickled.

It re-tells what the published scripts do (recipes, 6.2 and 6.3) for datasets A, B and C and the dictionary of MD5s.
Prints the seconds of each step as JSON.

Example:
    python benchmarks/plain_data_path.py catalog/train.bson plain-output
"""

import argparse
import collections
import hashlib
import json
import pickle
import random
import sys
import time
from pathlib import Path

import bson

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from engines.mxnet.library import mx

VALID_FRACTION = 0.05
SEEDS = {"A": 12648430, "B": 1}
SHUFFLE_SEED = 0xC0FFEE


def count_categories(catalog: Path, target: Path) -> None:
    """Pickle MD5 -> Counter of categories."""
    categories = collections.defaultdict(collections.Counter)
    with catalog.open("rb") as file:
        for product in bson.decode_file_iter(file):
            for image in product["imgs"]:
                categories[hashlib.md5(image["picture"]).hexdigest()][product["category_id"]] += 1
    with target.open("wb") as file:
        pickle.dump(dict(categories), file)


def split(catalog: Path, folder: Path, seed: int) -> None:
    """Write train.bson and valid.bson."""
    folder.mkdir(parents=True)
    with catalog.open("rb") as file:
        ids = [product["_id"] for product in bson.decode_file_iter(file)]
    count = int(len(ids) * VALID_FRACTION)
    random.seed(seed)
    random.shuffle(ids)
    valid_ids = set(random.sample(ids, count))
    with (
        catalog.open("rb") as file,
        (folder / "train.bson").open("wb") as train,
        (folder / "valid.bson").open("wb") as valid,
    ):
        for product in bson.decode_file_iter(file):
            (valid if product["_id"] in valid_ids else train).write(bson.encode(product))


def pack(part: Path, target: Path, class_ids: dict[int, int], first_copies_only: bool) -> None:
    """Write a part's records, in memory until the last is read."""
    random.seed(SHUFFLE_SEED)
    records, seen = [], set()
    with part.open("rb") as file:
        for product in bson.decode_file_iter(file):
            for image in product["imgs"]:
                if first_copies_only:
                    digest = hashlib.md5(image["picture"]).hexdigest()
                    if digest in seen:
                        continue
                    seen.add(digest)
                header = mx.recordio.IRHeader(0, class_ids[product["category_id"]], len(records), 0)
                records.append(mx.recordio.pack(header, image["picture"]))
    random.shuffle(order := list(range(len(records))))
    writer = mx.recordio.MXRecordIO(str(target), "w")
    for number in order:
        writer.write(records[number])
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=Path, required=True)
    args = parser.parse_args()
    lines = args.classes.read_text().splitlines()[1:]
    class_ids = {int(line.split(",")[1]): int(line.split(",")[0]) for line in lines}
    seconds = {}

    def timed(step: str, work, *arguments) -> None:
        start = time.monotonic()
        work(*arguments)
        seconds[step] = time.monotonic() - start

    timed("dictionary", count_categories, args.catalog, args.folder / "md5.pickle")
    for name, seed in SEEDS.items():
        timed(f"split {name}", split, args.catalog, args.folder / name, seed)
    for dataset, name, first_copies_only in (("A", "A", False), ("B", "B", False), ("C", "A", True)):
        for part in ("train", "valid"):
            target = args.folder / f"{dataset}-{part}.rec"
            words = (args.folder / name / f"{part}.bson", target, class_ids, first_copies_only)
            timed(f"pack {dataset} {part}", pack, *words)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
