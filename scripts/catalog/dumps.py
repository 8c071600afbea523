"""What a file is that stands where a dump should: told by its first bytes, with the way to a dump."""

import re
import shlex
from pathlib import Path

import cli

HEAD = 512  # bytes that tell

_DOCUMENT = re.compile(rb".{4}[\x01-\x13]_id\x00", re.DOTALL)  # its length may look like the start of anything
_UNPACK = "a {kind} file; unpack it: mv {{path}} {{path}}.{suffix} && {command} {{path}}.{suffix}"
_PACKED = {
    rb"\x1f\x8b": _UNPACK.format(kind="gzip", suffix="gz", command="gunzip"),
    rb"BZh[1-9]1AY&SY": _UNPACK.format(kind="bzip2", suffix="bz2", command="bunzip2"),
    rb"\xfd7zXZ\x00": _UNPACK.format(kind="xz", suffix="xz", command="unxz"),
    rb"\x28\xb5\x2f\xfd": _UNPACK.format(kind="Zstandard", suffix="zst", command="unzstd --rm"),
    rb"\x6d\xe2\x99\x81": (
        "an archive of mongodump; restore it and dump its collection:"
        " mongorestore --archive={path} && mongodump --db=DATABASE --collection=COLLECTION --out=FOLDER"
    ),
    rb"PK(?:\x03\x04|\x05\x06|\x07\x08)": "a zip archive; unpack it: unzip {path} -d FOLDER",
    rb".{257}ustar": "a tar archive; unpack it: tar -xf {path} -C FOLDER",
}
_TEXTS = {
    rb"version https://git-lfs": (
        "a pointer of Git LFS, not the file that it stands for; get that in its repository: git lfs pull"
    ),
    rb"(?:\xef\xbb\xbf)?\s*<": (
        "a web page or XML, as a download leaves that failed; look at it, and download the dump again"
    ),
    rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\]{])": (
        "JSON, not BSON; import it and dump it: mongoimport --db=DATABASE --collection=COLLECTION --file={path}"
        " (with --jsonArray where it is one array)"
        " && mongodump --db=DATABASE --collection=COLLECTION --out=FOLDER"
    ),
}


def check_dump(path: Path) -> None:
    """Stop where a file is empty or of another kind than a dump, as far as its first bytes tell.

    Raises:
        cli.UserError: names what the file is, and the command that makes a dump of it.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise cli.UserError(f"{path}: the file is empty; dump the catalog again")
    if what := _other_kind(head):
        raise cli.UserError(f"{path}: {what.format(path=shlex.quote(str(path)))}")


def _other_kind(head: bytes) -> str | None:
    """What begins so, if it is no dump, with {path} where the file's path belongs."""
    if _DOCUMENT.match(head):
        return None
    kinds = _PACKED if b"\0" in head else _PACKED | _TEXTS
    return next((what for start, what in kinds.items() if re.match(start, head, re.DOTALL)), None)
