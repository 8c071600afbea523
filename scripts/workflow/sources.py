"""What the rules know about a script: whether its behaviour may have changed, and its revision number."""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent


@cache
def fingerprint(script: str) -> str:
    """Hash the code of a program and of every neighbour it imports, without comments, docstrings and layout.

    It stands in the recipes of what is cheap to make: code that may behave otherwise makes other files, a comment does
    not.
    """
    digest = hashlib.sha256()
    for path in sorted(_imported_files(SCRIPTS / script)):
        digest.update(f"{path.relative_to(SCRIPTS)}\n{_code(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def revision(script: str) -> int:
    """The REVISION that a costly program states: raised by hand when its results change."""
    for node in ast.parse((SCRIPTS / script).read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(name) for name in node.targets] == ["REVISION"]:
            return ast.literal_eval(node.value)
    raise ValueError(f"scripts/{script} states no REVISION")


def content(path: str) -> str:
    """SHA-256 of a file beside the programs."""
    return hashlib.sha256((SCRIPTS / path).read_bytes()).hexdigest()


@cache
def _code(path: Path) -> str:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return _shape(tree)


def _shape(node: object) -> str:
    """A syntax tree as text that is the same under every Python: ast.dump's differs from version to version."""
    if isinstance(node, list):
        return f"[{','.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [f"{name}={_shape(value)}" for name, value in ast.iter_fields(node) if value not in (None, [])]
    return f"{type(node).__name__}({','.join(fields)})"


def _imported_files(program: Path) -> set[Path]:
    files: set[Path] = set()
    waiting = [program]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _neighbours(path)
    return files


@cache
def _neighbours(path: Path) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    packages = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    candidates = [SCRIPTS / name.replace(".", "/") for name in packages]
    modules = [candidate.with_suffix(".py") for candidate in candidates]
    return [file for file in modules + [folder / "__init__.py" for folder in candidates] if file.is_file()]
