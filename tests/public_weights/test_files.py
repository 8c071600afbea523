"""files.py: safetensors files, and names on the Hugging Face Hub."""

import json
import sys

import numpy as np
import pytest
import safetensors.numpy

import cli
from public_weights import files


def test_arrays_of_a_safetensors_file_are_read(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"fc.bias": np.arange(3, dtype=np.float32), "conv.weight": np.ones((2, 1, 1, 1))}, path)
    found = files.read(path)
    assert sorted(found) == ["conv.weight", "fc.bias"]
    assert found["fc.bias"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Not found</html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        (1 << 40).to_bytes(8, "little") + b"{}",
        (40).to_bytes(8, "little") + json.dumps({"a": {"dtype": "F32", "shape": [9]}}).encode().ljust(40),
    ],
)
def test_a_damaged_safetensors_file_is_one_line(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=r"model\.safetensors: not a safetensors file, or damaged \(.+\)"):
        files.read(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(cli.UserError, match="no such file"):
        files.read(tmp_path / "model.safetensors")


def test_a_name_on_the_hub_asks_for_the_package_that_fetches_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(cli.UserError, match=r"hf-hub:timm/dpn92\.mx_in1k: install the package huggingface_hub"):
        files.located("hf-hub:timm/dpn92.mx_in1k")
