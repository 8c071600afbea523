"""What a catalog that no rule makes holds: its files, known by their SHA-256.

A file is read whole once per path, size and modification time; what was found is noted below the results.
"""

import codecs
import contextlib
import csv
import hashlib
import itertools
import json
import re
import shlex
from pathlib import Path

import cli
from catalog.dumps import check_dump
from catalog.tables import read_table
from workflow.artifacts import Artifacts
from workflow.data import Batch, Catalog
from workflow.image_sets import ImageSet
from workflow.outputs import DUMP

NOTED = 1 << 28  # bytes; a smaller file is read in a moment
BLOCK = 1 << 22  # bytes read at once
ANY_DUMP = "*.bson"  # the dumps of a folder


def check_files(config: dict) -> None:
    """Stop at once where the catalog or a batch lacks a file that no rule makes, or has one that is no dump.

    Raises:
        cli.UserError: names the file, and the config key or the command that makes a dump of it.
    """
    _check_batches(config["batches"])
    if "generate_catalog" in config or "exported" in config:
        return
    catalog = Path(config["catalog"])
    found = {name: files_of(catalog, name) for name in ("train", "test")}
    for name, files in found.items():
        if not files:
            if (packed := catalog / f"{name}.bson.gz").is_file():
                raise cli.UserError(f"{packed}: a gzip file; unpack it: gunzip {shlex.quote(str(packed))}")
            raise cli.UserError(
                f"{catalog / name}.bson: no such file, nor a folder {name} of .bson files; set the config key catalog"
                " to a folder with train.bson, test.bson and category_names.csv (a mongodump), or see"
                " scripts/make_catalog.py"
            )
    for file in itertools.chain(*found.values()):
        check_dump(file)


def files_of(catalog: Path, name: str) -> list[Path]:
    """The .bson of train or test; of a folder of dumps, these in the order of their names.

    Raises:
        cli.UserError: there are both, or a dump's name would not do in paths.
    """
    alone, folder = catalog / f"{name}.bson", catalog / name
    if not alone.is_file():
        return _dumps(folder)
    if any(folder.glob(ANY_DUMP)):
        raise cli.UserError(f"{folder}: {alone} is there, too; move one of them away")
    return [alone]


def _dumps(folder: Path) -> list[Path]:
    """The .bson files of a folder in the order of their names.

    Raises:
        cli.UserError: a dump's name would not do in paths, or one is packed.
    """
    dumps = sorted(folder.glob(ANY_DUMP))
    for dump in dumps:
        if not re.fullmatch(DUMP, dump.stem):
            raise cli.UserError(f"{dump}: name it by letters, digits, `_`, `-` and `.` alone")
    if packed := sorted(folder.glob("*.bson.*z*")):
        raise cli.UserError(f"{packed[0]}: unpack it, or move it away")
    return dumps


def is_folder(batch: str) -> bool:
    """Whether a batch is given as a folder of dumps: `folder/*.bson`, or the folder itself."""
    return Path(batch).name == ANY_DUMP or Path(batch).is_dir()


def files_of_batch(batch: str) -> list[Path]:
    """The file of a batch, or its dumps in the order of their names.

    Raises:
        cli.UserError: a dump's name would not do in paths, or one is packed.
    """
    path = Path(batch)
    return _dumps(path.parent if path.name == ANY_DUMP else path) if is_folder(batch) else [path]


def _check_batches(batches: dict[str, str]) -> None:
    for name, batch in batches.items():
        files = files_of_batch(batch)
        if not files:
            raise cli.UserError(f"{batch}: no .bson file; put the dumps of batch {name} there, or unset batches.{name}")
        for file in files:
            if not file.is_file():
                raise cli.UserError(
                    f"{file}: no such file; set the config key batches.{name} to a .bson of products, or to a folder of"
                    f" them as folder/{ANY_DUMP}"
                )
            check_dump(file)


