"""write_review.py: what is for review, as a table and as a page; in a browser, with the marker browser."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import write_review
from browser import CHROMIUM, LOCAL, Browser
from programs import run
from tiny_catalogs import indexed, jpeg, product, write

MARKUP = '<script>document.title = "broken"</script> & </article>'
CLASSES = ("class_id,category_id,level1,level2,level3\n0,10,Fruit,Apple,Red\n1,20,Fruit,Apple,Green\n"
           f'2,30,"{MARKUP.replace(chr(34), chr(34) * 2)}",Milk,Whole\n')  # fmt: skip


def answers_of(count: int, accepted: set[int] = frozenset(), seed: int = 1) -> pd.DataFrame:
    """Answers of products 1.. of three categories; those accepted are at their category."""
    rng = np.random.default_rng(seed)
    sure = np.sort(rng.dirichlet(np.ones(3), count).astype(np.float32), axis=1)[:, ::-1]
    categories = np.array([rng.permutation(["10", "20", "30"]) for _ in range(count)], object)
    table = pd.DataFrame({"product": np.arange(1, count + 1), "category": categories[:, 0].astype(np.int64)})
    table["level1"] = table.category.map({10: "Fruit", 20: "Fruit", 30: MARKUP})
    table["probability"], table["margin"] = sure[:, 0], sure[:, 0] - sure[:, 1]
    table["decided_by"] = np.where(table["product"] % 3 == 0, "known picture", "networks")
    table["pictures_used"], table["pictures_not_decoded"] = 1, table["product"] % 2
    for number in range(3):
        table[f"category_{number + 1}"], table[f"probability_{number + 1}"] = categories[:, number], sure[:, number]
    table["accepted"] = np.where(table["product"].isin(accepted), "category", "")
    return table.assign(answer="Fruit")


def review(folder: Path, answers: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The table and the page of a catalog in a folder that has products of these answers, one picture each."""
    if not (folder / "new.bson").exists():
        numbers = answers["product"].tolist()
        indexed(write(folder / "new.bson", [product(each, [jpeg(each % 40)], None) for each in numbers]), "skip", False)
    (folder / "classes.csv").write_text(CLASSES)
    answers.to_parquet(folder / "new-answers.parquet", index=False)
    words = ["--answers", folder / "new-answers.parquet", "--classes", folder / "classes.csv", "--catalog",
             folder / "new.bson", "--index", folder / "new.parquet", "--csv", folder / "r.csv",
             "--page", folder / "r.html"]  # fmt: skip
    done = run("write_review", *words)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "r.csv", keep_default_na=False), (folder / "r.html").read_text()


def shown(page: str) -> list[dict]:
    """What the page knows of each product."""
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


def test_what_is_not_accepted_comes_in_the_order_of_doubt(tmp_path):
    answers = answers_of(20, accepted={2, 3, 5})
    table, page = review(tmp_path, answers)
    assert set(table["product"]) == set(range(1, 21)) - {2, 3, 5}
    assert table.probability.is_monotonic_increasing
    assert table.name_1[table.category_1 == 10].unique().tolist() == ["Fruit / Apple / Red"]
    assert [each["product"] for each in shown(page)] == list(map(str, table["product"]))
    assert "17 of 20 products have no answer that is sure enough" in " ".join(page.split())


def test_the_page_has_pictures_in_it_and_asks_for_nothing(tmp_path):
    _, page = review(tmp_path, answers_of(5))
    for each in shown(page):
        [picture] = each["pictures"]
        assert picture.startswith("UklGR")  # RIFF, of WebP
    assert not re.search(r"(src|href)=|https?:|url\(|@import", page)


def test_no_name_is_markup(tmp_path):
    _, page = review(tmp_path, answers_of(9))
    assert MARKUP not in page
    assert "<script>document" not in page
    assert any(each["top"] == MARKUP for each in shown(page))


def test_names_of_products_are_in_the_table_and_on_the_page(tmp_path):
    answers = answers_of(4)
    assert {each["name"] for each in shown(review(tmp_path, answers)[1])} == {""}
    answers.insert(1, "name", [MARKUP, "b", "", "d"])
    table, page = review(tmp_path, answers)
    assert dict(zip(table["product"], table["name"], strict=True)) == {1: MARKUP, 2: "b", 3: "", 4: "d"}
    assert {each["product"]: each["name"] for each in shown(page)} == {"1": MARKUP, "2": "b", "3": "", "4": "d"}
    assert MARKUP not in page


