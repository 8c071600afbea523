"""envs/*.yaml hold what the rules' programs import, in the versions that the tests run with."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from workflow import sources

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
MXNET = {"mxnet", "mxnet-cu112"}
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)

# What `readelf -d libmxnet.so` of mxnet_cu112-1.9.1-py3-none-manylinux2014_x86_64.whl says is needed.
NEEDED = {
    "libcudart.so.11.0": "cudatoolkit",
    "libcublas.so.11": "cudatoolkit",
    "libcufft.so.10": "cudatoolkit",
    "libcusolver.so.11": "cudatoolkit",
    "libcurand.so.10": "cudatoolkit",
    "libnvrtc.so.11.2": "cudatoolkit",
    "libnvToolsExt.so.1": "cudatoolkit",
    "libcudnn.so.8": "cudnn",
    "libnccl.so.2": "nccl",
    "libcuda.so.1": "the driver",
}


def environment(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The conda and the pip pins of an environment."""
    content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    conda = dict(item.split("=") for item in content["dependencies"] if isinstance(item, str))
    [pip] = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    return conda, dict(item.split("==") for item in pip)


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))


def rules() -> dict[str, str]:
    """The text of each rule."""
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    return dict(RULE.findall(text))


def environments_of(rule: str) -> set[str]:
    """The environments that a rule may run in."""
    directive = re.search(r"^    conda:\n\s+(.*)\n", rule, re.MULTILINE).group(1)
    if "mxnet_env" in directive:
        return {"mxnet-cpu", "mxnet-cu112"}
    return {re.fullmatch(r'"\.\./envs/(.*)\.yaml"', directive).group(1)}


def imported(program: str) -> set[str]:
    """Distributions that a program and its neighbours import, by the names of requirements.txt."""
    distributions = importlib.metadata.packages_distributions()
    modules = set()
    for path in sources._imported_files(ROOT / "scripts" / program):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.split(".")[0])
    foreign = modules - sys.stdlib_module_names
    return {name.lower() for module in foreign for name in distributions.get(module, [])}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_the_versions_of_the_tests(name):
    conda, pip = environment(name)
    assert {"python", "pip"} <= conda.keys()
    assert all(re.fullmatch(r"[\d.]+", version) for version in [*conda.values(), *pip.values()])
    assert conda["python"].startswith("3.11.")
    for package, version in pip.items():
        assert locked()["mxnet" if package in MXNET else package] == version, package


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_its_packages_need_too(name):
    _, pip = environment(name)
    for package in pip:
        for line in importlib.metadata.requires("mxnet" if package in MXNET else package) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert re.sub("[-_.]+", "-", requirement.name).lower() in pip, (package, line)


@pytest.mark.parametrize("rule", sorted(rules()))
def test_every_rule_has_an_environment_with_what_its_program_imports(rule):
    text = rules()[rule]
    names = environments_of(text)
    assert names <= set(ENVIRONMENTS)
    programs = re.findall(r"python scripts/(\w+\.py)", text)
    for name in names:
        available = {"mxnet" if package in MXNET else package for package in environment(name)[1]}
        for program in programs:
            assert imported(program) <= available, (program, name)


def test_the_gpu_environment_provides_every_library_that_the_wheel_needs():
    conda, pip = environment("mxnet-cu112")
    assert {provider for provider in NEEDED.values() if provider != "the driver"} <= conda.keys()
    assert conda["cudatoolkit"].startswith("11.2.")  # the wheel asks for nvrtc 11.2 by name
    assert conda["cudnn"].startswith("8.")
    assert conda["nccl"].startswith("2.")
    assert "mxnet-cu112" in pip


def test_the_two_mxnet_environments_differ_in_cuda_alone():
    gpu, cpu = environment("mxnet-cu112"), environment("mxnet-cpu")
    assert gpu[0].items() - cpu[0].items() == {item for item in gpu[0].items() if item[0] in NEEDED.values()}
    assert {**gpu[1], "mxnet": gpu[1]["mxnet-cu112"]}.items() - cpu[1].items() == {("mxnet-cu112", "1.9.1")}


def test_rules_before_training_need_no_mxnet():
    for rule in ("index_catalog", "label_categories", "split_catalog", "pack_records", "list_images"):
        assert environments_of(rules()[rule]) == {"data"}


def test_the_driver_has_the_same_snakemake_as_the_rules_environment():
    cluster = (ROOT / "requirements-cluster.txt").read_text()
    assert f"snakemake=={locked()['snakemake']} " in cluster
