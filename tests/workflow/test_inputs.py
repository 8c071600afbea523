"""workflow.inputs: which artifacts a run makes, and what its jobs take."""

from pathlib import Path

import pytest

from tiny_workflow import artifacts_in
from workflow import inputs


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return artifacts_in(tmp_path)


def touch(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()


def test_a_run_makes_what_its_targets_lack_and_without_targets_all_but_what_is_asked_for_by_name(made):
    assert inputs.missing(made, []) == inputs.missing(made, ["all"])
    assert set(made.everything()) - inputs.missing(made, []) == {*made.asked_tables.values()}
    assert {artifact.rule for artifact in inputs.missing(made, ["records"])} == {
        *("generate_catalog", "index_catalog", "label_categories", "split_catalog", "pack_records")
    }


def test_a_target_may_be_a_file_however_it_is_written(made):
    [path] = made.answers.submissions["ensemble-1"].files.values()
    expected = inputs.missing(made, [path])
    assert inputs.missing(made, [f"./{path}"]) == expected
    assert made.answers.submissions["ensemble-1"] in expected
    assert inputs.missing(made, [str(Path(path).absolute())]) == set()  # the results are configured as a relative path


def test_what_is_made_asks_for_all_its_sources_and_what_is_there_for_those_that_are_there(made):
    records = made.data.records["A"]["train"]
    [split], [index] = records.sources["split"], records.sources["index"]
    touch(index)
    assert inputs.source(records, "split", {records}) == [split]
    assert inputs.source(records, "split", set()) == []
    assert inputs.source(records, "index", set()) == [index]


def test_jobs_of_another_workflow_make_none_of_the_artifacts(made):
    first = made.models.epochs["M01"][0]
    assert inputs.of_jobs(made, [first.wildcards, {}, {"model": "M01"}]) == {first}
