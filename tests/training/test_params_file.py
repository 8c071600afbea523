""".params without MXNet: what MXNet writes is read, and what is written are MXNet's own bytes."""

import contextlib
import struct

import numpy as np
import pytest

import cli
from engines.mxnet.library import mx
from training import params_file

RNG = np.random.default_rng(3)
ARRAYS = {
    "arg:conv0_weight": RNG.normal(size=(4, 3, 2, 2)).astype(np.float32),
    "arg:fc_bias": RNG.normal(size=5).astype(np.float32),
    "aux:bn_moving_mean": RNG.normal(size=(1,)).astype(np.float32),
    "double": RNG.normal(size=(2, 3)),
    "half": RNG.normal(size=(3,)).astype(np.float16),
    "bytes": RNG.integers(0, 256, (2, 2), np.uint8),
    "int": RNG.integers(-9, 9, (3, 1), np.int32),
    "small": RNG.integers(-9, 9, (3,), np.int8),
    "größe": RNG.integers(-9, 9, (2,), np.int64),
}


@pytest.fixture
def of_mxnet(tmp_path):
    path = tmp_path / "mxnet.params"
    mx.nd.save(str(path), {name: mx.nd.array(array, dtype=array.dtype) for name, array in ARRAYS.items()})
    return path


def assert_equal(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_mxnet_writes_is_read(of_mxnet):
    assert_equal(params_file.read(of_mxnet), ARRAYS)


def test_what_is_written_are_mxnets_bytes(of_mxnet, tmp_path):
    params_file.write(tmp_path / "ours.params", ARRAYS)
    assert (tmp_path / "ours.params").read_bytes() == of_mxnet.read_bytes()


def test_views_are_written_as_what_they_show(tmp_path):
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    params_file.write(tmp_path / "ours.params", {"a": turned})
    assert mx.nd.load(str(tmp_path / "ours.params"))["a"].asnumpy().tolist() == turned.tolist()


@pytest.mark.parametrize("storage", ["without", "oldest"])
def test_files_of_earlier_versions_are_read_as_mxnet_reads_them(tmp_path, storage):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    shape = struct.pack("<Iiqq", params_file.MAGIC_WITHOUT_STORAGE, 2, 2, 3)
    content = struct.pack("<QQQ", 0x112, 0, 1) + (shape if storage == "without" else struct.pack("<III", 2, 2, 3))
    content += struct.pack("<iii", 1, 0, 0) + array.tobytes() + struct.pack("<QQ", 1, 1) + b"a"
    path = tmp_path / "old.params"
    path.write_bytes(content)
    assert mx.nd.load(str(path))["a"].asnumpy().tolist() == array.tolist()
    assert_equal(params_file.read(path), {"a": array})


def test_a_file_that_is_cut_off_anywhere_is_one_line_with_the_place(of_mxnet):
    content = of_mxnet.read_bytes()
    for size in range(len(content)):
        of_mxnet.write_bytes(content[:size])
        with pytest.raises(cli.UserError, match=r"mxnet\.params: byte \d+: .*delete it and make it again"):
            params_file.read(of_mxnet)


def test_any_damaged_byte_is_read_or_told_but_never_a_traceback(of_mxnet):
    content = of_mxnet.read_bytes()
    for place in range(len(content)):
        of_mxnet.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with contextlib.suppress(cli.UserError):
            params_file.read(of_mxnet)


def test_an_empty_array_is_told(tmp_path):
    params_file.write(tmp_path / "empty.params", {"a": np.zeros((0, 3), np.float32)})
    with pytest.raises(cli.UserError, match=r"an array of the shape \(0, 3\)"):
        params_file.read(tmp_path / "empty.params")


def test_a_sparse_array_is_named(tmp_path):
    path = tmp_path / "sparse.params"
    mx.nd.save(str(path), {"a": mx.nd.zeros((3, 2)).tostype("row_sparse")})
    with pytest.raises(cli.UserError, match="sparse array"):
        params_file.read(path)
