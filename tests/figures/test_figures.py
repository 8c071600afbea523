"""What figures share: the products that all have in common, what answers cost, and names that fit."""

import pytest

from drawn import NAMES, right
from figures import evaluations, style


def test_evaluations_are_compared_on_the_products_that_all_have():
    found = {"a": right([True, False, True, False]), "b": right([False, True, True], first=3)}
    common = evaluations.on_common_products(found)
    assert {name: rows.networks.to_dict() for name, rows in common.items()} == {
        "a": {3: True, 4: False},
        "b": {3: False, 4: True},
    }


CONFIGURED = {
    "models": {"M01": {}, "M02": {}, "S": {}},
    "heads": {"H1": {"models": ["F1"]}, "H2": {"models": ["F1", "M01"]}},
    "ensembles": {"both": ["M01", "M02"], "all": ["M01", "H1", "H2"], "alike": ["H1", "H2", "M01", "M02"]},
}


@pytest.mark.parametrize(("name", "passes"), [("S", 2), ("H1", 2), ("H2", 4), ("both", 4), ("all", 4), ("alike", 6)])
def test_an_answer_costs_two_passes_of_each_network_however_many_members_ask_it(name, passes):
    assert evaluations.passes(name, {}, CONFIGURED) == passes


def test_a_member_that_does_not_count_costs_nothing():
    learned = {"models": ["H1", "H2", "M02"], "combination": {"weights": [0.5, 0.0, 0.5]}}
    assert evaluations.passes("alike", {"learned": learned}, CONFIGURED) == 4


def test_a_long_name_loses_its_middle_and_a_wide_letter_counts_twice():
    short = style.shortened(NAMES["300 letters"])
    assert (short[:16], short[16:], len(short)) == ("000001002003004…", "4095096097098099", style.WIDTH)
    chinese = style.shortened("机" * 300)
    assert chinese == "机" * 7 + "…" + "机" * 8
