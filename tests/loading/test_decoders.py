"""loading/decoders.py: the same batches whatever the processes, none ahead of the devices, none left behind."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import cli
from loading import decoders as decoding
from loading.decoders import BATCHES, BLOCK, Decoders
from loading.pixels import Crop, cropped, decoded
from tiny_catalogs import draw, with_huge_sides

SIZE = 32
CROP = Crop(SIZE, SIZE)
SHAPES = [(180, 180), (180, 180), (SIZE, SIZE), (90, 200), (200, 77), (31, 45)]
RNG = np.random.default_rng(5)
PICTURES = [draw(RNG, *SHAPES[number % len(SHAPES)]) for number in range(3 * BLOCK + 7)]
PICTURES[4], PICTURES[11], PICTURES[12] = b"\xff\xd8 no picture", b"", with_huge_sides(PICTURES[12])
PICTURES[BLOCK] = PICTURES[-1] = b"none"
UNDECODABLE = {4, 11, 12, BLOCK, len(PICTURES) - 1}


def read(positions: np.ndarray) -> Iterator[bytes]:
    """The pictures at the positions; those behind the last start again."""
    return (PICTURES[position % len(PICTURES)] for position in positions)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize(("batch_size", "block"), [(1, BLOCK), (5, BLOCK), (8, 2), (64, BLOCK), (1000, BLOCK)])
def test_pictures_are_read_in_their_order_whatever_the_batches_and_the_decoders(
    tmp_path, monkeypatch, batch_size, block, count
):
    monkeypatch.setattr(decoding, "BLOCK", block)
    pixels, is_decoded = [], []
    with Decoders(read, len(PICTURES), CROP, batch_size, count, tmp_path) as decoders:
        for batch, decoded_of_batch in decoders.batches():
            time.sleep(0.01)  # decoders that do not wait for this batch would write into it now
            pixels += list(batch[: len(decoded_of_batch)].copy())
            is_decoded += decoded_of_batch.tolist()
    assert set(np.flatnonzero(~np.array(is_decoded))) == UNDECODABLE
    assert len(pixels) == len(PICTURES)
    for number, (planes, picture) in enumerate(zip(pixels, PICTURES, strict=True)):
        expected = np.zeros((SIZE, SIZE, 3)) if number in UNDECODABLE else cropped(decoded(picture), CROP)
        np.testing.assert_array_equal(planes.transpose(1, 2, 0), expected)


def test_decoders_do_not_run_ahead_of_the_devices(tmp_path):
    made, pictures, batch_size = multiprocessing.Value("q", 0), 20 * BLOCK, 2 * BLOCK

    def count(positions: np.ndarray) -> Iterator[bytes]:
        for _ in positions:
            with made.get_lock():
                made.value += 1
            yield b"none"

    with Decoders(count, pictures, CROP, batch_size, 2, tmp_path) as decoders:
        batches = decoders.batches()
        next(batches)
        seen = -1
        while seen < made.value:
            seen = made.value
            time.sleep(0.3)
        assert seen == BATCHES * batch_size
        assert len(list(batches)) == 9
    assert made.value == pictures


def test_a_signal_waits_while_decoders_start_whichever_thread_gets_it():
    handled, over = [], threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: handled.append("in time"))
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with decoding._signals_put_off():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            assert handled == []
        assert handled == ["in time"]
    finally:
        signal.signal(signal.SIGTERM, before)
        over.set()
        thread.join()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_decoder_that_dies_halfway_is_noticed_while_others_go_on(tmp_path, victim):
    with Decoders(read, 100 * BLOCK, CROP, BLOCK, 2, tmp_path) as decoders:
        batches = decoders.batches()
        next(batches)
        os.kill(decoders._processes[victim].pid, signal.SIGKILL)
        decoders._processes[victim].join()
        with pytest.raises(cli.UserError, match=f"decoder {victim + 1} of 2 ended with exit code -9"):
            next(batches)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("fault", [cli.UserError("a line"), OSError(5, "a", "line")])
def test_a_fault_of_the_source_is_raised_where_the_batches_are_used(tmp_path, fault):
    def fail(_: np.ndarray) -> Iterator[bytes]:
        yield b"none"
        raise fault

    line = "a line" if isinstance(fault, cli.UserError) else "line: a"
    with (
        Decoders(fail, 3, CROP, 2, 2, tmp_path) as decoders,
        pytest.raises(cli.UserError, match=f"^{line}$"),
    ):
        list(decoders.batches())


def test_a_temporary_directory_too_deep_for_a_socket_is_one_line(tmp_path):
    with pytest.raises(cli.UserError, match="TMPDIR"):
        Decoders(read, len(PICTURES), CROP, BLOCK, 2, tmp_path / ("x" * 120))