def artifacts_of(config: dict) -> Artifacts:
    """Everything that a complete configuration leads to, by what its catalog and its batches hold."""
    noted = Path(config["results"], "catalog-digests.json")
    batches = {name: held_batch(path, noted) for name, path in config["batches"].items()}
    if "exported" in config:
        return _of_exported(config, batches)
    return Artifacts(config, None if "generate_catalog" in config else held(Path(config["catalog"]), noted), batches)


def _of_exported(config: dict, batches: dict[str, Batch]) -> Artifacts:
    """The same of a folder that export_models.py wrote, without the catalog.

    Raises:
        cli.UserError: a file of the folder is missing, or has another name under this version.
    """
    exported = config["exported"]
    catalog = None
    if "generate_catalog" not in config:
        catalog = Catalog(config["catalog"], exported["digests"], exported.get("order"), exported["dumps"])
    made = Artifacts(config, catalog, batches)
    for batch in batches:
        for artifact, name in made.taken_along(ImageSet(batch=batch)):
            if not Path(path := artifact.files[name]).exists():
                raise cli.UserError(
                    f"{path}: no such file; set the config key results to the exported folder, or export it anew with"
                    " this version of Shelfmark and of the packages"
                )
    return made


def held_batch(batch: str, noted: Path) -> Batch:
    """What the files of a batch hold; `noted` is as for `held`."""
    files = files_of_batch(batch)
    if is_folder(batch):
        return Batch([*map(str, files)], {file.stem: digest(file, noted) for file in files})
    return Batch(batch, digest(files[0], noted))


def held(folder: Path, noted: Path) -> Catalog:
    """What the files of a catalog hold.

    Args:
        folder: with train.bson and test.bson, or folders of dumps, perhaps category_names.csv and
            sample_submission.csv.
        noted: the JSON in which digests are kept by path, size and modification time.
    """
    digests, dumps = {}, {}
    for name in ("train", "test"):
        files = files_of(folder, name)
        found = {file.stem: digest(file, noted) for file in files}
        if files == [folder / f"{name}.bson"]:
            digests |= found
        else:
            dumps[name] = found
    names, sample = folder / "category_names.csv", folder / "sample_submission.csv"
    if sample.exists():
        digests["sample"] = digest(sample, noted)
    if names.exists():
        digests["names"] = hashlib.sha256(names.read_bytes().removeprefix(codecs.BOM_UTF8)).hexdigest()
    return Catalog(str(folder), digests, category_order(names) if names.exists() else None, dumps)


def digest(path: Path, noted: Path) -> str:
    """SHA-256 of a file: what sha256sum wrote beside it, else from what the file holds.

    The file is read only where its path, size or modification time is not noted yet.
    """
    if written := _beside(path):
        return written
    known = json.loads(noted.read_text()) if noted.exists() else {}
    status = path.stat()
    size_and_time = [status.st_size, status.st_mtime_ns]
    entry = known.get(str(path.absolute()), {})
    if entry.get("size_and_time") != size_and_time:
        entry = {"size_and_time": size_and_time, "sha256": sha256(path)}
        if noted.parent.exists() or status.st_size >= NOTED:  # else a dry run leaves nothing
            with contextlib.suppress(cli.UserError, OSError), cli.written_whole(noted) as (temporary,):
                temporary.write_text(cli.as_json(known | {str(path.absolute()): entry}))
    return entry["sha256"]


def _beside(path: Path) -> str | None:
    """What sha256sum said of a file, in {name}.sha256 beside it, where that is not older than the file.

    Raises:
        cli.UserError: the file beside it is no such output.
    """
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file() or beside.stat().st_mtime_ns < path.stat().st_mtime_ns:
        return None
    first = beside.read_text(errors="replace")[:64]
    if not re.fullmatch("[0-9a-f]{64}", first):
        raise cli.UserError(f"{beside}: not what sha256sum writes; write it anew, or remove it")
    return first


