"""Products whose answers are as right as they are sure, for tests of what is accepted."""

import numpy as np

from postprocessing.acceptance import Judgements


def drawn(rng: np.random.Generator, count: int) -> tuple[Judgements, np.ndarray]:
    """Products as right as they are sure, at a level and at the one above it, where all are surer."""
    sure = rng.beta(4, 1, count)
    parent = sure + (1 - sure) * rng.beta(3, 1, count)
    is_right = rng.random(count) < sure
    parent_right = is_right | (rng.random(count) < (parent - sure) / (1 - sure))
    tops = np.where(rng.random(count) < 0.5, "a", "b").astype(object)
    return Judgements(np.stack([sure, parent], axis=1), tops), np.stack([is_right, parent_right], axis=1)
