"""Tabulate what answers are worth: calibration, what was promised beside what was given, and a row per batch.

A product that an earlier batch, or test, has answered too is counted and warned of: each answer stands by itself.

In: the calibration, the thresholds where there are any, the answers of test products and of each batch. Out: an HTML
page.

Example:
    python scripts/tabulate_answers.py --calibration calibration.json --thresholds thresholds.json \
        --answers answers/test.parquet answers/2026-11-25.parquet --output answers.html
"""

import argparse
import json
from pathlib import Path

import pandas as pd

import cli
from figures.pages import NONE, page, paragraph, percent, table
from postprocessing.judging import DECIDED_BY


def calibration_text(found: dict) -> str:
    """What calibration changes."""
    if not found["products"]:
        return ""
    shares = ", ".join(f"{percent(share)} % by a {name}" for name, share in found["shares_right"].items())
    before, after = (percent(found[name]) for name in ("error_before", "error_after"))
    return (
        f"Probabilities are calibrated on {found['products']:,} products that no member trained on: by a temperature of"
        f" {found['temperature']:.2f} where the networks decide, by the share that is right where something known does"
        f" ({shares}). The expected calibration error is {before} points before and {after} after, on products that the"
        " calibration had no part of."
    )


def promise_rows(thresholds: dict) -> list[dict]:
    """What was promised of answers at each level, beside what other products gave."""
    rows = []
    for each in thresholds["given"]:
        low, high = each["interval"] or (None, None)
        share = each["right"] / each["accepted"] if each["accepted"] else None
        coverage = each["accepted"] / thresholds["products"] if thresholds["products"] else None
        rows.append(
            {
                "answered at": each["level"],
                "right, %: promised": percent(thresholds["precision"]),
                "given": percent(share),
                "its 95 % interval": NONE if low is None else f"{percent(low)} to {percent(high)}",
                "products accepted": f"{each['accepted']:,}",
                "of all, %": percent(coverage),
            }
        )
    return rows


def threshold_rows(thresholds: dict) -> list[dict]:
    """From which probability on answers are accepted."""
    rows = []
    for level, others, own in zip(thresholds["levels"], thresholds["of_others"], thresholds["own"], strict=True):
        limits = own | {"all others" if own else "all": others}
        rows += [
            {"answered at": level, "top-level category": top, "probability of at least, %": percent(limit)}
            for top, limit in limits.items()
        ]
    return rows


def batch_rows(answers: dict[str, pd.DataFrame], levels: list[str], repeated: dict[str, list[str]]) -> list[dict]:
    """A row per batch: how many products, what decided, what is accepted."""
    rows = []
    for name, found in answers.items():
        decided = found.decided_by.value_counts()
        row = {"batch": name, "products": f"{len(found):,}"}
        row |= {f"decided by {each}": f"{decided.get(each, 0):,}" for each in DECIDED_BY}
        row["pictures that did not decode"] = f"{found.pictures_not_decoded.sum():,}"
        if levels:
            row |= {f"accepted at {level}": f"{(found.accepted == level).sum():,}" for level in levels}
            row["for review"] = f"{(found.accepted == '').sum():,}"
        rows.append(row | {"answered before, too": f"{len(repeated[name]):,}"})
    return rows


def repeated_products(answers: dict[str, pd.DataFrame]) -> dict[str, list[str]]:
    """By batch, the products (as text) that one before it has, too."""
    seen: set[str] = set()
    repeated = {}
    for name, found in answers.items():
        products = set(map(str, found["product"].tolist()))
        repeated[name] = sorted(products & seen)
        seen |= products
    return repeated


def notes(found: dict, thresholds: dict | None, repeated: dict[str, list[str]]) -> list[str]:
    """What to know beside the figures."""
    texts = [found["note"], thresholds["note"] if thresholds else ""]
    for name, products in repeated.items():
        if products:
            texts.append(
                f"{name}: {len(products):,} of its products are in test or in an earlier batch, too, {products[0]}"
                " first; each answer stands by itself"
            )
    return list(filter(None, texts))


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--thresholds", type=Path)
    parser.add_argument("--answers", type=Path, nargs="+", required=True, help="those of test first")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    found = json.loads(args.calibration.read_text())
    thresholds = json.loads(args.thresholds.read_text()) if args.thresholds else None
    answers = {path.stem: pd.read_parquet(path) for path in args.answers}
    repeated = repeated_products(answers)
    told = notes(found, thresholds, repeated)
    parts = [paragraph(text) for text in filter(None, [calibration_text(found), *(f"Note: {text}." for text in told)])]
    if thresholds:
        parts += [
            paragraph("What accepted answers were to keep, and what they gave on products that chose no threshold:"),
            table(promise_rows(thresholds), text_columns=1),
            paragraph("Answers are accepted at the deepest level where they are at least as sure as this:"),
            table(threshold_rows(thresholds), text_columns=2),
        ]
    levels = thresholds["levels"] if thresholds else []
    parts += [paragraph("Answers so far:"), table(batch_rows(answers, levels, repeated), text_columns=1)]
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(page("Answers", *parts))
    for text in told:
        cli.warn(text)
    cli.summary(f"answers of {len(answers)} sets of products tabulated")


if __name__ == "__main__":
    cli.run(main)
