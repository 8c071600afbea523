"""Which modules of scripts/ can be imported without MXNet, ZeroMQ and the bson library."""

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

from checkout import SCRIPTS

BLOCKED = ("mxnet", "zmq", "bson")
READS_OR_WRITES_BSON = {
    *("catalog.documents", "generate_catalog", "make_catalog", "index_catalog", "join_indexes"),
}
IMPORT_ALL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
names, blocked = map(json.loads, sys.argv[2:])
sys.modules |= dict.fromkeys(blocked)
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        failed[name] = error.name
print(json.dumps(failed))
"""


def modules() -> list[str]:
    """The names by which programs import the modules of scripts/, but for those of engines."""
    paths = (path.relative_to(SCRIPTS) for path in SCRIPTS.rglob("*.py") if path.name != "__init__.py")
    names = (".".join(path.with_suffix("").parts) for path in paths)
    return sorted(name for name in names if not name.startswith("engines."))


def failures() -> dict[str, str]:
    """The modules that cannot be imported without BLOCKED, and which of them each asks for."""
    words = [sys.executable, "-c", IMPORT_ALL, str(SCRIPTS), json.dumps(modules()), json.dumps(BLOCKED)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_modules_do_without_mxnet_zeromq_and_bson_but_for_engines_and_those_whose_work_is_bson():
    failed = failures()
    assert failed.keys() == READS_OR_WRITES_BSON
    assert {asked.partition(".")[0] for asked in failed.values()} == {"bson"}


def imported_folders(folder: Path) -> set[str]:
    """The folders of scripts/ whose modules a folder's import, its own left out."""
    nodes = [node for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name for name in (module.split(".")[0] for module in modules) if (SCRIPTS / name).is_dir()} - {folder.name}


def test_folders_import_one_another_in_one_direction_only():
    """A circle ends in an error that shows it."""
    folders = [path.parent for path in SCRIPTS.glob("*/__init__.py")]
    assert len(folders) > 10
    list(graphlib.TopologicalSorter({folder.name: imported_folders(folder) for folder in folders}).static_order())
