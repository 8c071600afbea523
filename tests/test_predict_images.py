"""predict_images.py: the same probabilities however the work is divided, and a prompt end when something dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tiny_catalogs

import build_network
import cli
import predict_images
from catalog.layout import BEFORE_PICTURE
from mxnet_for_numpy2 import mx
from prediction import decoders as decoding
from prediction.decoders import BATCHES, BLOCK, Decoders, decode
from prediction.network import Network

PROGRAM = Path(predict_images.__file__)
CLASSES, SIZE = 5, 32
IMAGE = {"size": SIZE, "mean": [10.0, 20.0, 30.0], "scale": 0.5}
PICTURES = 3 * BLOCK + 7
UNDECODABLE = {4, 11, 12, BLOCK, PICTURES - 1}  # rows
PATIENCE = 20  # seconds within which a program that cannot go on has to end


def draw(rng: np.random.Generator, height: int, width: int) -> bytes:
    picture = cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def with_huge_sides(jpeg: bytes) -> bytes:
    """The JPEG with sides in its header that OpenCV refuses by an exception."""
    sides = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:sides] + b"\xff\xfe\xff\xfe" + jpeg[sides + 4 :]


class Case:
    """A catalog of pictures of all shapes, some of which do not decode, and a model."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(5)
        shapes = [(180, 180), (180, 180), (SIZE, SIZE), (90, 200), (200, 77), (31, 45)]
        self.pictures = [draw(rng, *shapes[number % len(shapes)]) for number in range(PICTURES)]
        self.pictures[4], self.pictures[11] = b"\xff\xd8 no picture", b""
        self.pictures[12] = with_huge_sides(self.pictures[12])
        self.pictures[BLOCK] = self.pictures[PICTURES - 1] = b"none"
        products, left = [], self.pictures
        while left:
            count = 1 + len(products) % 4
            products.append(tiny_catalogs.product(100 + len(products), left[:count], None))
            left = left[count:]
        self.folder = folder
        self.catalog = tiny_catalogs.write(folder / "test.bson", products)
        self.rows = tiny_catalogs.indexed(self.catalog)
        self.images = self.catalog.with_suffix(".parquet")
        self.weights = rng.normal(0, 0.002, (CLASSES, 3 * SIZE * SIZE)).astype(np.float32)
        self.symbol, self.params = folder / "symbol.json", folder / "0001.params"
        scores = mx.sym.FullyConnected(mx.sym.flatten(mx.sym.Variable("data")), num_hidden=CLASSES, name="fc")
        build_network.prediction_symbol(scores, IMAGE).save(str(self.symbol))
        mx.nd.save(str(self.params), {"arg:fc_weight": mx.nd.array(self.weights), "arg:fc_bias": mx.nd.zeros(CLASSES)})

    def arguments(self, output: Path, **changed: object) -> list[str]:
        options = {
            "catalog": self.catalog,
            "images": self.images,
            "shard": 0,
            "shards": 1,
            "symbol": self.symbol,
            "params": self.params,
            "image-size": SIZE,
            "resize": SIZE,
            "batch-size": 12,
            "decoders": 2,
            "output": output,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        return [str(word) for name, value in options.items() for word in (f"--{name}", value)]

    def expected(self) -> np.ndarray:
        """Probabilities by plain numpy."""
        rows = []
        for picture in self.pictures:
            pixels = decode(picture, SIZE, SIZE)
            if pixels is None:
                rows.append(np.full(CLASSES, np.nan))
                continue
            values = (pixels.astype(np.float32) - IMAGE["mean"]) * IMAGE["scale"]
            rows.append(np.mean([self.softmax(values), self.softmax(values[:, ::-1])], axis=0))
        return np.array(rows)

    def softmax(self, values: np.ndarray) -> np.ndarray:
        powers = np.exp(self.weights @ values.transpose(2, 0, 1).ravel())
        return powers / powers.sum()


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    return Case(tmp_path_factory.mktemp("case"))


def run_here(case: Case, output: Path, **changed: object) -> np.ndarray:
    """Run the program's main() in this process; returns the probabilities."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict_images.py", *case.arguments(output, **changed)])
        predict_images.main()
    return np.load(output)


@pytest.fixture(scope="module")
def whole(case) -> Path:
    """All probabilities, by one decoder."""
    output = case.folder / "whole/0000.npy"
    run_here(case, output, decoders=1)
    return output


def test_probabilities_are_the_plain_mean_over_picture_and_mirror(case, whole):
    probabilities = np.load(whole)
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities, case.expected(), rtol=1e-3, atol=1e-4)
    assert np.nanmax(np.abs(np.diff(probabilities, axis=0))) > 0.01, "all pictures look the same to this network"


@pytest.mark.parametrize("decoders", [2, 4])
def test_the_number_of_decoders_does_not_change_a_byte(case, whole, tmp_path, decoders):
    output = tmp_path / "0000.npy"
    run_here(case, output, decoders=decoders)
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize(("batch_size", "block"), [(1, BLOCK), (5, BLOCK), (8, 2), (64, BLOCK), (1000, BLOCK)])
def test_pictures_are_read_in_their_order_whatever_the_batches_and_the_decoders(
    case, tmp_path, monkeypatch, batch_size, block, count
):
    monkeypatch.setattr(decoding, "BLOCK", block)
    pixels, decoded = [], []
    with Decoders(case.catalog, case.rows, SIZE, SIZE, batch_size, count, tmp_path) as decoders:
        for batch, is_decoded in decoders.batches():
            time.sleep(0.01)  # decoders that do not wait for this batch would write into it now
            pixels += list(batch[: len(is_decoded)].copy())
            decoded += is_decoded.tolist()
    assert set(np.flatnonzero(~np.array(decoded))) == UNDECODABLE
    assert len(pixels) == PICTURES
    for row in np.flatnonzero(decoded):
        np.testing.assert_array_equal(pixels[row].transpose(1, 2, 0), decode(case.pictures[row], SIZE, SIZE))


def test_a_shard_that_is_run_again_alone_equals_its_part(case, whole, tmp_path):
    shards = [run_here(case, tmp_path / f"{shard}.npy", shard=shard, shards=3) for shard in range(3)]
    assert [len(shard) for shard in shards] == [PICTURES * n // 3 - PICTURES * (n - 1) // 3 for n in (1, 2, 3)]
    np.testing.assert_array_equal(np.concatenate(shards), np.load(whole))
    again = tmp_path / "again.npy"
    run_here(case, again, shard=1, shards=3, decoders=1)
    assert again.read_bytes() == (tmp_path / "1.npy").read_bytes()


def test_the_batch_size_changes_rounding_at_most(case, whole, tmp_path):
    probabilities = run_here(case, tmp_path / "0000.npy", batch_size=2 * PICTURES)
    np.testing.assert_allclose(probabilities, np.load(whole), rtol=1e-3, atol=1e-6)


# Any context but cpu(0) is treated as a GPU, so that CPUs show what GPUs do.
@pytest.mark.parametrize("places", [[0], [1], [1, 2], [1, 2, 3, 4], range(1, 10)])
def test_a_batch_is_shared_by_all_devices(case, places):
    network = Network(case.symbol, case.params, SIZE, 6, [mx.cpu(place) for place in places])
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 3, SIZE, SIZE), np.uint8)
        values = (pixels.transpose(0, 2, 3, 1).astype(np.float32) - IMAGE["mean"]) * IMAGE["scale"]
        expected = [np.mean([case.softmax(v), case.softmax(v[:, ::-1])], axis=0) for v in values]
        np.testing.assert_allclose(network.probabilities(pixels), expected, rtol=1e-5)


def test_batches_in_different_memory_do_not_disturb_each_other(case):
    network = Network(case.symbol, case.params, SIZE, 6, [mx.cpu()])
    first, second = np.random.default_rng(1).integers(0, 256, (2, 6, 3, SIZE, SIZE), np.uint8)
    expected = [network.probabilities(batch.copy()) for batch in (first, second)]
    for _ in range(2):  # the mirror of the mirror has the same mean
        np.testing.assert_array_equal(network.probabilities(first), expected[0])
        np.testing.assert_array_equal(network.probabilities(second), expected[1])


def test_a_shard_without_pictures_is_an_array_without_rows(case, tmp_path):
    output = tmp_path / "0000.npy"
    assert run_here(case, output, shard=0, shards=PICTURES + 1).shape == (0, CLASSES)
    assert output.with_suffix(".undecodable.csv").read_text() == "product_id,image,doc_offset,reason\n"


def test_an_undecodable_picture_is_a_row_of_nan_and_listed(case, whole):
    missing = np.isnan(np.load(whole))
    assert set(np.flatnonzero(missing.all(axis=1))) == set(np.flatnonzero(missing.any(axis=1))) == UNDECODABLE
    listed = pd.read_csv(whole.with_suffix(".undecodable.csv"))
    columns = ["product_id", "image", "doc_offset"]
    faulty = case.rows.iloc[sorted(UNDECODABLE)][columns].astype(np.int64)
    pd.testing.assert_frame_equal(listed[columns], faulty.reset_index(drop=True))
    assert set(listed.reason) == {"the picture does not decode"}


def test_decoders_do_not_run_ahead_of_the_devices(case, tmp_path, monkeypatch):
    made = multiprocessing.Value("q", 0)

    def count(picture: bytes, size: int, resize: int) -> np.ndarray:
        with made.get_lock():
            made.value += 1
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(decoding, "decode", count)
    rows = case.rows.iloc[np.zeros(20 * BLOCK, int)]
    batch_size = 2 * BLOCK
    with Decoders(case.catalog, rows, SIZE, SIZE, batch_size, 2, tmp_path) as decoders:
        batches = decoders.batches()
        next(batches)
        seen = -1
        while seen < made.value:
            seen = made.value
            time.sleep(0.3)
        assert seen == BATCHES * batch_size
        assert len(list(batches)) == 9
    assert made.value == len(rows)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition: Callable) -> object:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def start(case: Case, tmp_path: Path) -> tuple[subprocess.Popen, list[int]]:
    """Start the program with a temporary directory of its own; returns it and its decoders."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), *case.arguments(tmp_path / "out/0000.npy")],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    return program, wait_for(lambda: found if len(found := children(program.pid)) == 2 else None)


def assert_nothing_is_left(tmp_path: Path, decoders: list[int]) -> None:
    assert not any(map(is_running, decoders))
    assert list((tmp_path / "t").iterdir()) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_a_killed_decoder_ends_the_program_with_one_line(case, tmp_path):
    program, decoders = start(case, tmp_path)
    os.kill(decoders[1], signal.SIGKILL)
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 2
    [line] = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "decoder 2 of 2 ended with exit code -9" in line
    assert "Traceback" not in errors
    assert_nothing_is_left(tmp_path, decoders)


def test_a_terminated_program_leaves_nothing(case, tmp_path):
    program, decoders = start(case, tmp_path)
    program.terminate()
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert_nothing_is_left(tmp_path, decoders)


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


def test_decoders_do_not_outlive_a_killed_program(case, tmp_path):
    program, decoders = start(case, tmp_path)
    program.kill()
    program.communicate(timeout=PATIENCE)
    wait_for(lambda: not any(map(is_running, decoders)))


@pytest.mark.slow
@pytest.mark.parametrize("wait", np.linspace(0, 3, 13))
def test_a_program_that_is_terminated_at_any_time_leaves_nothing(case, tmp_path, wait):
    program, decoders = start(case, tmp_path)
    time.sleep(wait)
    program.terminate()
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode in (0, 128 + signal.SIGTERM)
    assert "Traceback" not in errors
    assert not any(map(is_running, decoders))
    assert list((tmp_path / "t").iterdir()) == []
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == ({"0000.npy", "0000.undecodable.csv"} if program.returncode == 0 else set())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_decoder_that_dies_halfway_is_noticed_while_others_go_on(case, tmp_path, victim):
    many = case.rows.iloc[np.zeros(100 * BLOCK, int)]
    with Decoders(case.catalog, many, SIZE, SIZE, BLOCK, 2, tmp_path) as decoders:
        batches = decoders.batches()
        next(batches)
        os.kill(decoders._processes[victim].pid, signal.SIGKILL)
        decoders._processes[victim].join()
        with pytest.raises(cli.UserError, match=f"decoder {victim + 1} of 2 ended with exit code -9"):
            next(batches)
    assert multiprocessing.active_children() == []


def test_a_catalog_that_changed_since_is_one_line(case, tmp_path):
    other = tmp_path / "test.bson"
    last = next(case.rows[-1:].itertuples())
    before = last.image_offset - BEFORE_PICTURE
    other.write_bytes(case.catalog.read_bytes()[:before].ljust(case.catalog.stat().st_size, b"\0"))
    message = rf"^{other}: byte {last.image_offset}: product {last.product_id}: no picture .*index it again"
    with pytest.raises(cli.UserError, match=message):
        run_here(case, tmp_path / "out/0000.npy", catalog=other)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_catalog_is_one_line(case, tmp_path):
    with pytest.raises(cli.UserError, match=f"{tmp_path}/none.bson: No such file"):
        run_here(case, tmp_path / "out/0000.npy", catalog=tmp_path / "none.bson")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("broken", ["symbol", "params"])
@pytest.mark.parametrize("content", [b'{"nodes": ', b"", b"\xff\xfe\x00"])
def test_a_broken_model_file_is_one_line(case, tmp_path, broken, content):
    path = tmp_path / broken
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=f"^{path}: (byte 0: |)[^\n]*not a[^\n]*$"):
        run_here(case, tmp_path / "out/0000.npy", **{broken: path})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_of_another_size_is_one_line(case, tmp_path):
    with pytest.raises(cli.UserError, match=rf"^{case.params}: 1 of the 2 arrays of {case.symbol} match"):
        run_here(case, tmp_path / "out/0000.npy", image_size=2 * SIZE)


