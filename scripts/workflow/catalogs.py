"""Which state of a catalog file the results belong to.

GPU-weeks depend on a catalog of tens of gigabytes. Its identity is size and modification time of the file when it was
indexed, known before the first job. A file that was touched or copied keeps it, if its content is still the same: that
is found by its digest, once per touch.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

import cli


def check_files(catalog: Path, generated: bool) -> None:
    """Stop at once where the catalog's folder lacks a file that no rule makes.

    Raises:
        cli.UserError: names the missing file and the config key.
    """
    if generated:
        return
    for name in ("train.bson", "test.bson"):
        if not (catalog / name).is_file():
            raise cli.UserError(
                f"{catalog / name}: no such file; set the config key catalog to a folder with train.bson, "
                "test.bson and category_names.csv (a mongodump), or see scripts/make_catalog.py"
            )


def stamp(path: Path) -> str:
    """Size (bytes) and modification time (ns) of a file."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def check_rejects(rejects: Path) -> None:
    """Stop where an index, made with `on_bad_product: skip`, left products out.

    Raises:
        cli.UserError: names the first of them.
    """
    if not rejects.exists():
        return
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows:
        first = "; ".join(f"{key} {value}" for key, value in rows[0].items())
        products = "1 bad product was" if len(rows) == 1 else f"{len(rows)} bad products were"
        raise cli.UserError(
            f"{rejects}: {products} left out, first {first};"
            " set on_bad_product: skip, or mend the catalog and run again"
        )


def category_order(path: Path) -> str:
    """SHA-256 of the category ids of category_names.csv in order: what class ids depend on, unlike the names.

    A byte order mark before the first line is none of them.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        ids = [row[0] for row in csv.reader(file) if row]
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file's content, however large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: Path, record_path: Path) -> str:
    """The stamp under which a catalog file's present content is, or will be, indexed.

    A stamp that the record does not hold is looked up by content and remembered in the record.

    Args:
        path: the .bson file.
        record_path: what digest_catalog.py wrote (record); absent before the first run.
    """
    now = stamp(path)
    if not record_path.exists():
        return now
    known = json.loads(record_path.read_text())
    if now not in known["stamps"]:
        print(f"{path}: touched since it was indexed, its content is compared once", file=sys.stderr)
        is_same = digest(path) == known["sha256"]
        known["stamps"][now] = known["indexed"] if is_same else now
        with cli.written_whole(record_path) as (temporary,):
            temporary.write_text(json.dumps(known, indent=1))
    return known["stamps"][now]


def record(path: Path) -> dict:
    """What identity needs to recognize a file's content: its stamp, its digest, and the stamps looked up so far."""
    now = stamp(path)
    return {"indexed": now, "sha256": digest(path), "stamps": {now: now}}


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
        published = PUBLISHED.get(path.name.removesuffix("-0000.params"), "by its authors")
        lines.append(f"  {path} for {', '.join(names)}: published {published}")
    return "\n".join(lines)
