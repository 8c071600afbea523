"""A catalog in several dumps: the same workflow, with a job per dump and one that joins their indexes."""

from pathlib import Path

import bson
import pytest

from catalog.index import read_index
from records.files import record_count
from tiny_catalogs import jpeg, product, products, write
from tiny_workflow import artifacts_in, snakemake
from workflow.image_sets import TEST as TEST_SET

TEST = [product(1000 + number, [jpeg(500 + number)], None) for number in range(6)]


@pytest.fixture
def overlay(tmp_path) -> Path:
    """A configuration on a catalog of three training dumps and two of test products."""
    everything = products(60)
    dumps = {"train/b": everything[:25], "train/a": everything[25:], "test/2024-01-02": TEST[:2], "test/x": TEST[2:]}
    for name, documents in dumps.items():
        path = tmp_path / f"catalog/{name}.bson"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, documents)
    path = tmp_path / "overlay.yaml"
    path.write_text(
        f"{{catalog: {tmp_path}/catalog, results: results, valid_fraction: 0.25, prediction: {{gpus: 0}}}}\n"
    )
    return path


def test_dumps_are_indexed_by_a_job_each_and_split_as_one_file(overlay, tmp_path):
    made = artifacts_in(tmp_path, overlay)
    confusions, shard = made.tables["show_confusions"], made.answers.predictions[TEST_SET, "M14"][0]
    assert [Path(path).name for path in confusions.sources["catalog"]] == ["a.bson", "b.bson"]
    assert [Path(path).name for path in shard.sources["catalog"]] == ["2024-01-02.bson", "x.bson"]
    split, test = made.data.splits[1], made.data.index["test"]
    records = made.data.records["B"]["train"]
    assert [Path(path).name for path in records.sources["split"]] == ["a.bson", "b.bson"]
    done = snakemake(tmp_path, "--", records.files["records"], test.files["index"], overlay=overlay)
    assert done.returncode == 0, done.stderr
    logs = {path.name[:-15] for path in (tmp_path / "results/logs/index_catalog").iterdir()}
    assert logs == {"train.a", "train.b", "test.2024-01-02", "test.x"}
    assert read_index(tmp_path / test.files["index"]).product_id.tolist() == [each["_id"] for each in TEST]
    parts = [read_index(tmp_path / split.files[f"{part}_index"]).product_id.unique() for part in ("train", "valid")]
    in_order = [each["_id"] for name in "ab" for each in read(tmp_path / f"catalog/train/{name}.bson")]
    for part in parts:
        assert part.tolist() == [each for each in in_order if each in part]
    assert [*map(len, parts)] == [45, 15]
    assert not list(tmp_path.glob("results/split/**/*.bson"))
    assert record_count(tmp_path / records.files["records"]) > 45


def read(path: Path) -> list[dict]:
    return bson.decode_all(path.read_bytes())
