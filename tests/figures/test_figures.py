"""What figures share: the products that all have in common, and names that fit."""

from drawn import NAMES, right
from figures import evaluations, style


def test_evaluations_are_compared_on_the_products_that_all_have():
    found = {"a": right([True, False, True, False]), "b": right([False, True, True], first=3)}
    common = evaluations.on_common_products(found)
    assert {name: rows.networks.to_dict() for name, rows in common.items()} == {
        "a": {3: True, 4: False},
        "b": {3: False, 4: True},
    }


def test_a_long_name_loses_its_middle_and_a_wide_letter_counts_twice():
    short = style.shortened(NAMES["300 letters"])
    assert (short[:16], short[16:], len(short)) == ("000001002003004…", "4095096097098099", style.WIDTH)
    chinese = style.shortened("机" * 300)
    assert chinese == "机" * 7 + "…" + "机" * 8