def sha256(path: Path) -> str:
    """SHA-256 of a file, with a progress bar where it is large."""
    found, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file, cli.progress(size, "B", f"{path} is read once", hidden=size < NOTED) as bar:
        while block := file.read(BLOCK):
            found.update(block)
            bar.update(len(block))
        if file.tell() != size:
            raise cli.UserError(f"{path}: the file changed while it was read; wait until nobody writes it")
    return found.hexdigest()


def check_rejects(rejects: Path) -> None:
    """Stop where an index, made with `on_bad_product: skip`, left products or pictures out.

    Raises:
        cli.UserError: names the first of them.
    """
    if not rejects.exists():
        return
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows:
        first = "; ".join(f"{key} {value}" for key, value in rows[0].items())
        faults = "1 bad product or picture was" if len(rows) == 1 else f"{len(rows)} bad products or pictures were"
        raise cli.UserError(
            f"{rejects}: {faults} left out, first {first}; set on_bad_product: skip, or mend the catalog and run again"
        )


def category_order(path: Path) -> str:
    """SHA-256 of the category ids of category_names.csv in order: what class ids depend on, unlike the names.

    Its encoding, its separator and the order of its columns do not count.

    Raises:
        cli.UserError: the file is no such table; names the line.
    """
    ids = read_table(path, ["category_id"]).columns["category_id"]
    return hashlib.sha256("\n".join(["category_id", *ids]).encode()).hexdigest()


PUBLISHED = {
    "imagenet1k-resnext-101": "in MXNet's model zoo as imagenet/resnext/101-layers/resnext-101-0000.params",
    "imagenet1k-resnext-101-64x4d": (
        "in MXNet's model zoo as imagenet/resnext/101-layers/resnext-101-64x4d-0000.params"
    ),
    "dpn92-5k": "with cypw/DPNs on GitHub",
    "dpn98": "with cypw/DPNs on GitHub",
    "dpn107-extra": "with cypw/DPNs on GitHub",
    "dpn131": "with cypw/DPNs on GitHub",
    "densenet-161": "as shicai/DenseNet-Caffe on GitHub, to be converted to densenet.mxnet's layer names",
}

# ImageNet-1k weights of the same networks, as arguments of convert_weights.py.
FROM_TIMM = {
    "imagenet1k-resnext-101": "hf-hub:timm/resnext101_32x4d.gluon_in1k --network resnext-101-32x4d",
    "imagenet1k-resnext-101-64x4d": "hf-hub:timm/resnext101_64x4d.gluon_in1k --network resnext-101-64x4d",
    "dpn92-5k": "hf-hub:timm/dpn92.mx_in1k --network dpn-92",
    "dpn98": "hf-hub:timm/dpn98.mx_in1k --network dpn-98",
    "dpn107-extra": "hf-hub:timm/dpn107.mx_in1k --network dpn-107",
    "dpn131": "hf-hub:timm/dpn131.mx_in1k --network dpn-131",
    "densenet-161": "hf-hub:timm/densenet161.tv_in1k --network densenet-161",
}


def list_missing_checkpoints(models: dict[Path, list[str]]) -> str:
    """A line that says what to do, then one for each public checkpoint that is missing.

    Args:
        models: those that start from a checkpoint, by its file `<name>-0000.params`.
    """
    some = next(iter(models.values()))[0]
    count = "a public checkpoint is" if len(models) == 1 else f"{len(models)} public checkpoints are"
    lines = [
        f"{count} missing; get what is listed here, or train from random weights: "
        f"models: {{{some}: {{start: {{pretrained: null}}}}}} in a file that you name by --configfile"
    ]
    for path, names in models.items():
        name = path.name.removesuffix("-0000.params")
        lines.append(f"  {path} for {', '.join(names)}: published {PUBLISHED.get(name, 'by its authors')}")
        if name in FROM_TIMM:
            lines.append(f"    or: python scripts/convert_weights.py {FROM_TIMM[name]} --output {path}")
    return "\n".join(lines)