def test_a_failing_device_is_one_line(case, tmp_path, monkeypatch):
    def fail(*_):
        raise mx.MXNetError("Traceback\n  somewhere\nCUDA: out of memory\n")

    monkeypatch.setattr(mx.nd.NDArray, "asnumpy", fail)
    with pytest.raises(cli.UserError, match=r"^a device failed: CUDA: out of memory; nothing was written$"):
        run_here(case, tmp_path / "out/0000.npy")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_temporary_directory_too_deep_for_a_socket_is_one_line(case, tmp_path):
    with pytest.raises(cli.UserError, match="TMPDIR"):
        Decoders(case.catalog, case.rows, SIZE, SIZE, BLOCK, 2, tmp_path / ("x" * 120))


@pytest.mark.parametrize("resize", [64, 81])
@pytest.mark.parametrize(("height", "width"), [(180, 180), (64, 64), (100, 171), (171, 100), (40, 50), (65, 64)])
def test_pictures_are_decoded_as_training_decodes_them(tmp_path, height, width, resize):
    picture, size = draw(np.random.default_rng(height), height, width), 64
    records = mx.recordio.MXIndexedRecordIO(str(tmp_path / "x.idx"), str(tmp_path / "x.rec"), "w")
    records.write_idx(0, mx.recordio.pack(mx.recordio.IRHeader(0, 0, 0, 0), picture))
    records.close()
    batches = mx.io.ImageRecordIter(
        path_imgrec=str(tmp_path / "x.rec"), data_shape=(3, size, size), resize=resize, batch_size=1, verbose=False
    )
    (trained,) = batches.next().data[0].asnumpy()
    np.testing.assert_array_equal(decode(picture, size, resize), trained.transpose(1, 2, 0))
