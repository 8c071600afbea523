"""levels.py: which categories are one at a level of the tree, and two ways to count what is right."""

import numpy as np
import pandas as pd
import pytest

from postprocessing import levels


def classes(*paths: str) -> pd.DataFrame:
    return pd.DataFrame([path.split("/") for path in paths], columns=["level1", "level2", "level3"])


def test_equal_names_below_two_parents_are_two_nodes_and_equal_paths_two_categories():
    found = levels.nodes(classes("A/x/1", "B/x/1", "A/x/2", "A/x/1"))
    assert {level: node.tolist() for level, node in found.items()} == {
        "level1": [0, 1, 0, 0],
        "level2": [0, 1, 0, 0],
        "level3": [0, 1, 2, 0],
        "category": [0, 1, 2, 3],
    }


@pytest.mark.parametrize(("path", "named"), [("//", []), ("A//", ["level1"]), ("A/x/", ["level1", "level2"])])
def test_a_level_without_names_is_left_out(path, named):
    assert list(levels.nodes(classes(path, path))) == [*named, "category"]


def test_a_level_that_has_a_node_for_each_class_is_left_out():
    assert list(levels.nodes(classes("A/x/1", "A/x/2"))) == ["level1", "level2", "category"]


def test_a_frequent_category_counts_as_much_as_a_rare_one_in_the_mean_over_categories():
    true, predicted = np.array([5, 5, 5, 5, 9]), np.array([5, 5, 5, 9, 7])
    assert levels.accuracies(true, predicted) == {"accuracy": 0.6, "macro": 0.375}
