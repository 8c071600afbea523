"""Check that Shelfmark can be set up here: a Python with its venv module, and the system's libraries that MXNet needs.

Runs by any Python from 3.7 on. Out: nothing, or one line that names all that is missing and the packages that bring it.

Example:
    python3 scripts/check_system.py
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

SUPPORTED = ((3, 11), (3, 12), (3, 13))
LIBRARIES = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0"}  # and their Debian packages


def complaint(version: tuple[int, int], has_venv: bool, libraries: set[str]) -> str | None:
    """The line for what is missing, or None.

    Args:
        version: of the Python that is to make .venv.
        has_venv: whether that Python can make one.
        libraries: those of LIBRARIES that are there.
    """
    missing = {}  # what is missing: its package
    if version not in SUPPORTED:
        *older, newest = (f"{major}.{minor}" for major, minor in SUPPORTED)
        here = ".".join(map(str, version))
        missing[f"Python {', '.join(older)} or {newest} (found: {here})"] = "python3-venv"
    elif not has_venv:
        missing["Python's venv module"] = "python3-venv"
    missing.update({library: package for library, package in LIBRARIES.items() if library not in libraries})
    if not missing:
        return None
    return f"error: missing here: {', '.join(missing)}; on Debian: apt-get install {' '.join(missing.values())}"


def loads(library: str) -> bool:
    """Whether the system has a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def main() -> None:
    # Debian has venv without ensurepip, which then cannot put pip into what it makes.
    has_venv = importlib.util.find_spec("ensurepip") is not None
    line = complaint(sys.version_info[:2], has_venv, set(filter(loads, LIBRARIES)))
    if line:
        print(line, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
