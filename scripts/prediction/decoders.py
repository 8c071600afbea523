"""Decoder processes: each reads its own blocks of pictures, decodes them and pushes them over ZeroMQ.

Block b holds rows b * batch_size to (b + 1) * batch_size of a shard and belongs to decoder b mod decoders, so
what is in a block does not depend on their number. A message has three frames: the block's number (int64), one
byte per picture that tells whether it decoded, and the pictures (count, size, size, 3), uint8 RGB. The pixels
are sent without a copy, and nothing is pickled.
"""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import zmq

import cli
from catalog.pictures import iter_pictures

BLOCKS_IN_FLIGHT = 2  # per decoder and side: bounds memory, keeps the devices busy
POLL = 200  # ms between looks at the decoders' health
PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass(frozen=True)
class Block:
    """Decoded pictures of consecutive rows: pixels (count, size, size, 3) uint8 RGB, decoded (count,) bool."""

    number: int
    pixels: np.ndarray
    decoded: np.ndarray


def decode(picture: bytes, size: int) -> np.ndarray | None:
    """Decode to (size, size, 3) uint8 RGB, or None where that fails.

    A picture of another size is resized on its shorter edge (bilinear) and cropped at the centre, as MXNet's
    ImageRecordIter does in training.
    """
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB) if picture else None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    if min(height, width) != size:
        new_height, new_width = (size * height // width, size) if height > width else (size, size * width // height)
        pixels = cv2.resize(pixels, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        height, width = new_height, new_width
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


class Decoders:
    """Decoder processes for the rows of one shard; a context manager that leaves no process behind."""

    def __init__(self, catalog: Path, rows: pd.DataFrame, batch_size: int, size: int, count: int, folder: Path):
        self._arguments = (catalog, rows, batch_size, size, count, f"ipc://{folder}/pictures")
        self._blocks = -(-len(rows) // batch_size)
        self._size = size
        # Forked before MXNet is loaded: they start at once and inherit the rows.
        fork = multiprocessing.get_context("fork")
        self._processes = [
            fork.Process(target=_run_decoder, args=(number, *self._arguments), daemon=True)
            for number in range(min(count, self._blocks))
        ]

    def __enter__(self) -> "Decoders":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def blocks(self) -> Iterator[Block]:
        """Yield every block once, as it comes.

        Raises:
            cli.UserError: a decoder died or failed.
        """
        with zmq.Context() as context, context.socket(zmq.PULL) as socket:
            socket.set_hwm(BLOCKS_IN_FLIGHT)
            socket.linger = 0
            socket.bind(self._arguments[-1])
            for _ in range(self._blocks):
                while not socket.poll(POLL):
                    self._check()
                number, decoded, pixels = socket.recv_multipart(copy=False)
                yield Block(
                    int(np.frombuffer(number, np.int64)[0]),
                    np.frombuffer(pixels, np.uint8).reshape(-1, self._size, self._size, 3),
                    np.frombuffer(decoded, bool),
                )

    def _check(self) -> None:
        for number, process in enumerate(self._processes):
            if process.exitcode is not None:
                raise cli.UserError(
                    f"decoder {number} of {len(self._processes)} ended with exit code {process.exitcode}"
                    " (-9: killed, for lack of memory perhaps; 2: see its own line above); nothing was written"
                )


def _run_decoder(*arguments) -> None:
    try:
        _decode_blocks(*arguments)
    except (cli.UserError, OSError) as error:
        sys.exit(cli.fail(str(error)))


def _decode_blocks(
    number: int, catalog: Path, rows: pd.DataFrame, batch_size: int, size: int, decoders: int, address: str
) -> None:
    """The body of decoder `number`: it pushes its blocks, then waits to be ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its decoders
    cv2.setNumThreads(1)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.set_hwm(BLOCKS_IN_FLIGHT)
        socket.connect(address)
        for first in range(number * batch_size, len(rows), decoders * batch_size):
            block = rows.iloc[first : first + batch_size]
            pixels = np.zeros((len(block), size, size, 3), np.uint8)
            decoded = np.zeros(len(block), bool)
            pictures = iter_pictures(catalog, block.doc_offset.array, block.doc_size.array, block.image.array)
            for place, picture in enumerate(pictures):
                picture_pixels = decode(picture, size)
                if picture_pixels is not None:
                    pixels[place], decoded[place] = picture_pixels, True
            header = np.array([first // batch_size], np.int64)
            socket.send_multipart([header.tobytes(), decoded.tobytes(), pixels], copy=False)
        # What an ended process has sent but the receiver has no room for yet would be lost, so the parent ends us.
        signal.pause()
