"""Damage pictures and tables at random; read them as index_catalog, make_catalog and others do.

Wrong are: any exception but cli.UserError, an error of more than one line or without the file's name, a picture of a
catalog that is not 180x180, one that passes the check of the index and does not decode or cannot be encoded anew, more
than PATIENCE seconds for one file, and a process that grows beyond MEMORY.

Example:
    python tests/fuzz/fuzz_folders.py --mutations 100000 --seed 1
"""

import collections
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "scripts")]

import command_line
import cv2
import numpy as np
import pandas as pd

import cli
from catalog.pictures import PictureCheck
from catalog_making.lists import products_of_table
from catalog_making.pictures import SIDE, catalog_picture, silence_decoders
from drawn_pictures import OTHERS, PLAIN_JPEGS, UNUSUAL_JPEGS
from label_categories import named_classes
from loading.formats import PLAIN_JPEG
from loading.pixels import BadPictureError, decoded, encoded
from score_submission import read_categories

PATIENCE = 10  # seconds of a processor
MEMORY = 1 << 30  # bytes
FORMATS = (".jpg", ".png", ".gif", ".tiff", ".bmp", ".webp", ".avif")
SIZES = ((30, 40), (1, 900), (180, 180))
TABLES = {
    "names": 'category_id,category_level1,category_level2,category_level3\n10,"A, B",é,\n20,A,"say ""x""",7\n',
    "pictures": "path,product,category_level1,category_level2,group\na.jpg,1,Tür,X,north\nb.jpg,x 2,Y,,south\n",
    "scores": "_id,category_id\n7,10\n715518548955492,20\n",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1")
# What faults insert: numbers at their limits, and what means something in a table.
PIECES = (
    b"\xff" * 4,
    b"\0" * 4,
    b"\x7f\xff\xff\xff",
    b"\1\0\0\0",
    b"\0\0\x1f\x40",  # 8,000 in either order of bytes
    b"\x40\x1f\0\0",
    b"\x1f\x40",
    b"\x40\x1f",
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xe9",
    b"-1",
)


def sound_pictures() -> list[bytes]:
    """Pictures to damage: every format in several sizes, with and without transparency."""
    rng = np.random.default_rng(0)
    made = []
    for suffix in FORMATS:
        for height, width in SIZES:
            for channels in (3, 4):
                picture = cv2.resize(rng.integers(0, 256, (3, 4, channels), np.uint8), (width, height))
                made.append(cv2.imencode(suffix, picture)[1].tobytes())
    drawn = [*PLAIN_JPEGS.values(), *UNUSUAL_JPEGS.values(), *(picture for _, picture in OTHERS.values())]
    return made + drawn


def sound_tables() -> list[tuple[str, bytes]]:
    """Tables to damage, by what they are, in several encodings and with several separators."""
    return [
        (kind, text.replace(",", separator).encode(encoding))
        for kind, text in TABLES.items()
        for encoding in ENCODINGS
        for separator in ",;\t"
    ]


def damage(content: bytes, rng: random.Random) -> bytes:
    """Apply up to four random faults, more often than not near the start."""
    damaged = bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        place = rng.randrange(1 + min(len(damaged), rng.choice((64, 300, len(damaged)))))
        piece = rng.choice(PIECES)
        match rng.randrange(6):
            case 0 | 1:
                damaged[place : place + 1] = bytes([rng.randrange(256)])
            case 2:
                damaged[place : place + len(piece)] = piece
            case 3:
                damaged[place:place] = piece
            case 4:
                del damaged[place : place + rng.choice((1, 4, 100))]
            case 5:
                del damaged[place:]
    return bytes(damaged)


def picture_reader() -> Callable[[Path], None]:
    """Reads pictures by one check, which learns their headers."""
    check = PictureCheck()

    def read_picture(path: Path) -> None:
        content = path.read_bytes()
        kind, reason = None, ""
        try:
            kind = check.kind(content)
        except BadPictureError as fault:
            reason = str(fault)
        if kind is None:
            assert reason in str(error_of(path)), f"{reason}, but: {error_of(path)}"
            raise cli.UserError(f"{path}: {reason}")
        picture = decoded(catalog_picture(path))
        assert picture.shape == (SIDE, SIDE, 3), f"a picture of {picture.shape}"
        if kind != PLAIN_JPEG:
            pixels = decoded(content)
            assert decoded(encoded(pixels)).shape == pixels.shape

    return read_picture


def error_of(path: Path) -> cli.UserError | None:
    """What make_catalog.py says of a picture."""
    try:
        catalog_picture(path)
    except cli.UserError as error:
        return error
    return None


INDEX = pd.DataFrame({"product_id": [1], "product_text": None, "category_id": [10], "category_text": None})
READERS: dict[str, Callable[[Path], object]] = {
    "picture": picture_reader(),
    "names": lambda path: named_classes(path, INDEX),
    "pictures": lambda path: products_of_table(path, with_category=True),
    "scores": read_categories,
}


def peak_memory() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read(kind: str, path: Path) -> str:
    """Read a damaged file; returns how it ended.

    Raises:
        AssertionError: what must not happen.
    """
    start, held = time.process_time(), peak_memory()
    said = None
    try:
        READERS[kind](path)
    except cli.UserError as error:
        said = str(error)
    assert said is None or len(said.splitlines()) == 1, f"more than a line: {said}"
    assert said is None or str(path) in said, f"{path} is not named: {said}"
    assert time.process_time() - start < PATIENCE, "too long"
    # A process that has run other tests may have held more than that before.
    assert peak_memory() <= max(MEMORY, held), "too much memory"
    return f"{kind} {'refused' if said else 'taken'}"


def fuzz(mutations: int, seed: int, first: int = 0) -> tuple[collections.Counter, list[str]]:
    """Damage and read so many files, half of them pictures; returns how they ended and what was wrong."""
    silence_decoders()
    ends, wrong = collections.Counter(), []
    pictures, tables = sound_pictures(), sound_tables()
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as scratch:
        path = Path(scratch, "file")
        for number in range(first, first + mutations):
            rng = random.Random(f"{seed} {number}")
            kind, content = ("picture", rng.choice(pictures)) if number % 2 else rng.choice(tables)
            path.write_bytes(damage(content, rng))
            try:
                ends[read(kind, path)] += 1
            except Exception:
                wrong.append(f"file {number} of seed {seed}, {kind}: {traceback.format_exc()}")
    return ends, wrong


def main() -> None:
    args = command_line.parser(__doc__).parse_args()
    start = time.monotonic()
    ends, wrong = fuzz(args.mutations, args.seed, args.first)
    command_line.end(f"{args.mutations} files", time.monotonic() - start, ends, wrong)


if __name__ == "__main__":
    main()
