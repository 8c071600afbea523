"""How long a plan takes: its longest chain, and days on a number of GPUs."""

import heapq
from functools import cache

from plan.boxes import Box
from plan.hours import Cost


def longest_chain(boxes: dict[str, Box], costs: dict[str, Cost]) -> tuple[list[str], float]:
    """The chain of boxes that takes longest, and its hours, to which boxes without a known time add nothing."""

    @cache
    def chain(key: str) -> tuple[float, tuple[str, ...]]:
        hours, before = max(map(chain, boxes[key].sources), default=(0.0, ()))
        return hours + (costs[key].hours or 0.0), (*before, key)

    hours, keys = max(map(chain, boxes))
    return [key for key in keys if boxes[key].will_run], hours


def days(boxes: dict[str, Box], costs: dict[str, Cost], wanted: dict[str, int], gpus: int) -> float:
    """Days of a run that has some GPUs for itself and CPU nodes enough.

    A box starts when those before it have ended and its GPUs are free, those with the longest way to the end first.
    Jobs that could use more GPUs than there are take turns.

    Args:
        costs: with known hours; unknown ones count nothing.
        wanted: GPUs that a box's jobs can use at once.
        gpus: GPUs that there are.
    """
    followers: dict[str, list[str]] = {key: [] for key in boxes}
    for key, box in boxes.items():
        for source in box.sources:
            followers[source].append(key)

    @cache
    def way(key: str) -> float:
        return (costs[key].hours or 0.0) + max(map(way, followers[key]), default=0.0)

    taken = {key: min(wanted[key], gpus) for key in boxes}
    waits = {key: len(box.sources) for key, box in boxes.items()}
    ready = [key for key in boxes if not waits[key]]
    running: list[tuple[float, str]] = []
    now, free = 0.0, gpus
    while ready or running:
        for key in sorted(ready, key=way, reverse=True):
            if taken[key] <= free:
                ready.remove(key)
                free -= taken[key]
                heapq.heappush(running, (now + _hours(costs[key], wanted[key], taken[key]), key))
        now, ended = heapq.heappop(running)
        free += taken[ended]
        for key in followers[ended]:
            waits[key] -= 1
            if not waits[key]:
                ready.append(key)
    return now / 24


def _hours(cost: Cost, wanted: int, taken: int) -> float:
    return (cost.hours or 0.0) * (wanted / taken if taken else 1.0)
