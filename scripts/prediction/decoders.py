"""Decoder processes: each reads its own pictures, decodes them and pushes them in blocks over ZeroMQ.

Blocks are dealt to the decoders in turn and received in the same turn, so pictures come in their order whatever the
number of decoders. A message has two frames: one byte per picture that tells whether it decoded, and the pictures
(count, 3, size, size), uint8 RGB; or a single one, the line of a fault. The pixels are sent without a copy, and
nothing is pickled.
"""

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import zmq

import cli
from catalog.pictures import iter_pictures

# Small enough that the allocator reuses a block's memory: fresh pages cost as much as the mirror image.
BLOCK = 32  # pictures
BLOCKS_IN_FLIGHT = 2  # per decoder and side: bounds memory, keeps the devices busy
RECONNECT = 10  # ms
ENDING = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # of prctl(2)


def decode(picture: bytes, size: int) -> np.ndarray | None:
    """Decode to (size, size, 3) uint8 RGB, or None where that fails.

    A picture of another size is resized on its shorter edge (bilinear) and cropped at the centre, as MXNet's
    ImageRecordIter does in training.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB) if picture else None
    except cv2.error:  # a header with sides beyond OpenCV's limits
        return None
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
    """Decoder processes for rows of an image list; a context manager that leaves no process behind.

    Args:
        folder: gets the sockets.

    Raises:
        cli.UserError: the folder's path is too long for a socket.
    """

    def __init__(self, catalog: Path, rows: pd.DataFrame, size: int, count: int, folder: Path):
        self._starts = range(0, len(rows), BLOCK)
        count = min(count, len(self._starts))
        self._addresses = [f"ipc://{folder}/{number}" for number in range(count)]
        if count and len(os.fsencode(self._addresses[-1])) > len("ipc://") + zmq.IPC_PATH_MAX_LEN:
            raise cli.UserError(f"{folder}: too long a path for a socket; set TMPDIR to a shorter one")
        # Forked before MXNet is loaded: they start at once and inherit the rows.
        fork = multiprocessing.get_context("fork")
        self._processes = [
            fork.Process(
                target=_run_decoder,
                args=(os.getpid(), catalog, rows, self._starts[number::count], size, self._addresses[number]),
                daemon=True,
            )
            for number in range(count)
        ]
        self._shape = (-1, 3, size, size)

    def __enter__(self) -> "Decoders":
        with contextlib.ExitStack() as stack:
            stack.callback(self._end_processes)
            with _signals_put_off():
                for process in self._processes:
                    process.start()
                # The context is never terminated: that can wait for ever on a half-made connection.
                sockets = [zmq.Context.instance().socket(zmq.PULL) for _ in self._processes]
                for socket, address in zip(sockets, self._addresses, strict=True):
                    stack.callback(socket.close, linger=0)
                    socket.set_hwm(BLOCKS_IN_FLIGHT)
                    socket.bind(address)
            self._turn = itertools.cycle(sockets)
            self._decoded, self._pixels = np.empty(0, bool), np.empty(0, np.uint8)
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

    def read(self, pixels: np.ndarray) -> np.ndarray:
        """Fill pixels (count, 3, size, size) uint8 RGB with the next pictures; returns which decoded (count,) bool.

        Raises:
            cli.UserError: a decoder died or failed.
        """
        decoded = np.empty(len(pixels), bool)
        done = 0
        while done < len(pixels):
            if not len(self._pixels):
                self._receive()
            rows = slice(done, done + len(self._pixels))
            count = len(pixels[rows])
            pixels[rows], decoded[rows] = self._pixels[:count], self._decoded[:count]
            self._pixels, self._decoded = self._pixels[count:], self._decoded[count:]
            done += count
        return decoded

    def _receive(self) -> None:
        """Wait for the next block, or the end of a decoder."""
        socket = next(self._turn)
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        for process in self._processes:
            poller.register(process.sentinel, zmq.POLLIN)
        ready = dict(poller.poll())
        for number, process in enumerate(self._processes):
            if process.sentinel in ready:
                process.join()
                raise cli.UserError(
                    f"decoder {number + 1} of {len(self._processes)} ended with exit code {process.exitcode}"
                    " (-9: killed, for lack of memory perhaps); nothing was written"
                )
        frames = socket.recv_multipart(copy=False)
        if len(frames) == 1:
            raise cli.UserError(frames[0].bytes.decode())
        self._decoded = np.frombuffer(frames[0], bool)
        self._pixels = np.frombuffer(frames[1], np.uint8).reshape(self._shape)


@contextlib.contextmanager
def _signals_put_off() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait: what their handlers raise inside a fork is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_decoder(parent: int, catalog: Path, rows: pd.DataFrame, starts: range, size: int, address: str) -> None:
    """The body of a decoder: it pushes its blocks, then waits to be ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its decoders
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    cv2.setNumThreads(1)
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.set_hwm(BLOCKS_IN_FLIGHT)
    socket.reconnect_ivl = RECONNECT
    socket.connect(address)
    try:
        _push_blocks(socket, catalog, rows, starts, size)
    except cli.UserError as error:
        socket.send(str(error).encode())
    except OSError as error:
        socket.send(f"{error.filename}: {error.strerror}".encode())
    # What an ended process has sent but the receiver has no room for yet would be lost, so the parent ends us.
    signal.pause()


def _push_blocks(socket: zmq.Socket, catalog: Path, rows: pd.DataFrame, starts: range, size: int) -> None:
    blocks = [np.arange(start, min(start + BLOCK, len(rows))) for start in starts]
    own = rows.iloc[np.concatenate(blocks)]
    pictures = iter_pictures(catalog, own.doc_offset.array, own.doc_size.array, own.image.array)
    for block in blocks:
        pixels = np.empty((len(block), 3, size, size), np.uint8)
        decoded = np.zeros(len(block), bool)
        for place, picture in enumerate(itertools.islice(pictures, len(block))):
            found = decode(picture, size)
            if found is None:
                pixels[place] = 0
            else:
                cv2.split(found, list(pixels[place]))
                decoded[place] = True
        socket.send_multipart([decoded.tobytes(), pixels], copy=False)
