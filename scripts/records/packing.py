"""Records made of pictures that lie in a catalog's files.

A few at a time, in the order in which they are written, their pictures are read to where they stand in the records,
into one of two buffers, while another thread writes the other.
"""

import itertools
import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli
from catalog.files import Files
from catalog.layout import BEFORE_PICTURE, before_pictures, moved
from loading.formats import PLAIN_JPEG
from records import recordio

CHUNK_RECORDS = 256  # that are made at a time
CHUNK_BYTES = 4 << 20  # of their pictures, and one more
ORDERED_AT_A_TIME = 1 << 20  # records
WORD = 4  # bytes


@dataclass(frozen=True)
class Pictures:
    """Pictures of a catalog's files, one for each record's number.

    Attributes:
        offsets: int64, bytes from the first byte of the first file.
        sizes: int32, bytes.
        kinds: uint8, positions in KINDS of loading/formats.py.
        labels: int32, class ids.
        named: how a line names the picture of a number.
    """

    catalog: Files
    offsets: np.ndarray
    sizes: np.ndarray
    kinds: np.ndarray
    labels: np.ndarray
    named: Callable[[int], str]


def write_records(
    pictures: Pictures, order: np.ndarray, read_ahead: int, records_path: Path, offsets_path: Path
) -> None:
    """Write .rec and .idx.

    Args:
        order: the records' numbers as they are written.
        read_ahead: bytes of pictures that are asked of the disk at a time, where they are not in memory.

    Raises:
        cli.UserError: a picture is not where it should be.
        OSError: a file cannot be read or written.
    """
    makers = itertools.cycle([RecordMaker(pictures), RecordMaker(pictures)])
    start = 0
    with (
        records_path.open("wb", buffering=0) as file,
        offsets_path.open("wb") as lines,
        cli.progress(len(order), "record", "packing") as bar,
        ThreadPoolExecutor(1) as writer,
    ):
        written = writer.submit(bool)
        for numbers in asked_of_the_disk(chunks(order, pictures.sizes), pictures, read_ahead):
            records, sizes = next(makers).records(numbers)
            written.result()
            written = writer.submit(cli.write_at, file.fileno(), records, start)
            columns = (numbers.tolist(), (start + np.cumsum(sizes) - sizes).tolist())
            lines.write("".join([f"{number}\t{offset}\n" for number, offset in zip(*columns, strict=True)]).encode())
            start += len(records)
            bar.update(len(numbers))
        written.result()


