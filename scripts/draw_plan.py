"""Draw the boxes of a finished run.

In: the parts of the configuration that lead to boxes (JSON). Out: an SVG. What a run would do before it starts is
drawn by plan_workflow.py.

Example:
    python scripts/draw_plan.py --configuration '{"models": {...}, ...}' --output plan.svg
"""

import argparse
import json
from pathlib import Path

import cli
from plan import boxes, drawing, hours


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--configuration", type=json.loads, required=True, metavar="JSON")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    planned = boxes.build(args.configuration)
    estimates = dict.fromkeys(planned, hours.Cost())
    footer = [f"{len(planned)} boxes, all done."]
    title = f"Finished: {len(args.configuration['models'])} models, {len(args.configuration['ensembles'])} ensembles"
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(drawing.svg(title, planned, estimates, [], footer))
    cli.summary(f"{len(planned)} boxes drawn to {args.output}")


if __name__ == "__main__":
    cli.run(main)