def test_nothing_for_review_is_an_empty_table_and_a_page_that_says_so(tmp_path):
    table, page = review(tmp_path, answers_of(4, accepted={1, 2, 3, 4}))
    assert table.empty
    assert shown(page) == []
    assert "0 of 4 products" in page


def test_a_page_takes_so_many_products_and_the_table_all(tmp_path, monkeypatch):
    monkeypatch.setattr(write_review, "MOST", 7)
    table, page = review(tmp_path, answers_of(12))
    assert len(table) == 12
    assert len(shown(page)) == 7
    assert "This page has the first 7;" in page


def test_a_picture_is_small_and_a_product_has_three_at_most(tmp_path):
    assert len(write_review.thumbnail(np.zeros((2000, 900, 3), np.uint8))) < 4000
    indexed(write(tmp_path / "new.bson", [product(1, [jpeg(number) for number in range(5)], None)]), "skip", False)
    _, page = review(tmp_path, answers_of(1))
    assert len(shown(page)[0]["pictures"]) == write_review.PICTURES == 3


# In a browser

ROWS = "document.querySelectorAll('article').length"
SHOWN = "document.getElementById('shown').textContent"


@pytest.fixture
def opened(tmp_path):
    """A function that opens the page of some answers."""
    if not CHROMIUM:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with Browser(tmp_path / "profile") as browser:

        def opening(answers: pd.DataFrame) -> Browser:
            review(tmp_path, answers)
            browser.open(tmp_path / "r.html")
            browser.wait_for(f"{SHOWN} !== ''")
            return browser

        yield opening
        assert [url for url in browser.requests if not url.startswith(LOCAL)] == []


def choose(browser: Browser, field: str, value: str) -> None:
    browser.evaluate(
        f"(() => {{ const field = document.getElementById({field!r}); field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


@pytest.mark.browser
def test_the_filters_leave_what_they_say_and_pictures_are_drawn(opened):
    answers = answers_of(30)
    browser = opened(answers)
    assert browser.evaluate(SHOWN) == "30 products"
    browser.wait_for("[...document.images].every(image => image.naturalWidth > 0)")
    choose(browser, "by", "known picture")
    assert browser.evaluate(SHOWN) == f"{(answers.decided_by == 'known picture').sum()} products"
    choose(browser, "by", "")
    choose(browser, "most", "50")
    assert browser.evaluate(SHOWN) == f"{(answers.probability.round(4) <= 0.5).sum()} products"
    choose(browser, "most", "100")
    choose(browser, "top", MARKUP)
    assert browser.evaluate(SHOWN) == f"{(answers.level1 == MARKUP).sum()} products"
    choose(browser, "top", "")
    choose(browser, "text", "17")
    assert browser.evaluate("document.querySelector('.product b').textContent") == "17"
    assert browser.evaluate(ROWS) == 1
    choose(browser, "text", "no such thing")
    assert browser.evaluate(SHOWN) == "0 products"


@pytest.mark.browser
def test_names_stand_there_as_text(opened):
    browser = opened(answers_of(9))
    assert browser.evaluate("document.title") == "For review: new-answers"
    names = browser.evaluate("[...document.querySelectorAll('.best td:nth-child(3)')].map(each => each.textContent)")
    assert f"{MARKUP} / Milk / Whole" in names


@pytest.mark.browser
def test_products_are_found_by_their_names(opened):
    browser = opened(answers_of(9).assign(name=[f"Lamp {MARKUP} {number}" for number in range(1, 10)]))
    choose(browser, "text", f"{MARKUP} 7")
    assert browser.evaluate(ROWS) == 1
    assert browser.evaluate("document.querySelector('.product').innerText").startswith(f"7\nLamp {MARKUP} 7\n")


@pytest.mark.browser
def test_ten_thousand_products_stay_usable(opened):
    """A screen of them is drawn at a time; a filter over all takes less than a second."""
    browser = opened(answers_of(write_review.MOST))
    assert browser.evaluate(SHOWN) == "10,000 products"
    assert browser.evaluate(ROWS) <= 200
    before = browser.evaluate(ROWS)
    browser.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    browser.wait_for(f"{ROWS} > {before}")
    milliseconds = browser.evaluate(
        "(() => { const start = performance.now(); document.getElementById('text').value = '9999';"
        " filter(); return performance.now() - start; })()"
    )
    assert milliseconds < 1000
    assert browser.evaluate(ROWS) == 1
    if folder := os.environ.get("SHELFMARK_SCREENSHOTS"):
        browser.screenshot(Path(folder) / "review.png")
