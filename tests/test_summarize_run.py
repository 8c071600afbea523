"""summarize_run.py writes the first page of the report."""

from datetime import UTC, datetime

import pandas as pd
from docutils.core import publish_parts
from jinja2 import Template

import summarize_run
from drawn import BY_LEVEL
from figures.benchmarks import read_benchmarks

EVALUATION = {
    "products": 404,
    "members": 2,
    "picture_md5": "majority",
    "product_md5": "off",
    "steps": {"networks": {"accuracy": 0.5, "interval": [0.45, 0.55]}},
    "accuracy": 0.6,
    "interval": [0.55, 0.65],
}


def rendered(*paragraphs: str) -> str:
    """The page as Snakemake's report shows it."""
    return publish_parts(Template(summarize_run.as_page(paragraphs)).render(), writer="html")["html_body"]


def test_the_catalog_is_counted_by_products_and_pictures():
    text = summarize_run.catalog_text("c", pd.Series([1, 1, 2]), pd.Series([5]), 24)
    assert "2 training products with 3 pictures in 24 categories, and 1 test products with 1 pictures" in text


def test_pictures_that_are_encoded_anew_or_left_out_are_counted_by_kind():
    kinds = pd.Series([0, 3, 3, 0, 2], dtype="uint8")
    rejects = {"train": [(0, 7, 1, "the JPEG is cut off")], "test": [(9, 8, -1, "imgs is missing")] * 2}
    assert summarize_run.pictures_text(kinds, rejects) == [
        "Encoded anew in the records: 1 PNG, 2 WebP.",
        "Left out of the catalog: in train.bson 1 picture: the JPEG is cut off;"
        " in test.bson 2 products: imgs is missing.",
    ]
    assert summarize_run.pictures_text(kinds[:1], {"train": [], "test": []}) == []


def test_an_ensemble_is_told_with_interval_products_and_labels():
    text = summarize_run.ensemble_text("e", EVALUATION)
    assert "60.0 % of 404 products (95 % interval 55.0 to 65.0)" in text
    assert "after known pictures (majority) took the label" in text
    assert "50.0 % of 404 products (95 % interval 45.0 to 55.0) by the networks alone" in text


def test_ensembles_are_a_row_each_with_their_share_of_the_same_products():
    common = {"e_": pd.DataFrame({"networks": [True, False, False, False]})}
    configured = {"heads": {}, "ensembles": {"e_": ["M01", "M02"]}}
    html = rendered(summarize_run.ensemble_table({"e_": EVALUATION}, common, configured))
    assert "same 4 products" in html
    cells = [cell.split("</")[0].split(">")[-1] for cell in html.split("<td")[1:]]
    assert cells == ["e_", "4", "50.0", "60.0", "55.0 to 65.0", "404", "25.0"]


def test_both_means_are_told_at_each_level():
    text = summarize_run.levels_text("e", EVALUATION | {"by_level": BY_LEVEL})
    assert "level 1 75.0 % of the products, 65.0 % as the mean over its 2 categories; category 50.0 %" in text


def test_ensembles_without_a_common_product_have_none():
    common = {"e": pd.DataFrame({"networks": []})}
    configured = {"heads": {}, "ensembles": {"e": ["M01"]}}
    assert '"none"' in summarize_run.ensemble_table({"e": EVALUATION}, common, configured)


def test_a_name_means_nothing_to_the_template():
    text = summarize_run.catalog_text("{{ catalog }}_", pd.Series([1]), pd.Series([5]), 24)
    html = rendered(text)
    assert "{{ catalog }}_" in html
    assert "system-message" not in html


def test_the_times_of_training_and_of_all_jobs_are_told():
    epochs = pd.DataFrame({"model": ["M01", "M02"], "train_seconds": [3600.0, 3600.0]})
    jobs = pd.DataFrame({"s": [4 * 3600.0]})
    text = summarize_run.time_text(epochs, jobs, datetime(2026, 11, 25, 12, 30, tzinfo=UTC))
    assert text.startswith(
        "2 epochs of 2 models trained for 2.0 h together; the 1 jobs of all runs into this folder took 4.0 h"
    )
    assert "25 November 2026, 12:30 UTC" in text


def test_what_jobs_asked_for_stands_beside_what_they_used(tmp_path):
    """Of each rule the largest; a job that asked for nothing has no row."""
    head = "s\tmax_rss\tthreads\tresources\n"
    for number, (seconds, memory) in enumerate([(30, "900.5"), (90, "-")], 1):
        asked = {"tmpdir": "<TBD>", "_nodes": 1, "runtime": 10 + number, "mem_mb": 4150}
        (tmp_path / "predict_images").mkdir(exist_ok=True)
        (tmp_path / f"predict_images/{number}.tsv").write_text(f"{head}{seconds}\t{memory}\t1\t{asked}\n")
    for rule, rest in {"draw_plan": "{'tmpdir': '/tmp', '_cores': 1}", "draw_times": None}.items():
        (tmp_path / rule).mkdir()
        text = f"{head}1\t9\t1\t{rest}\n" if rest else "s\tmax_rss\n1\t9\n"
        (tmp_path / rule / "a.tsv").write_text(text)
    (tmp_path / "list_images").mkdir()
    asked = "{'runtime': 11, 'mem_mb': 2001}"
    (tmp_path / "list_images/a.tsv").write_text(f"{head}0.5\t-\t1\t{asked}\n")
    html = rendered(summarize_run.requests_table(read_benchmarks(tmp_path)))
    cells = [cell.split("</")[0].split(">")[-1] for cell in html.split("<td")[1:]]
    assert cells[:5] == ["list_images", "1", "11", "0.0", "2,001"]
    assert cells[-6:] == ["predict_images", "2", "12", "1.5", "4,150", "900"]
    assert len(cells) == 12
