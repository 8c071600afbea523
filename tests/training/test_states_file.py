"""Optimizer states on disk."""

import hashlib

import numpy as np

from training import states_file


def test_states_are_the_same_file_under_every_python(tmp_path):
    path = tmp_path / "0001.states"
    states_file.write_npz(path, {"header": np.array("{}"), "0/0": np.arange(6, dtype=np.float32).reshape(2, 3)})
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("189af3416ca28dc1")
    assert np.load(path)["0/0"].tolist() == [[0, 1, 2], [3, 4, 5]]
