"""What the programs that damage files have in common: their options, and how they end."""

import argparse
import collections
import sys


def parser(documentation: str) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--mutations", type=int, required=True)
    found.add_argument("--seed", type=int, required=True)
    found.add_argument("--first", type=int, default=0, help="number of the first one, to run a single one again")
    return found


def end(what: str, seconds: float, ends: collections.Counter, wrong: list[str]) -> None:
    """Print how the damaged files ended and what was wrong; the exit code tells whether anything was."""
    print(*wrong, sep="\n")
    print(f"{what} in {seconds:.0f} s: {dict(ends)}, {len(wrong)} wrong")
    sys.exit(bool(wrong))
