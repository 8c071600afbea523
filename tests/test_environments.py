"""envs/ hold what the rules' programs import, in the versions that the tests run with."""

import ast
import functools
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from checkout import ROOT, SCRIPTS
from tiny_workflow import OVERLAY
from workflow import sources

ENGINES = SCRIPTS / "engines"
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def environment(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The conda and the pip pins of an environment."""
    content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    conda = dict(item.split("=") for item in content["dependencies"] if isinstance(item, str))
    [pip] = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    return conda, dict(item.split("==") for item in pip)


def pins(name: str) -> dict[str, str]:
    """Each package of a requirements file and its lines: version and hashes."""
    blocks = re.findall(r"^(\S+)==((?:.*\\\n)+.*\n)", (ROOT / name).read_text(), re.MULTILINE)
    return {package: f"{package}=={lines}" for package, lines in blocks}


def locked(name: str = "requirements.txt") -> dict[str, str]:
    """The version of each package of a requirements file, by default of the tests' environment."""
    return {package: lines.split()[0].partition("==")[2] for package, lines in pins(name).items()}


def deployed(name: str) -> list[str]:
    """The pins that an environment's post-deploy script installs, call by call of pip."""
    script = (ROOT / "envs" / f"{name}.post-deploy.sh").read_text()
    return re.findall(r"--no-deps --require-hashes [^\n]*<<'PINS'\n(.*?)PINS\n", script, re.DOTALL)


def packages(name: str) -> set[str]:
    """All packages of an environment but those for GPUs."""
    return {*environment(name)[1], *(["mxnet"] if name.startswith("mxnet") else [])}


def rules() -> dict[str, str]:
    """The text of each rule."""
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    return dict(RULE.findall(text))


def environments_of(rule: str) -> set[str]:
    """The environments that a rule may run in."""
    directive = re.search(r"^    conda:\n\s+(.*)\n", rule, re.MULTILINE).group(1)
    if "options.environment" in directive:
        return {"mxnet-cpu", "mxnet-cu112", "torch-cuda"}
    return {re.fullmatch(r'"\.\./envs/(.*)\.yaml"', directive).group(1)}


@functools.cache
def distributions() -> dict[str, list[str]]:
    """The distributions that bring each module."""
    return importlib.metadata.packages_distributions()


def imported(program: str, environment: str) -> set[str]:
    """Distributions that a program and its neighbours import there, by the names of requirements.txt."""
    modules = set()
    files = sources._imported_files(SCRIPTS / program)
    if ENGINES / "__init__.py" in files:  # a program that computes loads its engine when it runs
        files |= sources._imported_files(ENGINES / environment.partition("-")[0] / "__init__.py")
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.split(".")[0])
    foreign = modules - sys.stdlib_module_names
    return {name.lower() for module in foreign for name in distributions().get(module, [])}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_the_versions_of_the_tests(name):
    conda, pip = environment(name)
    assert {"python", "pip"} <= conda.keys()
    assert all(re.fullmatch(r"[\d.]+", version) for version in conda.values())
    assert conda["python"].startswith("3.13.")
    versions = locked("requirements-torch.txt") | locked() if name == "torch-cuda" else locked()
    for package, version in pip.items():
        assert versions[package] == version, package


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_its_packages_need_too(name):
    for package in packages(name) & locked().keys():
        for line in importlib.metadata.requires(package) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert re.sub("[-_.]+", "-", requirement.name).lower() in packages(name), (package, line)


@pytest.mark.parametrize("rule", sorted(rules()))
def test_every_rule_has_an_environment_with_what_its_program_imports(rule):
    text = rules()[rule]
    names = environments_of(text)
    assert names <= set(ENVIRONMENTS)
    programs = re.findall(r"python {SCRIPTS}/(\w+\.py)", text)
    assert programs
    for name in names:
        for program in programs:
            assert imported(program, name) <= packages(name), (program, name)


def test_mxnet_is_put_in_afterwards_with_its_hashes():
    mxnet, gpu = pins("requirements.txt")["mxnet"], pins("requirements-gpu.txt")
    assert deployed("mxnet-cpu") == [mxnet]
    assert deployed("mxnet-cu112") == [mxnet, "".join(gpu.values())]
    assert environment("mxnet-cu112") == environment("mxnet-cpu")


def test_pytorch_comes_with_all_that_make_torch_adds():
    assert locked("requirements-torch.txt").keys() <= packages("torch-cuda")


@pytest.mark.slow
def test_the_script_puts_mxnet_into_the_environment_that_it_runs_in(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    before = installed(tmp_path)
    command = ["bash", ROOT / "envs/mxnet-cpu.post-deploy.sh"]
    subprocess.run(command, env=os.environ | {"CONDA_PREFIX": str(tmp_path)}, check=True)
    assert installed(tmp_path) - before == {f"mxnet=={locked()['mxnet']}"}


def installed(environment: Path) -> set[str]:
    """Packages of a virtual environment; a new one has setuptools under Python 3.11."""
    command = [environment / "bin/pip", "list", "--format=freeze"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_model_on_the_cpu_needs_no_environment_for_gpus_beside_one_that_has_some(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    models = {"M09": {"gpus": 2}, "M11": {"gpus": 2, "engine": "torch"}}
    overlay.write_text(yaml.safe_dump({"results": str(tmp_path), "models": models}))
    command = [sys.executable, ROOT / "tests/runs/list_environments.py", "--configfile", OVERLAY, overlay]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["train_epochs M09"] == "mxnet-cu112"
    assert found["train_epochs M11"] == "torch-cuda"
    assert found["train_epochs M10"] == found["predict_images M09"] == "mxnet-cpu"


def test_rules_before_training_need_no_mxnet():
    for rule in ("index_catalog", "label_categories", "split_catalog", "pack_records", "list_images"):
        assert environments_of(rules()[rule]) == {"data"}
