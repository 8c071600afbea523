"""Damage catalogs at random and run them through index, split and pack: each ends in success or in a clear error.

Every damaged catalog is indexed in both modes, as train or as test. Of every WHOLE_EVERY-th, what skip leaves is
checked against the file and split, by groups where products have shops, and both parts are packed. Wrong are: any
exception but cli.UserError, an error of more than one line or without the file's name, more than PATIENCE seconds or
LARGEST bytes, a file left behind by a failed program, and an index that does not tell where its pictures lie.

Example:
    python tests/fuzz/fuzz_catalogs.py --mutations 100000 --seed 1
"""

import collections
import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import uuid
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "scripts")]

import bson
import command_line
from bson.int64 import Int64

import cli
import forks
import index_catalog
import label_categories
import pack_records
import split_catalog
from catalog.index import read_index
from catalog.pictures import iter_pictures
from tiny_catalogs import answers_here, files_below, jpeg, product, products

PATIENCE = 10  # seconds for one catalog
LARGEST = 1 << 30  # bytes of memory of a process, with all its libraries
WHOLE_EVERY = 10  # catalogs
TEST_EVERY = 7
NUMBERS = (-(2**31), -1, 0, 1, 4, 5, 6, 19, 255, 65536, 2**31 - 1)
TYPES = bytes(range(1, 20)) + b"\x7f\xff"


ID_KINDS = (
    float,
    lambda number: f"Lamp {number / 2}W",
    lambda number: bson.ObjectId(number.to_bytes(12)),
    lambda number: bson.Binary.from_uuid(uuid.UUID(int=number)),
    lambda number: bson.Decimal128(str(number)),
)
MANY_FIELDS = {
    "added": datetime(2020, 1, 1, tzinfo=UTC),
    "title": "é",
    "sizes": [1, 2.5, None, {"x": b"y"}],
    "expression": bson.Regex("a.b"),
    "code": bson.Code("x", {"y": 1}),
    "price": bson.Decimal128("9.99"),
    "keys": [bson.MinKey(), bson.MaxKey(), bson.Timestamp(1, 2), True],
}


class TooLongError(BaseException):
    """A catalog took more than PATIENCE seconds."""


def sound_catalogs() -> list[bytes]:
    """Catalogs to damage: as published, with other ids, with other fields, without categories, in another layout."""
    published = [{**fields, "category_id": 10 + n % 2} for n, fields in enumerate(products(6))]
    wide = [{**fields, "_id": Int64(fields["_id"]), "category_id": Int64(10)} for fields in published]
    unlabelled = [product(fields["_id"], [jpeg(n)], None) for n, fields in enumerate(published)]
    other = [{"imgs": fields["imgs"], "name": "x", **fields} for fields in published]
    doubles, texts, objects, uuids, decimals = (
        [{**fields, "_id": of(n), "category_id": of(n % 2)} for n, fields in enumerate(published)] for of in ID_KINDS
    )
    crowded = [MANY_FIELDS | {**fields, "shop": f"shop {n % 3}"} for n, fields in enumerate(texts)]
    catalogs = (
        published,
        published,
        wide,
        unlabelled,
        other,
        doubles,
        texts,
        objects,
        uuids,
        decimals,
        crowded,
        crowded,
    )
    return [b"".join(map(bson.encode, catalog)) for catalog in catalogs]


