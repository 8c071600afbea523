"""Where things lie: the checkout, and the data beside it that not every machine has."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
GROCERY = ROOT.parent / "shared/data/grocery"  # a catalog of photographs; tests of it skip where it is not
CASES = ROOT.parent / "shared/cases"  # small inputs that fail elsewhere; tests of them skip where they are not
