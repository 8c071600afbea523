"""The report in a browser: every category opens, every picture is drawn, nothing is asked from the network.

SHELFMARK_REPORT names a finished report (`make demo` leaves results/demo/report.html); SHELFMARK_SCREENSHOTS a folder
for screenshots.
"""

import os
from pathlib import Path

import pytest

from browser import CHROMIUM, LOCAL, Browser
from checkout import ROOT

REPORT = Path(os.environ.get("SHELFMARK_REPORT", ROOT / "results/demo/report.html")).absolute()
CATEGORIES = {"Catalog": 1, "Models and ensembles": 6, "The run": 2}  # and how many results each shows
LINK = "[...document.querySelectorAll('a')].find(link => link.textContent === {!r})"
EYES = "document.querySelectorAll('a[iconname=eye]')"
FIGURE = "document.querySelector('.grow img')"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(not REPORT.exists(), reason=f"no report at {REPORT}: make demo"),
]


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(REPORT)
        browser.wait_for(LINK.format("About") + " !== undefined")
        yield browser


def photograph(browser: Browser, name: str) -> None:
    if folder := os.environ.get("SHELFMARK_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.screenshot(Path(folder) / f"{name}.png")


def open_category(browser: Browser, category: str) -> int:
    """Click a category of the menu; returns the number of its results."""
    browser.open(REPORT)
    browser.wait_for(LINK.format(category) + " !== undefined")
    browser.evaluate(f"{LINK.format(category)}.click()")
    browser.wait_for(f"{EYES}.length > 0")
    return browser.evaluate(f"{EYES}.length")


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_result_of_a_category_is_drawn(browser, category):
    assert open_category(browser, category) == CATEGORIES[category]
    for number in range(CATEGORIES[category]):
        browser.evaluate(f"{EYES}[{number}].click()")
        browser.wait_for(f"!!document.querySelector('iframe') || !!{FIGURE}?.naturalWidth")
        if browser.evaluate("document.querySelector('iframe') !== null"):
            browser.wait_for_frames("document.readyState === 'complete' && document.querySelectorAll('tr').length > 1")
            [undrawn] = browser.evaluate_in_frames("[...document.images].filter(i => !i.naturalWidth).length")
            assert undrawn == 0
        else:
            assert browser.evaluate(f"{FIGURE}.naturalWidth") > 200
        photograph(browser, f"{category.lower().replace(' ', '-')}-{number + 1}")
    assert [url for url in browser.requests if not url.startswith(LOCAL)] == []


@pytest.mark.parametrize("page", ["Workflow", "Statistics", "About"])
def test_the_general_pages_stay_on_this_machine(browser, page):
    browser.evaluate(f"{LINK.format(page)}.click()")
    browser.wait_for("document.readyState === 'complete'")
    photograph(browser, page.lower())
    assert [url for url in browser.requests if not url.startswith(LOCAL)] == []
