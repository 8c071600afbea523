"""envs/*.yaml hold what the rules' programs import, in the versions that the tests run with."""

import ast
import importlib.metadata
import mmap
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from workflow import sources

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
MXNET = {"mxnet", "mxnet-cu112"}
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)

# What libmxnet.so of mxnet-cu112's wheel needs, and where it is from. test_the_wheel_needs_... looks into the wheel.
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
SYSTEM = {
    "c",
    "dl",
    "gcc_s",
    "gomp",
    "m",
    "pthread",
    "quadmath",
    "rt",
    "stdc++",
}  # glibc and GCC's runtime, on any node
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_RUNPATH = 1, 5, 29


def environment(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The conda and the pip pins of an environment."""
    content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    conda = dict(item.split("=") for item in content["dependencies"] if isinstance(item, str))
    [pip] = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    return conda, dict(item.split("==") for item in pip)


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))


def dynamic_section(library: Path) -> tuple[set[str], bool]:
    """What a 64-bit ELF library needs, by DT_NEEDED, and whether it has a RUNPATH."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        [headers] = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        # kind, flags, place in the file, address, physical address, size
        segments = [struct.unpack_from("<IIQQQQ", data, headers + size * number) for number in range(count)]
        [(place, length)] = [(segment[2], segment[5]) for segment in segments if segment[0] == PT_DYNAMIC]
        entries = list(struct.iter_unpack("<QQ", data[place : place + length]))
        [strings] = [value for tag, value in entries if tag == DT_STRTAB]
        [strings] = [
            strings - address + place
            for kind, _, place, address, _, length in segments
            if kind == PT_LOAD and address <= strings < address + length
        ]
        names = [strings + value for tag, value in entries if tag == DT_NEEDED]
        needed = {data[name : data.find(b"\0", name)].decode() for name in names}
        return needed, any(tag == DT_RUNPATH for tag, _ in entries)


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


@pytest.mark.slow
def test_the_wheel_needs_what_the_environment_is_checked_for_and_nothing_else(tmp_path):
    _, pip = environment("mxnet-cu112")
    download = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", tmp_path]
    if subprocess.run([*download, f"mxnet-cu112=={pip['mxnet-cu112']}"], check=False).returncode:
        pytest.skip("mxnet-cu112 cannot be downloaded here (500 MB)")
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if ".so" in name:
                files.extract(name, tmp_path)
    libraries = list((tmp_path / "mxnet").glob("*.so*"))
    needed = set()
    for library in libraries:
        names, has_runpath = dynamic_section(library)
        needed |= names
        assert not has_runpath  # with one, the environment's own libraries would not be looked for
    foreign = needed - {library.name for library in libraries}
    of_the_system = {name for name in foreign if re.sub(r"^lib|\.so.*$", "", name) in SYSTEM or name.startswith("ld-")}
    assert foreign - of_the_system == NEEDED.keys()


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
