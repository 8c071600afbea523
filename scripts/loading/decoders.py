"""Decoder processes: each reads its own pictures and decodes them into batches that lie in shared memory.

There are a few batches: while the devices work on one, the decoders fill the others. A batch is divided into blocks of
pictures. Where a block lies in its batch and which decoder fills it is fixed, so what a batch holds does not depend on
the number of decoders.

A decoder waits until the batch of its next block is free, fills the block and says so over ZeroMQ: it sends a byte per
picture, which tells whether it decoded, or the line of a fault. Pixels are never copied, and nothing is pickled.
"""

import contextlib
import ctypes
import itertools
import math
import mmap
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import cli
from loading import pixels
from loading.pixels import Crop

BATCHES = 3  # the devices work on one; with two to fill, decoders seldom wait
BLOCK = 32  # pictures
LONGEST_SOCKET_PATH = 107  # bytes, under Linux
RECONNECT = 10  # ms
ENDING = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # of prctl(2)


class Decoders:
    """Decoder processes for some pictures; a context manager that leaves no process behind.

    Args:
        read: yields the bytes of the pictures at the given positions (int64), in their order; each decoder calls it
            once, with the positions of all the pictures that it will decode.
        pictures: how many there are.
        crop: which pixels of each picture a batch gets.
        batch_size: pictures of a batch.
        processes: decoders; fewer where there are fewer blocks.
        folder: gets the sockets.

    Raises:
        cli.UserError: the folder's path is too long for a socket.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], Iterator[bytes]],
        pictures: int,
        crop: Crop,
        batch_size: int,
        processes: int,
        folder: Path,
    ):
        self._read, self._crop = read, crop
        self._blocks = picture_blocks(pictures, batch_size)
        count = min(processes, len(self._blocks))
        self._addresses = [f"ipc://{folder}/{number}" for number in range(count)]
        if count and len(os.fsencode(self._addresses[-1])) > len("ipc://") + LONGEST_SOCKET_PATH:
            raise cli.UserError(f"{folder}: too long a path for a socket; set TMPDIR to a shorter one")
        shape = (BATCHES, batch_size, 3, crop.size, crop.size)
        self._batches = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)
        # The processes are forked, before MXNet is loaded: they start at once and have all that this object holds.
        fork = multiprocessing.get_context("fork")
        self._free = [fork.Semaphore(0) for _ in range(count)]  # counts the blocks that each decoder may fill
        self._processes = [
            fork.Process(target=self._run_decoder, args=(number, os.getpid()), daemon=True) for number in range(count)
        ]

    def __enter__(self) -> "Decoders":
        import zmq  # noqa: PLC0415 - before the processes are forked, which then have it

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
            self._pollers = [zmq.Poller() for _ in self._processes]
            for poller, socket in zip(self._pollers, self._sockets, strict=True):
                # Each waits for a message of its decoder or the end of any.
                for awaited in (socket, *(process.sentinel for process in self._processes)):
                    poller.register(awaited, zmq.POLLIN)
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

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield all pictures in their order, batch by batch.

        Yields:
            pixels (batch_size, 3, size, size) uint8 RGB, the caller's until the next batch, and which of its pictures
            decoded (count,) bool; only the last batch has fewer pictures than room, and anything in the rest.

        Raises:
            cli.PassingError: a decoder died.
            cli.UserError: one failed.
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
                raise cli.PassingError(
                    f"decoder {number + 1} of {len(self._processes)} ended with exit code {process.exitcode}"
                    " (-9: killed, for lack of memory perhaps); nothing was written"
                )
        decoded, *fault = self._sockets[decoder].recv_multipart()
        if fault:
            text, passes = fault
            raise (cli.PassingError if passes else cli.UserError)(text.decode())
        return np.frombuffer(decoded, bool)

    def _run_decoder(self, number: int, parent: int) -> None:
        """The body of a decoder process: it fills its blocks, then waits to be ended."""
        import zmq  # noqa: PLC0415

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its decoders
        context = zmq.Context()
        socket = context.socket(zmq.PUSH)
        socket.reconnect_ivl = RECONNECT
        socket.connect(self._addresses[number])
        blocks = self._blocks[number :: len(self._processes)]
        try:
            pictures = self._read(np.concatenate(blocks))
            for block in blocks:
                self._free[number].acquire()
                socket.send(self._fill(block, pictures).tobytes())
        except (cli.UserError, OSError) as error:
            socket.send_multipart([b"", cli.words(error).encode(), b"passes" if cli.may_pass(error) else b""])
        # If this process ended now, messages for which the receiver has no room yet would be lost: the parent ends it.
        signal.pause()

    def _fill(self, block: range, pictures: Iterator[bytes]) -> np.ndarray:
        """Decode the next pictures into the block's part of its batch; returns which decoded (pictures,) bool."""
        in_turn = self._batches.reshape(-1, *self._batches.shape[2:])
        first = block.start % len(in_turn)
        planes = in_turn[first : first + len(block)]
        read = itertools.islice(pictures, len(block))
        return np.array([pixels.fill(*each, self._crop) for each in zip(planes, read, strict=True)])


def picture_blocks(pictures: int, batch_size: int) -> list[range]:
    """Blocks of consecutive pictures, none of which reaches over the end of a batch."""
    return [
        range(first, min(first + BLOCK, start + batch_size, pictures))
        for start in range(0, pictures, batch_size)
        for first in range(start, min(start + batch_size, pictures), BLOCK)
    ]


@contextlib.contextmanager
def _signals_put_off() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait until the block ends: what their handlers raise while Python forks would be lost.

    To block the signals in this thread is not enough: another thread would get them, and Python would run the handlers
    in this one.
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
