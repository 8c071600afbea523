"""predict_images.py: the same probabilities however the work is divided, and a prompt end when something dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
import predict_images
import reference_networks
import tiny_catalogs
from catalog.layout import BEFORE_PICTURE
from disks import small_disk
from engines.mxnet.library import mx
from loading.decoders import BLOCK
from loading.pixels import Crop, cropped, decoded
from postprocessing.scores import NotFiniteError
from postprocessing.shards import NewShard
from programs import error_of, run_apart
from training import checkpoints

PROGRAM = Path(predict_images.__file__)
CLASSES, SIZE = 5, 32
IMAGE = {"size": SIZE, "mean": [10.0, 20.0, 30.0], "scale": 0.5}
NETWORK = {"family": "resnext", "stem": 8, "units": [1, 1], "filters": [16, 32], "groups": 2, "width": 1.0}
PICTURES = 3 * BLOCK + 7
UNDECODABLE = {4, 11, 12, BLOCK, PICTURES - 1}  # rows
PATIENCE = 20  # seconds within which a program that cannot go on has to end


class Case:
    """A catalog of pictures of all shapes, some of which do not decode, and a model."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(5)
        shapes = [(180, 180), (180, 180), (SIZE, SIZE), (90, 200), (200, 77), (31, 45)]
        self.pictures = [tiny_catalogs.draw(rng, *shapes[number % len(shapes)]) for number in range(PICTURES)]
        products, left = [], self.pictures
        while left:
            count = 1 + len(products) % 4
            products.append(tiny_catalogs.product(100 + len(products), left[:count], None))
            left = left[count:]
        self.folder = folder
        self.catalog = tiny_catalogs.write(folder / "test.bson", products)
        self.rows = tiny_catalogs.indexed(self.catalog)
        content = bytearray(self.catalog.read_bytes())
        for number in UNDECODABLE:  # since they were indexed
            start, size = self.rows[["image_offset", "image_size"]].iloc[number]
            self.pictures[number] = None
            content[start : start + size] = bytes(size) if number % 2 else b"no picture".ljust(size)
        self.catalog.write_bytes(content)
        self.images = self.catalog.with_suffix(".parquet")
        self.params = folder / "0001.params"
        kinds = reference_networks.random_arrays(NETWORK, SIZE, CLASSES, rng)
        checkpoints.save(self.params, *map(reference_networks.in_float32, kinds))
        self.arrays = kinds[0] | kinds[1]

    def arguments(self, output: Path, **changed: object) -> list[str]:
        options = {
            "catalog": self.catalog,
            "images": self.images,
            "shard": 0,
            "shards": 1,
            "network": json.dumps(NETWORK),
            "image": json.dumps(IMAGE),
            "params": self.params,
            "batch-size": 12,
            "decoders": 2,
            "probabilities": output,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        words = [(f"--{name}", *(value if isinstance(value, list) else [value])) for name, value in options.items()]
        return [str(word) for option in words for word in option]

    def expected(self) -> np.ndarray:
        """Probabilities by plain numpy."""

        def probabilities(both: np.ndarray) -> np.ndarray:
            powers = np.exp(reference_networks.scores(NETWORK, self.arrays, both))
            return powers / powers.sum(axis=1, keepdims=True)

        return self._means(CLASSES, probabilities)

    def expected_features(self) -> np.ndarray:
        """Pooled features by plain numpy: the scores of a classifier that changes nothing."""
        width = self.arrays["fc_weight"].shape[1]
        arrays = self.arrays | {"fc_weight": np.eye(width), "fc_bias": np.zeros(width)}
        return self._means(width, lambda both: reference_networks.scores(NETWORK, arrays, both))

    def _means(self, columns: int, give: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Means over each picture and its mirror."""
        rows = []
        for picture in self.pictures:
            if picture is None:
                rows.append(np.zeros(columns))
                continue
            pixels = decoded(picture)
            values = (cropped(pixels, Crop(SIZE, SIZE)) - np.array(IMAGE["mean"])) * IMAGE["scale"]
            rows.append(give(np.stack([values, values[:, ::-1]]).transpose(0, 3, 1, 2)).mean(axis=0))
        return np.array(rows)


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


def test_features_are_the_classifiers_input_and_probabilities_stay_the_same_beside_them(case, whole, tmp_path):
    found = run_here(case, tmp_path / "p/0000.npy", features=tmp_path / "f/0000.npy")
    np.testing.assert_array_equal(found, np.load(whole))
    features = np.load(tmp_path / "f/0000.npy")
    assert features.dtype == np.float16
    np.testing.assert_allclose(features, case.expected_features(), rtol=2e-3, atol=1e-3)
    assert np.ptp(features[0]) > 0.1


def test_features_alone_need_no_probabilities(case, tmp_path):
    words = case.arguments(tmp_path / "none.npy", features=tmp_path / "f/0000.npy")
    at = words.index("--probabilities")
    done = run_apart("predict_images", *words[:at], *words[at + 2 :])
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["0000.npy", "0000.undecodable.csv"]
    np.testing.assert_allclose(np.load(tmp_path / "f/0000.npy"), case.expected_features(), rtol=2e-3, atol=1e-3)
    assert "give --probabilities, --features or both" in error_of(
        run_apart("predict_images", *words[:at], *words[at + 4 :])
    )


def test_pictures_of_several_dumps_are_those_of_one_file(case, whole, tmp_path):
    raw, cuts = case.catalog.read_bytes(), [0, *case.rows.doc_offset.unique()[[3, 4, 20]], None]
    dumps = [tmp_path / f"{number}.bson" for number in range(len(cuts) - 1)]
    for dump, start, stop in zip(dumps, cuts, cuts[1:], strict=False):
        dump.write_bytes(raw[start:stop])
    run_here(case, tmp_path / "0000.npy", catalog=dumps)
    assert (tmp_path / "0000.npy").read_bytes() == whole.read_bytes()


def test_probabilities_are_the_plain_mean_over_picture_and_mirror(case, whole):
    probabilities = np.load(whole)
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities, case.expected(), rtol=1e-3, atol=1e-4)
    assert np.max(np.abs(np.diff(probabilities, axis=0))) > 0.01, "all pictures look the same to this network"


@pytest.mark.parametrize("decoders", [2, 4])
def test_the_number_of_decoders_does_not_change_a_byte(case, whole, tmp_path, decoders):
    output = tmp_path / "0000.npy"
    run_here(case, output, decoders=decoders)
    assert output.read_bytes() == whole.read_bytes()


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


def test_a_shard_without_pictures_is_an_array_without_rows(case, tmp_path):
    output = tmp_path / "0000.npy"
    assert run_here(case, output, shard=0, shards=PICTURES + 1).shape == (0, CLASSES)
    assert output.with_suffix(".undecodable.csv").read_text() == "product_id,image,doc_offset,reason\n"


def test_an_undecodable_picture_is_a_row_of_zeros_and_listed(case, whole):
    assert set(np.flatnonzero((np.load(whole) == 0).all(axis=1))) == UNDECODABLE
    listed = pd.read_csv(whole.with_suffix(".undecodable.csv"))
    columns = ["product_id", "image", "doc_offset"]
    faulty = case.rows.iloc[sorted(UNDECODABLE)][columns].astype(np.int64)
    pd.testing.assert_frame_equal(listed[columns], faulty.reset_index(drop=True))
    assert set(listed.reason) == {"the picture does not decode"}


def test_probabilities_that_are_not_finite_name_checkpoint_and_picture_and_nothing_is_written(case, tmp_path):
    """Of a network one of whose classes has a bias that is not finite."""
    arguments, auxiliaries = checkpoints.load(case.params)
    path = tmp_path / "M01/0001.params"
    path.parent.mkdir()
    bias = np.append(arguments["fc_bias"][1:], np.float32(np.nan))
    checkpoints.save(path, arguments | {"fc_bias": bias}, auxiliaries)
    (tmp_path / "out").mkdir()
    line = error_of(run_apart("predict_images", *case.arguments(tmp_path / "out/0000.npy", params=path)))
    assert f"{path}: product 100, picture 0: the network's probabilities are not finite; train" in line
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("row", "column", "number"), [(0, 0, np.nan), (29, CLASSES - 1, np.nan), (29, 2, np.inf)])
def test_the_first_picture_that_is_not_finite_is_told_in_any_batch_and_for_any_class(tmp_path, row, column, number):
    found = np.full((36, CLASSES), 0.2, np.float32)
    found[row:, column] = number
    batches = iter(np.split(found, 3))

    class Engine:
        def means(self, _: np.ndarray) -> dict[str, np.ndarray]:
            return {"probabilities": next(batches)}

    class AllDecoded:
        def batches(self) -> Iterator[tuple[None, np.ndarray]]:
            yield from [(None, np.ones(12, bool))] * 3

    with (tmp_path / "0.npy").open("wb", buffering=0) as file:
        shards = {"probabilities": NewShard(file, found.shape)}
        with pytest.raises(NotFiniteError) as caught:
            predict_images.predict(Engine(), AllDecoded(), len(found), shards)
    assert caught.value.row == row


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
    assert program.returncode == cli.MAY_PASS
    [line] = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert line.endswith(cli.ANOTHER_ATTEMPT)
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


def test_a_full_disk_is_one_line_and_nothing_is_left(case, tmp_path):
    """Where the file was mapped into memory, the process ended by SIGBUS without a word."""
    kinds = reference_networks.random_arrays(NETWORK, SIZE, 99, np.random.default_rng(1))
    checkpoints.save(tmp_path / "0001.params", *map(reference_networks.in_float32, kinds))
    with small_disk(tmp_path / "disk", 12 << 10) as disk:  # of three pages: the header fits, the rows do not
        words = case.arguments(disk / "0000.npy", params=tmp_path / "0001.params")
        done = run_apart("predict_images", *words)
        assert f"{disk / '0000.npy'}, " in (line := error_of(done))
        assert line.endswith("cannot be written: No space left on device")
        assert tiny_catalogs.files_below(disk) == set()


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


@pytest.mark.parametrize("content", [b'{"nodes": ', b"", b"\xff\xfe\x00"])
def test_a_broken_params_file_is_one_line(case, tmp_path, content):
    path = tmp_path / "0001.params"
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=f"^{path}: byte 0: [^\n]*not a[^\n]*$"):
        run_here(case, tmp_path / "out/0000.npy", params=path)
    assert list((tmp_path / "out").iterdir()) == []


def test_weights_of_another_network_are_one_line(case, tmp_path):
    other = json.dumps(NETWORK | {"stem": 16})
    with pytest.raises(cli.UserError, match=rf"^{case.params}: \d+ of the \d+ arrays of its network match; train"):
        run_here(case, tmp_path / "out/0000.npy", network=other)
    checkpoints.save(tmp_path / "none.params", {"conv0_weight": np.zeros((1, 1), np.float32)}, {})
    with pytest.raises(cli.UserError, match=rf"^{tmp_path}/none.params: no fc_weight"):
        run_here(case, tmp_path / "out/0000.npy", params=tmp_path / "none.params")


def test_a_failing_device_is_one_line(case, tmp_path, monkeypatch):
    def fail(*_):
        raise mx.MXNetError("Traceback\n  somewhere\nCUDA: out of memory\n")

    monkeypatch.setattr(mx.nd.NDArray, "asnumpy", fail)
    with pytest.raises(cli.UserError, match=r"^CUDA: out of memory; lower batch_size .*$"):
        run_here(case, tmp_path / "out/0000.npy")
    assert list((tmp_path / "out").iterdir()) == []
