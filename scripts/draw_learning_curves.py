"""Draw what each epoch of each model reached, and write the same as a table.

In: the metrics of each model's last epoch, `<model>/<epoch>.json`, which hold those before it. Out: an SVG with
cross entropy, accuracy and learning rate of each model, and a TSV with a row per epoch, for pandas and the like.

Example:
    python scripts/draw_learning_curves.py --figure curves.svg --table epochs.tsv \
        models/M01/0015.json models/M02/0013.json
"""

import argparse
from pathlib import Path

import cli
from figures import curves, style
from figures.epochs import read_epochs, write_table


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("last_epochs", type=Path, nargs="*")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    epochs = read_epochs(args.last_epochs)
    style.save(style.notice("no model learns") if epochs.empty else curves.draw(epochs), args.figure)
    with cli.written_whole(args.table) as (temporary,):
        write_table(epochs, temporary)
    cli.summary(f"{len(epochs)} epochs of {epochs.model.nunique()} models drawn to {args.figure}")


if __name__ == "__main__":
    cli.run(main)
