"""How long threads of GNU OpenMP wait for each other before they sleep."""

import os
import subprocess
import sys

from checkout import SCRIPTS


def spins_after_import(module: str) -> str:
    """What the library says of its setting, where a program imports a module first of all."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP", "OMP"))}
    environment |= {"PYTHONPATH": str(SCRIPTS), "OMP_DISPLAY_ENV": "verbose"}
    command = [sys.executable, "-c", f"import {module}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    [line] = [line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
    return line.split("'")[1]
