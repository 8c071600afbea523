"""The benchmark of the engine, on the CPU and of tiny networks."""

import json
import re
import subprocess
import sys

import pytest

from checkout import ROOT

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

WITHOUT = """
import json, runpy, sys
sys.modules |= dict.fromkeys(("mxnet", "zmq", "bson"))
sys.argv = json.loads(sys.argv[1])
sys.path.insert(0, "benchmarks")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def test_it_fills_its_tables_without_mxnet_zeromq_and_bson():
    words = "--overlay profiles/demo/overlay.yaml --networks dpn-92 densenet-161 --size 32 --batch-size 2 --batches 3"
    words = ["benchmarks/bench_engine.py", *words.split(), "--classes", "4", "--threads", "1", "--ways", "bfloat16"]
    command = [sys.executable, "-c", WITHOUT, json.dumps(words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    heads = [row[0] for row in rows]
    assert heads == ["training", "---", "dpn-92", "densenet-161", "prediction", "---", "dpn-92", "densenet-161"]
    assert "What failed" not in done.stdout
    for name, records, memory, ratio, peak, bfloat16 in (row for row in rows if row[0] in ("dpn-92", "densenet-161")):
        assert all(re.fullmatch(r"\d[\d.,]*", cell) for cell in (records, memory, ratio, bfloat16)), name
        assert peak == "-"
        assert float(ratio) == pytest.approx(number(records) / number(memory), abs=0.02)