def damage(catalog: bytes, rng: random.Random) -> bytes:
    """Apply one to three random faults."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        catalog = rng.choice(FAULTS)(catalog, rng)
    return catalog


def _place(catalog: bytes, rng: random.Random) -> int:
    """A place, more often than not near the fields of a document than inside a picture."""
    if rng.random() < 0.3:
        return rng.randrange(len(catalog) + 1)
    names = [b"_id\0", b"category_id\0", b"imgs\0", b"picture\0", b"\xff\xd8\xff", b"\xff\xd9", b"\0\0\0"]
    names += [b"shop\0", b"title\0", b"code\0", b"Lamp"]
    found = catalog.find(rng.choice(names), rng.randrange(len(catalog) + 1))
    return min(max(found + rng.randrange(-8, 16), 0), len(catalog))


def _set_byte(catalog: bytes, rng: random.Random) -> bytes:
    place = _place(catalog, rng)
    return catalog[:place] + bytes([rng.randrange(256)]) + catalog[place + 1 :]


def _set_type(catalog: bytes, rng: random.Random) -> bytes:
    place = catalog.find(
        rng.choice([b"_id\0", b"category_id\0", b"imgs\0", b"picture\0", b"0\0", b"shop\0"]), _place(catalog, rng)
    )
    return catalog[: max(place - 1, 0)] + bytes([rng.choice(TYPES)]) + catalog[max(place, 1) :]


def _set_number(catalog: bytes, rng: random.Random) -> bytes:
    place = _place(catalog, rng)
    number = rng.choice(NUMBERS) if rng.random() < 0.5 else rng.randrange(len(catalog) + 9)
    return catalog[:place] + struct.pack("<i", number) + catalog[place + 4 :]


def _insert(catalog: bytes, rng: random.Random) -> bytes:
    place = _place(catalog, rng)
    return catalog[:place] + rng.randbytes(rng.choice((1, 4, 30))) + catalog[place:]


def _remove(catalog: bytes, rng: random.Random) -> bytes:
    place = _place(catalog, rng)
    return catalog[:place] + catalog[place + rng.choice((1, 4, 500)) :]


def _cut(catalog: bytes, rng: random.Random) -> bytes:
    return catalog[: _place(catalog, rng)]


def _repeat(catalog: bytes, rng: random.Random) -> bytes:
    start, stop = sorted((_place(catalog, rng), _place(catalog, rng)))
    return catalog[:stop] + catalog[start:]


def _exchange(catalog: bytes, rng: random.Random) -> bytes:
    documents = list(_documents(catalog))
    rng.shuffle(documents)
    return b"".join(documents[: rng.randrange(1, len(documents) + 1)] + documents[:1]) if documents else catalog


def _documents(catalog: bytes):
    offset = 0
    while offset + 4 < len(catalog):
        size = max(struct.unpack_from("<i", catalog, offset)[0], 5)
        yield catalog[offset : offset + size]
        offset += size


def _set_start(catalog: bytes, rng: random.Random) -> bytes:
    start = rng.choice(STARTS)
    return start + catalog[rng.choice((0, len(start))) :]


STARTS = (
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"\x6d\xe2\x99\x81",
    b'{"',
    b"[{",
    b"<html",
    b"BZh91AY&SY",
    b"version https://git-lfs",
)
FAULTS = (_set_byte, _set_byte, _set_type, _set_number, _set_number, _insert, _remove, _cut, _repeat, _exchange)
FAULTS = (*FAULTS, *FAULTS, _set_start)


def call(main, *words: object) -> str | None:
    """Run a program's main in this process; returns the line of its error, or None."""
    sys.argv = [main.__module__, *map(str, words)]
    try:
        main()
    except cli.UserError as error:
        return str(error)
    return None


def run_through(folder: Path, number: int) -> str:
    """Index folder/a.bson, and run the other programs on some numbers; returns how far they came.

    Raises:
        AssertionError: what must not happen.
    """
    source = folder / "a.bson"
    failures = []
    for mode in ("stop", "skip"):
        outputs = ("--output", folder / mode / "a.parquet", "--rejects", folder / mode / "a.csv")
        words = ("--without-categories",) if number % TEST_EVERY == 0 else ()
        error = call(index_catalog.main, source, "--on-bad-product", mode, "--processes", 1, *outputs, *words)
        check_end(error, folder / mode, {"a.parquet", "a.csv"}, source)
        failures.append(error)
    stopped, lost = failures
    assert not (lost and not stopped), "skip fails where stop does not"
    if lost:
        return "nothing left"
    if number % WHOLE_EVERY:
        return "indexed after skipping" if stopped else "indexed"
    index_path = folder / "skip" / "a.parquet"
    check_index(source, index_path)
    classes = folder / "classes.csv"
    if call(label_categories.main, "--index", index_path, "--output", classes):
        return "no categories"
    parts = folder / "split"
    words = ("--seed", 1, "--valid-fraction", 0.5, "--output-folder", parts)
    groups = ("--group-field", "shop") if number % (2 * WHOLE_EVERY) == 0 and b"shop\0" in source.read_bytes() else ()
    error = call(split_catalog.main, "--catalog", source, "--index", index_path, *words, *groups)
    outputs = {f"{part}.{kind}" for part in ("train", "valid") for kind in ("bson", "parquet")}
    check_end(error, parts, outputs, source if groups and "group_field" in str(error) else index_path)
    if error:
        return "too few to split"
    for part in ("train", "valid"):
        words = ("--classes", classes, "--output", folder / part / "a.rec")
        bson_path, rows = parts / f"{part}.bson", parts / f"{part}.parquet"
        error = call(pack_records.main, "--split", bson_path, "--index", rows, *words)
        check_end(error, folder / part, {"a.rec", "a.idx", "a.json"}, bson_path)
    return "packed after skipping" if stopped else "packed"


