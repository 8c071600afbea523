"""The files below a folder: which are pictures, and why the others are not taken."""

import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cli
from loading.formats import HEAD, HEIC, TAKEN, format_of

SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")
}
# Raw files look like TIFF from outside; what decoders find in them is a thumbnail, if anything.
RAW_SUFFIXES = {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".sr2", ".srw"}
HIDDEN = "hidden or the system's own"
OTHER = "no picture of a kind that is taken"
RAW = "raw file of a camera, to be converted to JPEG first"
DANGLING = "link that leads nowhere"
LOOP = "link to a folder around it"
SPECIAL = "neither file nor folder"
UNREADABLE = "not to be read"
# What Windows, macOS and network drives put beside people's files; what begins with a dot counts as hidden anyway.
_SYSTEM_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found"}


@dataclass
class Files:
    """What lies below a folder: the pictures, sorted, and all other files with the reason not to take them."""

    pictures: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def find_files(root: Path) -> Files:
    """Look at every file below a folder; links are followed, but not in circles."""
    found = Files()
    folders = [(root, frozenset({_identity(root)}), False)]
    while folders:
        folder, around, is_hidden = folders.pop()
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            found.left_out[folder] = UNREADABLE
            continue
        for path in paths:
            hidden = is_hidden or path.name.startswith(".") or path.name.lower() in _SYSTEM_NAMES
            try:
                mode = path.stat().st_mode
            except OSError:
                found.left_out[path] = HIDDEN if hidden else DANGLING if path.is_symlink() else UNREADABLE
                continue
            if not stat.S_ISDIR(mode):
                reason = HIDDEN if hidden else _fault(path, mode)
                if reason is None:
                    found.pictures.append(path)
                else:
                    found.left_out[path] = reason
            elif (identity := _identity(path)) in around:
                found.left_out[path] = LOOP
            else:
                folders.append((path, around | {identity}, hidden))
    found.pictures.sort()
    return found


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _fault(path: Path, mode: int) -> str | None:
    """Why a file is no picture. A damaged one is a picture: whether it decodes is seen when it is."""
    if not stat.S_ISREG(mode):
        return SPECIAL
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES:
        return RAW
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return UNREADABLE
    return None if format_of(head) in (*TAKEN, HEIC) or suffix in SUFFIXES else OTHER


def readable(name: str) -> str:
    """The text of a file's name: UTF-8, else Latin-1; letters with accents composed, as other systems may not do."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return unicodedata.normalize("NFC", text)


def shown(path: Path) -> str:
    """A path for the terminal: one line, without control characters."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in readable(str(path))
    )


def reasons_line(left_out: dict[Path, str]) -> str:
    """What was not taken, counted by reason, with a few names or suffixes of each."""
    counts = Counter(left_out.values()).most_common()
    parts = [f"{reason}: {count:,} ({_examples(reason, left_out)})" for reason, count in counts]
    return f"{len(left_out):,} not taken; {'; '.join(parts)}"


def _examples(reason: str, left_out: dict[Path, str]) -> str:
    paths = [path for path, other in left_out.items() if other == reason]
    if reason not in (OTHER, RAW):
        return cli.some([shown(Path(name)) for name in _distinct(path.name for path in paths)])
    suffixes = Counter(path.suffix.lower() or "no suffix" for path in paths)
    return cli.some([f"{shown(Path(suffix))} {count:,}" for suffix, count in sorted(suffixes.items(), key=_most_first)])


def _most_first(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
