"""Draw what a run would do: boxes people think in, what is done, what runs and why, and what it takes.

In: the arguments of a Snakemake run (profile, configuration, targets). Which jobs run, and why, is what
Snakemake itself decides in a dry run of these arguments; nothing is started and nothing else is written.
Out: an SVG page, and the same as a table on the terminal.

Hours come from the benchmarks of finished jobs where there are any, else from pictures x epochs / published
speed. With --published-catalog, sizes are those of the published catalog, whatever catalog is at hand.

Example:
    python scripts/plan_workflow.py --output plan.svg -- --profile profiles/slurm --config catalog=/data
"""

import argparse
import sys
from pathlib import Path

from snakemake.cli import args_to_api, parse_args
from snakemake.common.configfile import load_configfile

import cli
import snakemake_logger_plugin_jobs as dry_run
from plan import boxes, costs, drawing
from workflow import configuration, overlays

ROOT = Path(__file__).resolve().parents[1]


def effective_configuration(arguments: argparse.Namespace) -> dict:
    """The configuration of a run with Snakemake's parsed arguments, with the schema's defaults."""
    config = overlays.merged(load_configfile(ROOT / "config.yaml"), arguments.configfile, arguments.config or [])
    return configuration.complete(config, ROOT / "config.schema.yaml")


def dry_run_jobs(snakemake_arguments: list[str]) -> tuple[list[boxes.Job], argparse.Namespace]:
    """The jobs of a dry run, as Snakemake decides, and its parsed arguments.

    Raises:
        cli.UserError: the dry run fails; Snakemake has printed why.
    """
    own = ["--dry-run", "--rerun-incomplete", "--logger", "jobs", "--snakefile", str(ROOT / "Snakefile")]
    command = [*own, *snakemake_arguments]
    parser, arguments = parse_args(command)
    arguments.configfile = overlays.in_order(command, arguments.configfile)
    if not args_to_api(arguments, parser):
        raise cli.UserError("the dry run failed, see above")
    jobs = [
        boxes.Job(record.rule_name, dict(record.wildcards), record.reason, tuple(record.output))
        for record in dry_run.COLLECTED
        if record.rule_name != "all"
    ]
    return jobs, arguments


def parse_own_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="PLAN.svg")
    parser.add_argument("--published-catalog", action="store_true")
    parser.add_argument("snakemake", nargs="*", metavar="SNAKEMAKE_ARGUMENT")
    return parser.parse_args()


def main() -> None:
    args = parse_own_args()
    jobs, arguments = dry_run_jobs(args.snakemake)
    config = effective_configuration(arguments)
    planned = boxes.build(config)
    boxes.assign(planned, jobs)
    size = costs.PUBLISHED_CATALOG if args.published_catalog else costs.catalog_size(config)
    estimator = costs.Estimator(config, size, Path(config["results"]) / "benchmarks")
    estimates = {key: estimator.cost(box) for key, box in planned.items()}
    path, hours = costs.critical_path(planned, estimates)
    footer = drawing.totals_text(planned, estimates, path, hours)
    sys.stdout.write(drawing.table(planned, estimates, footer) + "\n")
    title = f"Plan of {config['results']}, catalog {config['catalog']}"
    with cli.written_whole(args.output) as (temporary,):
        temporary.write_text(drawing.svg(title, planned, estimates, path, footer))
    cli.summary(f"drawn to {args.output}")


if __name__ == "__main__":
    cli.run(main)
