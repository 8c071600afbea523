"""What those need who pick the repository up: values of a site, container image, citation, workflow catalog."""

import io
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from snakemake.cli import parse_args

import check_system
from checkout import ROOT
from costs.estimator import DEVICE_RULES
from workflow.outputs import OUTPUTS


def pip_options(command: str) -> set[str]:
    """What decides which packages pip installs: its options without those of its output and cache, and file names."""
    words = shlex.split(re.search(r"pip install (.*)", command).group(1))
    return {Path(word).name for word in words} - {"--quiet", "--disable-pip-version-check", "--no-cache-dir"}


def containerfile() -> list[tuple[str, str]]:
    """The instructions of the Containerfile and their values."""
    parser = DockerfileParser(fileobj=io.BytesIO((ROOT / "Containerfile").read_bytes()))
    return [(item["instruction"], item["value"]) for item in parser.structure if item["instruction"] != "COMMENT"]


def test_the_image_has_a_python_that_runs_and_the_packages_that_set_up_asks_for():
    (first, base), *instructions = containerfile()
    assert first == "FROM"
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim-\w+", base).groups()
    assert tuple(map(int, version)) in check_system.SUPPORTED
    [apt] = [value for name, value in instructions if name == "RUN" and "apt-get" in value]
    words = shlex.split(re.search(r"apt-get install ([^&]*)", apt).group(1))
    assert {word for word in words if not word.startswith("-")} == set(check_system.LIBRARIES.values())


def test_the_image_is_installed_as_make_installs_the_environment():
    instructions = containerfile()
    shared = pip_options((ROOT / "Makefile").read_text())
    assert {"--require-hashes", "--no-deps"} == shared
    cpu, gpu, torch = [value for name, value in instructions if name == "RUN" and "pip install" in value]
    assert pip_options(cpu) == {*shared, "-r", "requirements.txt"}
    assert pip_options(gpu) == {*shared, "-r", "requirements-gpu.txt", "--target", "gpu"}
    assert pip_options(torch) == {*shared, "-r", "requirements-torch.txt"}
    copied = [value for name, value in instructions if name == "COPY"]
    assert copied == ["requirements.txt /tmp/", "requirements-gpu.txt /tmp/", "requirements-torch.txt /tmp/"]


def test_the_citation_is_of_the_changelogs_latest_version():
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], str(citation["date-released"])) == released[0]
    assert citation["license"] == "MIT"


RULES = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))


def test_every_rule_has_outputs_and_all_outputs_have_a_rule():
    own = set(re.findall(r"^rule (\w+):$", RULES, re.MULTILINE))
    others = dict(re.findall(r"^use rule (\w+) as (\w+) with:$", RULES, re.MULTILINE))
    assert own | VARIANTS == set(OUTPUTS)
    assert others.keys() == {"predict_images"}


# Rules that are predict_images with other outputs.
VARIANTS = {"extract_features", "predict_with_features"}


@pytest.mark.parametrize("rule", sorted(VARIANTS))
def test_a_variant_of_a_rule_has_logs_of_its_own(rule):
    [text] = re.findall(rf"^use rule predict_images as {rule} with:\n(.*?)(?=^\S|\Z)", RULES, re.MULTILINE | re.DOTALL)
    assert re.findall(r'(logs|benchmarks)\("(\w+)/', text) == [("logs", rule), ("benchmarks", rule)]
    assert re.findall(r'(outputs\(|any_pass\(PASSES, )"(\w+)"', text) == [
        ("outputs(", rule),
        ("any_pass(PASSES, ", rule),
    ]


@pytest.mark.parametrize("rule", sorted(OUTPUTS.keys() - VARIANTS))
def test_a_rule_its_program_its_test_and_its_logs_have_one_name(rule):
    [text] = re.findall(rf"^rule {rule}:\n(.*?)(?=^\S|\Z)", RULES, re.MULTILINE | re.DOTALL)
    assert re.findall(r"python (\S+)\"", text) == [f"{{SCRIPTS}}/{rule}.py"]
    assert (ROOT / "scripts" / f"{rule}.py").exists()
    assert list((ROOT / "tests").rglob(f"test_{rule}.py"))
    assert re.findall(r'(logs|benchmarks)\("(\w+)/', text) == [("logs", rule), ("benchmarks", rule)]


def test_the_slurm_profile_sends_all_that_computes_on_gpus_to_them():
    resources = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["set-resources"]
    assert {rule for rule, each in resources.items() if each["slurm_partition"] == "gpu"} == set(DEVICE_RULES)


def test_the_repository_has_what_the_workflow_catalog_looks_for():
    # https://github.com/snakemake/snakemake-workflow-catalog, "All workflows"
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", (ROOT / "README.md").read_text().lower()))
    assert (ROOT / "Snakefile").exists()
    assert list((ROOT / "rules").glob("*.smk"))
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    profile = re.search(r"--profile (\S+)", usage["mandatory-flags"]["flags"]).group(1)
    assert (ROOT / profile / "config.yaml").exists()


def test_a_sites_file_as_the_cluster_page_makes_it_replaces_what_it_names_of_the_slurm_profile(tmp_path):
    [command] = re.findall(r"^    (sed .*) > site.yaml$", (ROOT / "docs" / "cluster.md").read_text(), re.MULTILINE)
    block = subprocess.run(shlex.split(command), cwd=ROOT, check=True, capture_output=True, text=True).stdout
    site = tmp_path / "site.yaml"
    site.write_text(block.replace("slurm_partition: gpu", "slurm_partition: a100").replace("jobs: 100", "jobs: 7"))

    profile = ["--profile", str(ROOT / "profiles" / "slurm")]
    _, shipped = parse_args(profile)
    _, adapted = parse_args([*profile, "--profile", str(site)])
    assert adapted.set_resources["train_epochs"]["slurm_partition"].raw == "a100"
    assert (shipped.jobs, adapted.jobs) == (100, 7)
    assert (adapted.executor, adapted.retries) == (shipped.executor, shipped.retries) == ("slurm", 2)
