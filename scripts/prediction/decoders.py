"""Decoder processes: each reads its own pictures and decodes them into batches that lie in shared memory.

A few batches take turns: the devices work on one while the decoders fill the others. Blocks of pictures are dealt to
the decoders in turn and each has its place in a batch, so what a batch holds does not depend on the number of decoders.
A decoder fills a block as soon as its place is free and then says so over ZeroMQ: one byte per picture, whether it
decoded, or the line of a fault. Pixels are never copied, and nothing is pickled.
"""

import contextlib
import ctypes
import itertools
import math
import mmap
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import zmq

import cli
from catalog.pictures import iter_pictures

BATCHES = 3  # one with the devices, two for the decoders, which then seldom wait
BLOCK = 32  # pictures
RECONNECT = 10  # ms
ENDING = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # of prctl(2)


def decode(picture: bytes, size: int, resize: int) -> np.ndarray | None:
    """Decode to (size, size, 3) uint8 RGB, or None where that fails.

    A picture is resized (bilinear) until its shorter edge has `resize` pixels, at least size, and cropped at the
    centre, as MXNet's ImageRecordIter does on valid records.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB) if picture else None
    except cv2.error:  # a header with sides beyond OpenCV's limits
        return None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    if min(height, width) != resize:
        tall = height > width
        new_height, new_width = (resize * height // width, resize) if tall else (resize, resize * width // height)
        pixels = cv2.resize(pixels, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        height, width = new_height, new_width
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


class Decoders:
    """Decoder processes for rows of an image list; a context manager that leaves no process behind.

    Args:
        rows: of the index, as iter_pictures takes them.
        size: side of the decoded pictures, pixels.
        resize: their shorter edge before they are cropped, pixels.
        count: processes.
        folder: gets the sockets.

    Raises:
        cli.UserError: the folder's path is too long for a socket.
    """

    def __init__(
        self, catalog: Path, rows: pd.DataFrame, size: int, resize: int, batch_size: int, count: int, folder: Path
    ):
        self._blocks = picture_blocks(len(rows), batch_size)
        count = min(count, len(self._blocks))
        self._addresses = [f"ipc://{folder}/{number}" for number in range(count)]
        if count and len(os.fsencode(self._addresses[-1])) > len("ipc://") + zmq.IPC_PATH_MAX_LEN:
            raise cli.UserError(f"{folder}: too long a path for a socket; set TMPDIR to a shorter one")
        shape = (BATCHES, batch_size, 3, size, size)
        self._batches = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)
        # Forked before MXNet is loaded: they start at once and inherit the rows.
        fork = multiprocessing.get_context("fork")
        self._free = [fork.Semaphore(0) for _ in range(count)]  # blocks that each decoder may fill
        self._processes = [
            fork.Process(
                target=_run_decoder,
                args=(os.getpid(), catalog, rows, resize, self._blocks[number::count], self._batches, free, address),
                daemon=True,
            )
            for number, (free, address) in enumerate(zip(self._free, self._addresses, strict=True))
        ]

    def __enter__(self) -> "Decoders":
        with contextlib.ExitStack() as stack:
            stack.callback(self._end_processes)
            with _signals_put_off():
                for process in self._processes:
                    process.start()
                # The context is never terminated: that can wait for ever on a half-made connection.
                self._sockets = [zmq.Context.instance().socket(zmq.PULL) for _ in self._processes]
                for socket, address in zip(self._sockets, self._addresses, strict=True):
                    stack.callback(socket.close, linger=0)
                    socket.bind(address)
            self._pollers = [self._poller(socket) for socket in self._sockets]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        with _signals_put_off():
            self._stack.close()

    def _end_processes(self) -> None:
        for process in self._processes:
            if process.pid is not None:
                process.kill()
                process.join()

    def _poller(self, socket: zmq.Socket) -> zmq.Poller:
        """Waits for a message of one decoder or the end of any."""
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        for process in self._processes:
            poller.register(process.sentinel, zmq.POLLIN)
        return poller

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield all pictures in their order, batch by batch.

        Yields:
            pixels (batch_size, 3, size, size) uint8 RGB, the caller's until the next batch, and which of its pictures
            decoded (count,) bool; only the last batch has fewer pictures than room, and anything in the rest.

        Raises:
            cli.UserError: a decoder died or failed.
        """
        for batch in range(BATCHES):
            self._hand_out(batch)
        for batch in itertools.count():
            decoders = self._decoders_of(batch)
            if not decoders:
                return
            decoded = [self._receive(decoder) for decoder in decoders]
            yield self._batches[batch % BATCHES], np.concatenate(decoded)
            self._hand_out(batch + BATCHES)

    def _hand_out(self, batch: int) -> None:
        for decoder in self._decoders_of(batch):
            self._free[decoder].release()

    def _decoders_of(self, batch: int) -> list[int]:
        """The decoders that fill a batch's blocks, in the blocks' order."""
        per_batch = -(-self._batches.shape[1] // BLOCK)
        blocks = range(len(self._blocks))[batch * per_batch : (batch + 1) * per_batch]
        return [block % len(self._processes) for block in blocks]

    def _receive(self, decoder: int) -> np.ndarray:
        """Wait until a decoder has filled its next block, or any has ended; returns which pictures decoded (bool)."""
        ready = dict(self._pollers[decoder].poll())
        for number, process in enumerate(self._processes):
            if process.sentinel in ready:
                process.join()
                raise cli.UserError(
                    f"decoder {number + 1} of {len(self._processes)} ended with exit code {process.exitcode}"
                    " (-9: killed, for lack of memory perhaps); nothing was written"
                )
        decoded, *fault = self._sockets[decoder].recv_multipart()
        if fault:
            raise cli.UserError(fault[0].decode())
        return np.frombuffer(decoded, bool)


def picture_blocks(pictures: int, batch_size: int) -> list[range]:
    """Blocks of consecutive pictures, none of which reaches over the end of a batch."""
    return [
        range(first, min(first + BLOCK, start + batch_size, pictures))
        for start in range(0, pictures, batch_size)
        for first in range(start, min(start + batch_size, pictures), BLOCK)
    ]


@contextlib.contextmanager
def _signals_put_off() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait: what their handlers raise inside a fork is lost.

    Blocking them in this thread is not enough: another one would get the signal, and this one run the handler.
    """
    arrived = []
    handlers = {number: signal.signal(number, lambda number, _: arrived.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)


def _run_decoder(
    parent: int,
    catalog: Path,
    rows: pd.DataFrame,
    resize: int,
    blocks: list[range],
    batches: np.ndarray,
    free: Semaphore,
    address: str,
) -> None:
    """The body of a decoder: it fills its blocks, then waits to be ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its decoders
    cv2.setNumThreads(1)
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.reconnect_ivl = RECONNECT
    socket.connect(address)
    pictures = iter_pictures(catalog, rows.iloc[np.concatenate(blocks)])
    try:
        for block in blocks:
            free.acquire()
            socket.send(_decode_block(pictures, block, batches, resize).tobytes())
    except cli.UserError as error:
        socket.send_multipart([b"", str(error).encode()])
    except OSError as error:
        socket.send_multipart([b"", f"{error.filename}: {error.strerror}".encode()])
    # What an ended process has sent but the receiver has no room for yet would be lost, so the parent ends us.
    signal.pause()


def _decode_block(pictures: Iterator[bytes], block: range, batches: np.ndarray, resize: int) -> np.ndarray:
    """Decode the next pictures into their places in the batches; returns which decoded (pictures,) bool."""
    places = batches.reshape(-1, *batches.shape[2:])
    first = block.start % len(places)
    decoded = np.zeros(len(block), bool)
    for number, picture in enumerate(itertools.islice(pictures, len(block))):
        planes, pixels = places[first + number], decode(picture, places.shape[-1], resize)
        if pixels is None:
            planes[:] = 0
        else:
            cv2.split(pixels, list(planes))
            decoded[number] = True
    return decoded
