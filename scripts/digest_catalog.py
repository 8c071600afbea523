"""Record the content of a catalog file, so that it is recognized after it was touched or copied.

In: a .bson file. Out: JSON with its size and modification time and the SHA-256 of its bytes.

Example:
    python scripts/digest_catalog.py catalog/train.bson --output index/train.digest.json
"""

import argparse
import json
import time
from pathlib import Path

import cli
from workflow import catalogs


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    record = catalogs.record(args.catalog)
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(json.dumps(record, indent=1))
    seconds = time.monotonic() - start
    size = args.catalog.stat().st_size / 1e6
    cli.summary(f"{args.catalog}: {size:.0f} MB digested in {seconds:.1f} s ({size / seconds:.0f} MB/s)")


if __name__ == "__main__":
    cli.run(main)
