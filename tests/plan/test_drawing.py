"""plan.drawing: times and sizes as people read them."""

import pytest

from plan import drawing


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999.4, "999 B"), (999.6, "1 kB"), (82.68e9, "82.7 GB"), (999.7e9, "1.0 TB"), (1.25e15, "1,250.0 TB")],
)
def test_a_size_has_three_digits_and_its_unit(size, text):
    assert drawing.size_text(size) == text
