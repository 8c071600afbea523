"""Draw what a run would do: boxes people think in, what is done, what runs and why, and what it takes.

In: the arguments of a Snakemake run (profile, configuration, targets). Which jobs run, and why, is what
Snakemake itself decides in a dry run of these arguments; nothing is started and nothing else is written.
Out: an SVG page, and the same as tables on the terminal: boxes, what jobs ask of the cluster, the disk at the end of
each stage, and the days of a run on some numbers of GPUs.

Hours come from the benchmarks of finished jobs where there are any, else from pictures x epochs / published
speed. With --published-catalog, sizes are those of the published catalog, whatever catalog is at hand.

Example:
    python scripts/plan_workflow.py --gpus 16 -- --profile profiles/slurm --config catalog=/data
"""

import argparse
import sys
from pathlib import Path

from snakemake.cli import args_to_api, parse_args

import cli
import snakemake_logger_plugin_jobs as dry_run
from costs import finished, sizes
from costs.estimator import Estimator
from plan import boxes, disk, drawing, hours, requests, schedule
from terminal import handler
from workflow import overlays
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.outputs import without_digests

ROOT = Path(__file__).resolve().parents[1]


def dry_run_jobs(
    snakemake_arguments: list[str],
) -> tuple[list[boxes.Job], dict, argparse.Namespace, Artifacts, set[Artifact]]:
    """The jobs of a dry run, as Snakemake decides.

    Returns:
        the jobs, the configuration, Snakemake's parsed arguments, all that the configuration leads to, and what the
        jobs make of it.

    Raises:
        cli.UserError: the dry run fails; Snakemake has printed why.
    """
    own = ["--dry-run", "--logger", "jobs", "--snakefile", str(ROOT / "Snakefile")]
    command = [*own, *snakemake_arguments]
    parser, arguments = parse_args(command)
    arguments.configfile = overlays.in_order(command, arguments.configfile)
    arguments.software_deployment_method = set()  # a plan needs no environments
    arguments.cores = arguments.cores or sys.maxsize  # a cluster's jobs get the threads that they ask for
    if not args_to_api(arguments, parser):
        raise cli.UserError("the dry run failed, see above")
    workflow = handler.parsed[-1]
    done_by_driver = workflow._localrules if arguments.executor != "local" else set()
    why = workflow.globals["why"]()
    jobs = [
        boxes.Job(
            record.rule_name,
            without_digests(record.wildcards.items()),
            why[frozenset(record.wildcards.items())],
            {} if record.rule_name in done_by_driver else {**record.resources, "threads": record.threads},
        )
        for record in dry_run.COLLECTED
        if record.output
    ]
    return jobs, workflow.globals["config"], arguments, workflow.globals["made"](), workflow.globals["planned"]()


def parse_own_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--output", type=Path, metavar="PLAN.svg", help="{results}/plan.svg where it is not given")
    parser.add_argument("--gpus", type=int, help="days are told for this number, else for a few")
    parser.add_argument("--published-catalog", action="store_true")
    parser.add_argument("snakemake", nargs="*", metavar="SNAKEMAKE_ARGUMENT")
    return parser.parse_args()


def main() -> None:
    args = parse_own_args()
    jobs, config, arguments, made, to_make = dry_run_jobs(args.snakemake)
    planned = boxes.build(config)
    boxes.assign(planned, jobs)
    size = sizes.PUBLISHED_CATALOG if args.published_catalog else sizes.catalog_size(config)
    estimator = Estimator(config, size, Path(config["results"], "models"))
    forecast = finished.Forecast(estimator, finished.read_finished(Path(config["results"]) / "benchmarks"))
    estimates = {key: hours.cost(box, forecast) for key, box in planned.items()}
    wanted = {key: hours.gpus(box, estimator) for key, box in planned.items()}
    days = {gpus: schedule.days(planned, estimates, wanted, gpus) for gpus in gpu_counts(planned, wanted, args.gpus)}
    chain, chain_hours = schedule.longest_chain(planned, estimates)
    footer = drawing.totals_text(planned, estimates, chain, chain_hours, days)
    # What jobs ask for follows from the catalog at hand.
    asked = [] if args.published_catalog else requests.table(job for box in planned.values() for job in box.jobs)
    stages = disk.stages(made.everything(), files_left(made, to_make), planned, estimator)
    tables = [*asked, *[""] * bool(asked), *disk.table(stages)]
    title = f"Plan of {config['results']}{named(arguments)}: {catalog_text(config, size, args.published_catalog)}"
    sys.stdout.write("\n".join([title, "", *drawing.table(planned, estimates), "", *tables, "", *footer, ""]))
    output = args.output or Path(config["results"]) / "plan.svg"
    with cli.written_whole(output) as (temporary,):
        temporary.write_text(drawing.svg(title, planned, estimates, chain, footer, tables))
    cli.summary(f"drawn to {output}")


def files_left(made: Artifacts, to_make: set[Artifact]) -> set[str]:
    """The files that are there after a run."""
    return {
        path
        for artifact in made.everything()
        for path in artifact.files.values()
        if artifact in to_make or Path(path).exists()
    }


def gpu_counts(planned: dict[str, boxes.Box], wanted: dict[str, int], gpus: int | None) -> list[int]:
    """The numbers of GPUs to tell days for; none where no box uses any.

    Raises:
        cli.UserError: a model asks for more than there are.
    """
    most = max((wanted[key] for key, box in planned.items() if box.column == boxes.MODEL), default=0)
    if gpus is None:
        return [most, 2 * most, 4 * most, 8 * most] if most else []
    if gpus < most:
        raise cli.UserError(f"--gpus {gpus}: a model asks for {most}; name more, or lower its gpus in config.yaml")
    return [gpus]


def named(arguments: argparse.Namespace) -> str:
    """The profile and the targets of a run, where it names any."""
    profile = f" by {' and '.join(arguments.profile)}" if arguments.profile else ""
    targets = f", {' '.join(map(str, arguments.targets))}" if arguments.targets else ""
    return profile + targets


def catalog_text(config: dict, size: sizes.CatalogSize, is_published: bool) -> str:
    name = "the published catalog" if is_published else f"catalog {config['catalog']}"
    pictures = size.train.pictures + size.test.pictures
    return f"{name}, {'about ' * (not is_published)}{pictures:,} pictures"


if __name__ == "__main__":
    cli.run(main)
