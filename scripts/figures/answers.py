"""What calibrate_answers.py writes of each product: the names of its columns."""

import pandas as pd

PROBABILITY, RIGHT = "_probability", "_right"


def levels_of(products: pd.DataFrame) -> list[str]:
    """The levels of the category tree, the deepest first."""
    return [name.removesuffix(PROBABILITY) for name in products.columns if name.endswith(PROBABILITY)]