def check_end(error: str | None, folder: Path, outputs: set[str], named: Path) -> None:
    """A program that failed left nothing and said why; one that did not left all outputs."""
    found = files_below(folder)
    if error is None:
        assert found == outputs, f"{found} instead of {outputs}"
        return
    assert found == set(), f"{found} left after: {error}"
    assert "\n" not in error, f"more than a line: {error}"
    assert str(named) in error, f"{named} is not named: {error}"


def check_index(source: Path, index_path: Path) -> None:
    """The index tells where its pictures lie."""
    index = read_index(index_path)
    for picture, high, low in zip(iter_pictures([source], index), index.md5_hi, index.md5_lo, strict=True):
        assert hashlib.md5(picture).digest() == struct.pack(">QQ", high, low), "another picture than the indexed one"


def fuzz(numbers: range, seed: int, scratch: Path) -> tuple[collections.Counter, list[str]]:
    """Damage and run the catalogs of the given numbers; returns how they ended and what was wrong."""
    ends, wrong = collections.Counter(), []
    catalogs = sound_catalogs()
    forks.answers_in_turn = answers_here

    def stop(*_):
        raise TooLongError

    signal.signal(signal.SIGALRM, stop)
    for number in numbers:
        rng = random.Random(f"{seed} {number}")
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            (Path(name) / "a.bson").write_bytes(damage(rng.choice(catalogs), rng))
            signal.alarm(PATIENCE)
            try:
                ends[run_through(Path(name), number)] += 1
            except (Exception, TooLongError):
                wrong.append(f"catalog {number} of seed {seed}: {traceback.format_exc()}")
            finally:
                signal.alarm(0)
    if (peak := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) > LARGEST:
        wrong.append(f"catalogs {numbers} of seed {seed}: {peak} bytes of memory")
    return ends, wrong


def fuzz_in_processes(
    mutations: int, seed: int, processes: int, first: int = 0
) -> tuple[collections.Counter, list[str]]:
    """Like fuzz, in several processes, with stderr closed against the programs' progress."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as scratch:
        context = multiprocessing.get_context("fork")
        receivers, children = [], []
        for place in range(processes):
            receiver, sender = context.Pipe(duplex=False)
            numbers = range(first + mutations * place // processes, first + mutations * (place + 1) // processes)
            child = context.Process(target=_fuzz_and_send, args=(numbers, seed, Path(scratch), sender))
            child.start()
            sender.close()
            receivers.append(receiver)
            children.append(child)
        ends, wrong = collections.Counter(), []
        for number, receiver in enumerate(receivers):
            try:
                part_ends, part_wrong = json.loads(receiver.recv_bytes())
            except EOFError:
                part_ends, part_wrong = {}, [f"process {number} died"]
            ends.update(part_ends)
            wrong += part_wrong
        for child in children:
            child.join()
    return ends, wrong


def _fuzz_and_send(numbers: range, seed: int, scratch: Path, sender) -> None:
    with open(os.devnull, "w") as nothing:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nothing.fileno(), 2)
        with contextlib.redirect_stderr(nothing):
            ends, wrong = fuzz(numbers, seed, scratch)
    sender.send_bytes(json.dumps([ends, wrong]).encode())


def main() -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    start = time.monotonic()
    ends, wrong = fuzz_in_processes(args.mutations, args.seed, args.processes, args.first)
    command_line.end(f"{args.mutations} catalogs", time.monotonic() - start, ends, wrong)


if __name__ == "__main__":
    main()
