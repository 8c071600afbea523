"""Show the learning curves of all epochs so far, of each model's latest settings, while a run goes on.

In: the folder of models. Out: an HTML page that a browser loads again by itself, and a TSV with a row per epoch. With
--every they are made again after each finished epoch, until Ctrl-C.

Example:
    python scripts/show_curves.py --models results/models --page results/curves.html --table results/curves.tsv \
        --every 20
"""

import argparse
import time
from pathlib import Path

import pandas as pd

import cli
from figures import curves, style
from figures.epochs import latest_epochs, read_epochs, write_table
from figures.pages import page, paragraph, percent, table


def curves_page(epochs: pd.DataFrame, refresh: int | None) -> str:
    """The page: each model's latest epoch as a table, and all curves; with refresh, loaded again after so many seconds.

    Args:
        epochs: figures.epochs.COLUMNS.
    """
    drawing = style.svg(curves.draw(epochs))
    return page(
        f"{len(epochs)} epochs of {epochs.model.nunique()} models so far",
        paragraph("Pictures right: in training as augmented, of the valid part without mirror."),
        table(latest_rows(epochs), text_columns=1),
        drawing[drawing.index("<svg") :],
        refresh=refresh,
    )


def latest_rows(epochs: pd.DataFrame) -> list[dict[str, str]]:
    """The latest epoch of each model, cells by head."""
    return [
        {
            "model": epoch.model,
            "epochs": epoch.epoch,
            "learning rate": f"{epoch.learning_rate:g}",
            "cross entropy, train": f"{epoch.train_cross_entropy:.3f}",
            "cross entropy, valid": f"{epoch.valid_cross_entropy:.3f}",
            "pictures right, train, %": percent(epoch.train_top1),
            "pictures right, valid, %": percent(epoch.valid_top1),
            "pictures/s": f"{epoch.train_images_per_second:,.0f}",
        }
        for epoch in epochs.groupby("model").tail(1).itertuples()
    ]


def show(paths: list[Path], args: argparse.Namespace) -> None:
    """Write the page and the table of these metrics of epochs."""
    epochs = read_epochs(paths)
    with cli.written_whole(args.page, args.table) as (html, tsv):
        html.write_text(curves_page(epochs, args.every))
        write_table(epochs, tsv)
    cli.summary(f"{len(epochs)} epochs: {args.page}, {args.table}")


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--models", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--every", type=int, metavar="SECONDS", help="look for new epochs; once if absent")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    shown: list[Path] = []
    while True:
        found = latest_epochs(args.models)
        if found and found != shown:
            show(found, args)
            shown = found
        if not args.every:
            break
        time.sleep(args.every)
    if not shown:
        raise cli.UserError(f"{args.models}: no finished epoch yet; try again after a model's first")


if __name__ == "__main__":
    cli.run(main)
