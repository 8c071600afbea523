"""What Python's random draws from a seed, for whole arrays: the same words, decisions and exchanges, made by NumPy.

Source: Lib/random.py and Modules/_randommodule.c of CPython 3.11 to 3.13.
"""

import math
import random

import numpy as np

WORD_BITS = 32
STEP_BITS = 16
STEPS_AT_A_TIME = 1 << STEP_BITS
SMALL_SAMPLE, SMALL_SET = 5, 21  # of random.sample: it copies a population that is small beside the sample
NONE = -1  # as a step


class PublishedRandom:
    """random.Random(seed) for arrays of fewer than 2**32 values."""

    def __init__(self, seed: int) -> None:
        _, (*key, position), _ = random.Random(seed).getstate()
        self._generator = np.random.MT19937()
        state = {"key": np.array(key, np.uint32), "pos": position}
        self._generator.state = {"bit_generator": "MT19937", "state": state}
        self._words = np.empty(0, np.uint64)  # drawn and not yet used

    def shuffled(self, values: np.ndarray) -> np.ndarray:
        """The values as random.shuffle leaves them."""
        values = values.copy()
        self._exchange_from_the_end(values, 1)
        return values

    def sample(self, values: np.ndarray, count: int) -> np.ndarray:
        """Those of the values that random.sample picks, in its order."""
        small = SMALL_SET + (4 ** math.ceil(math.log(count * 3, 4)) if count > SMALL_SAMPLE else 0)
        if len(values) <= small:
            values = values.copy()
            self._exchange_from_the_end(values, len(values) - count)
            return values[len(values) - count :][::-1]
        drawn = firsts = np.empty(0, np.int64)
        while len(firsts) < count:
            drawn = np.append(drawn, self._below(np.full(count - len(firsts), len(values))))
            firsts = np.sort(np.unique(drawn, return_index=True)[1])
        return values[drawn[firsts]]

    def _exchange_from_the_end(self, values: np.ndarray, stop: int) -> None:
        """Exchange each value, from the last one to that at `stop`, with a drawn one of those up to itself."""
        bound = len(values)
        while bound > stop:
            least = max(stop + 1, bound - STEPS_AT_A_TIME + 1, 1 << (bound.bit_length() - 1))
            exchange(values, bound - 1, self._below(np.arange(bound, least - 1, -1)))
            bound = least - 1

    def _below(self, bounds: np.ndarray) -> np.ndarray:
        """randrange (int64) of bounds, none larger than the one before, all of the same length in bits.

        A word whose upper bits are not below the bound is passed over. Which bound a word meets depends on the words
        passed over before it: guessed first, then corrected until nothing changes.
        """
        spare = np.uint64(WORD_BITS - int(bounds[0]).bit_length())
        accepted = np.empty(0, bool)
        while np.count_nonzero(accepted) < len(bounds):
            self._words = np.append(self._words, self._generator.random_raw(len(bounds)))
            drawn = (self._words >> spare).astype(np.int64)
            accepted, guessed = drawn < bounds[0], None
            while not np.array_equal(accepted, guessed):
                guessed = accepted
                used_before = np.cumsum(guessed) - guessed
                accepted = drawn < bounds[np.minimum(used_before, len(bounds) - 1)]
        places = np.flatnonzero(accepted)[: len(bounds)]
        self._words = self._words[places[-1] + 1 :]
        return drawn[places]


def exchange(values: np.ndarray, last: int, targets: np.ndarray) -> None:
    """Exchange the value at `last` with that at the first target, the one before with that at the second, and so on.

    Args:
        targets: int64, at most STEPS_AT_A_TIME, each no further back than the position it is exchanged with.
    """
    steps = np.arange(len(targets))
    keys = np.sort(targets << STEP_BITS | steps)
    target, step = keys >> STEP_BITS, keys & (STEPS_AT_A_TIME - 1)
    is_repeated = target[1:] == target[:-1]
    before = np.full(len(targets), NONE)  # the step that put a value at the same target before
    before[step[1:][is_repeated]] = step[:-1][is_repeated]
    is_last = np.append(~is_repeated, True)
    target, step = target[is_last], step[is_last]
    own_step = last - target  # that in which the target is the position itself
    is_own = own_step < len(targets)
    origin = steps.copy()  # the step from whose position the value came that a step moves
    origin[own_step[is_own]] = step[is_own]
    while not np.array_equal(further := origin[origin], origin):
        origin = further
    found = values[np.where(before == NONE, targets, last - origin[before])]
    values[target[~is_own]] = values[last - origin[step[~is_own]]]
    values[last - steps] = found