def chunks(order: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the records' numbers in written order: CHUNK_RECORDS or fewer, of CHUNK_BYTES of pictures and one more."""
    for first in range(0, len(order), ORDERED_AT_A_TIME):
        numbers = order[first : first + ORDERED_AT_A_TIME]
        filled = np.cumsum(sizes[numbers], dtype=np.int64) // CHUNK_BYTES
        is_cut = (filled[1:] != filled[:-1]) | (np.arange(1, len(numbers)) % CHUNK_RECORDS == 0)
        yield from np.split(numbers, np.flatnonzero(is_cut) + 1)


def asked_of_the_disk(chunks: Iterator[np.ndarray], pictures: Pictures, size: int) -> Iterator[np.ndarray]:
    """Yield the chunks; where the first of about `size` bytes needed the disk, it is asked for the others at once."""
    while window := list(itertools.islice(chunks, max(size // CHUNK_BYTES, 1))):
        blocks = blocks_read()
        yield window[0]
        if len(window) > 1 and blocks_read() > blocks:
            numbers = np.concatenate(window[1:])
            numbers = numbers[np.argsort(pictures.offsets[numbers])]
            columns = (*pictures.catalog.located(pictures.offsets[numbers]), pictures.sizes[numbers].tolist())
            for descriptor, offset, length in zip(*columns, strict=True):
                os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_WILLNEED)
        yield from window[1:]


def blocks_read() -> int:
    """Blocks that this process has had read from disks."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


class RecordMaker:
    """Makes records, in a buffer that grows to the largest chunk."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._buffer = np.empty(0, np.uint8)

    def records(self, numbers: np.ndarray) -> tuple[memoryview, np.ndarray]:
        """The records of these numbers, one after the other, until the next call; and the size (bytes) of each.

        Raises:
            cli.UserError: a picture is not where it should be, or does not decode any more.
        """
        pictures = self._pictures
        sizes, labels = pictures.sizes[numbers].astype(np.int64), pictures.labels[numbers]
        is_plain = pictures.kinds[numbers] == PLAIN_JPEG
        anew = {place: self._encoded_anew(numbers[place]) for place in np.flatnonzero(~is_plain).tolist()}
        sizes[list(anew)] = [len(picture) for picture in anew.values()]
        record_sizes = recordio.record_sizes(sizes)
        ends = np.cumsum(record_sizes)
        starts = ends - record_sizes
        octets = self._room(int(ends[-1]))
        words = octets.view("<u4")
        words[ends // WORD - 1] = 0
        begins = starts + recordio.HEAD.itemsize
        self._read(octets, numbers[is_plain], begins[is_plain])
        for place, picture in anew.items():
            octets[begins[place] :][: len(picture)] = np.frombuffer(picture, np.uint8)
        heads = recordio.heads(labels, numbers, sizes)
        words[starts[:, None] // WORD + np.arange(heads.shape[1])] = heads
        if np.count_nonzero(words == recordio.MAGIC_NUMBER) == len(numbers):
            return octets.data, record_sizes
        columns = (labels.tolist(), numbers.tolist(), begins.tolist(), (begins + sizes).tolist())
        whole = [
            recordio.record(label, number, octets[begin:end].tobytes())
            for label, number, begin, end in zip(*columns, strict=True)
        ]
        return memoryview(b"".join(whole)), np.array([len(each) for each in whole])

    def _room(self, size: int) -> np.ndarray:
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer[:size]

    def _read(self, octets: np.ndarray, numbers: np.ndarray, begins: np.ndarray) -> None:
        """Read pictures to where they begin in the records; what lies before them in the catalog comes along."""
        offsets, sizes = self._pictures.offsets[numbers], self._pictures.sizes[numbers].astype(np.int64)
        starts = begins - BEFORE_PICTURE
        room = octets.data
        columns = (
            starts.tolist(),
            (begins + sizes).tolist(),
            *self._pictures.catalog.located(offsets - BEFORE_PICTURE),
        )
        found = [
            os.preadv(descriptor, [room[start:end]], offset)
            for start, end, descriptor, offset in zip(*columns, strict=True)
        ]
        is_there = np.array(found, np.int64) == sizes + BEFORE_PICTURE
        is_there &= (octets[starts[:, None] + np.arange(BEFORE_PICTURE)] == before_pictures(sizes)).all(axis=1)
        if not is_there.all():
            missing = int(np.argmin(is_there))
            raise self._fault(numbers[missing], moved(sizes[missing]))

    def _encoded_anew(self, number: int) -> bytes:
        """The JPEG that stands for a picture that is no plain JPEG."""
        from loading.pixels import BadPictureError, decoded, encoded  # noqa: PLC0415 - most catalogs have no such picture

        content = np.empty(BEFORE_PICTURE + int(self._pictures.sizes[number]), np.uint8)
        self._read(content, np.array([number]), np.array([BEFORE_PICTURE]))
        try:
            return encoded(decoded(content[BEFORE_PICTURE:].tobytes()))
        except BadPictureError as fault:
            raise self._fault(number, f"{fault}, unlike when it was indexed; index the catalog again") from None

    def _fault(self, number: int, reason: str) -> cli.UserError:
        path, offset = self._pictures.catalog.place(int(self._pictures.offsets[number]))
        return cli.UserError(f"{path}: byte {offset}: {self._pictures.named(number)}: {reason}")
