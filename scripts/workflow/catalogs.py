"""Which state of a catalog file the results belong to.

GPU-weeks depend on a catalog of tens of gigabytes. Its identity is size and modification time of the file
that was indexed, known before the first job.
"""

import hashlib
import json
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


def content_hash(path: Path) -> str:
    """SHA-256 of a small file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def identity(path: Path, record_path: Path) -> str:
    """The stamp under which a catalog file's present content is, or will be, indexed.

    Args:
        path: the .bson file.
        record_path: the JSON that remembers the stamps whose content was found to be the indexed one.
    """
    now = stamp(path)
    return _read_record(record_path).get(now, now)


def _read_record(record_path: Path) -> dict[str, str]:
    return json.loads(record_path.read_text()) if record_path.exists() else {}


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


def where_published(checkpoint: str) -> str:
    """Where to get a public checkpoint, as half a sentence."""
    return f"published {PUBLISHED.get(checkpoint, 'by its authors')}"
