"""Export what answers batches: a folder from which `snakemake` predicts on a machine without training data.

The folder is one of results, with the files that batches are answered from under the names that tell what is in them:
the last epochs of the models that answer, the classes, the index of the known pictures and products, the calibration
and the thresholds. Its config.yaml goes on top of Shelfmark's and says what the catalog held, so that these files are
current without it.

In: a configuration that has answered, as a file on top of config.yaml and of the profile's. Out: the folder.

Example:
    python scripts/export_models.py mine.yaml --profile profiles/small --config catalog=/data/catalog --output exported
    snakemake --cores all --configfile exported/config.yaml --config 'batches={today: new.bson}'
"""

import argparse
import shutil
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile

import cli
from costs.sizes import catalog_size
from plan.drawing import size_text
from workflow import given
from workflow.artifact import Artifact
from workflow.artifacts import Artifacts
from workflow.data import Batch
from workflow.given import Given
from workflow.image_sets import ImageSet

PROBE = "exported-probe"  # a batch that stands for all


def taken_along(configuration: Given) -> list[tuple[Artifact, str]]:
    """What any batch is answered from and does not make itself: artifacts, and the names of their files.

    Raises:
        cli.UserError: no ensemble answers, or a file is not made yet.
    """
    config = configuration.artifacts.config
    if "answers" not in config:
        raise cli.UserError(f"{configuration.name}: answers.ensemble: missing; name the ensemble that answers")
    batch = {PROBE: Batch(PROBE, "")}
    probed = Artifacts(config | {"batches": {PROBE: PROBE}}, configuration.artifacts.data.held, batch)
    found = probed.taken_along(ImageSet(batch=PROBE))
    for artifact, name in found:
        if not Path(artifact.files[name]).exists():
            raise cli.UserError(f"{artifact.files[name]}: not made yet; run it first: {configuration.command}")
    return found


def overlay(config: dict, base: dict) -> dict:
    """What goes on top of a base configuration to give another: its values, and null for keys that it has not."""
    found = {}
    for key in dict.fromkeys([*base, *config]):
        value, below = config.get(key), base.get(key)
        found[key] = overlay(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return found


def exported_config(configuration: Given, folder: Path) -> dict:
    """The configuration of the folder, on top of config.yaml."""
    config, held = configuration.artifacts.config, configuration.artifacts.data.held
    size = catalog_size(config)
    of_catalog = {"train_pictures": size.train.pictures, "classes": size.classes}
    if held:
        of_catalog |= {"digests": held.digests, "dumps": held.dumps}
        of_catalog |= {"order": held.order} if held.order else {}
    kept = {key: value for key, value in config.items() if key not in ("only", "batches")}
    base = load_configfile(given.ROOT / "config.yaml")
    return overlay(kept | {"results": str(folder), "exported": of_catalog}, base)


def export(configuration: Given, folder: Path) -> int:
    """Write the folder; returns the bytes of its files."""
    results, size = configuration.results, 0
    for artifact, name in taken_along(configuration):
        for path in (Path(artifact.files[name]), artifact.recipe_file):
            target = folder / path.relative_to(results)
            with cli.written_whole(target) as (temporary,):
                shutil.copyfile(path, temporary)
            size += path.stat().st_size
    with cli.written_whole(folder / "config.yaml") as (temporary,):
        temporary.write_text(yaml.safe_dump(exported_config(configuration, folder), sort_keys=False))
    return size


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("config_file", type=Path, nargs="?", metavar="CONFIG.yaml", help="without it: the profile's")
    parser.add_argument("--profile", help="its configfile goes below")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="go on top")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    configuration = given.read(args.config_file, args.profile, args.config)
    size = export(configuration, args.output)
    cli.summary(
        f"{size_text(size)} in {args.output}; there: snakemake --cores all --configfile {args.output}/config.yaml"
        " --config 'batches={today: new.bson}'"
    )


if __name__ == "__main__":
    cli.run(main)
