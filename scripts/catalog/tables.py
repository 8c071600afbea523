"""Tables that people make, in Excel or elsewhere: columns by name, every fault with its line."""

import codecs
import csv
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import cli

ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NO_TABLES = {
    b"PK\x03\x04": "an Excel workbook or a zip archive, not a CSV; save it as CSV UTF-8, or unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook, not a CSV; save it as CSV UTF-8",
    b"\x1f\x8b": "a gzip file, not a CSV; unpack it with gunzip",
    b"\x89PNG": "a picture, not a CSV",
    b"\xff\xd8\xff": "a picture, not a CSV",
}
SEPARATORS = ",;\t"
LINE_END = re.compile(r"\r\n|\r|\n")
AS_UTF8 = "save it as UTF-8 (in Excel: CSV UTF-8)"


@dataclass(frozen=True)
class Table:
    """The rows of a table, blank ones left out.

    Attributes:
        columns: texts by column name, one per row; empty where a row is too short.
        lines: the line, from 1, at which each row begins.
        others: names of columns that nobody asked for.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    others: list[str]


def read_table(path: Path, required: list[str], optional: list[str] | None = None) -> Table:
    """Read the columns asked for, by their names in the first line.

    UTF-8 with or without a byte order mark and UTF-16 are read; fields are separated by commas, semicolons or tabs.

    Args:
        required: columns that must be there.
        optional: columns that are read where they are there.

    Raises:
        cli.UserError: the file is no such table; names the line.
    """
    return parse_table(path, path.read_bytes(), required, optional)


def parse_table(path: Path, content: bytes, required: list[str], optional: list[str] | None = None) -> Table:
    """Like read_table, of the content of a file; the path stands in errors."""
    text = _decoded(path, content)
    head, *_ = LINE_END.split(text.lstrip("\r\n"), maxsplit=1)
    asked = [*required, *(optional or [])]
    rows = _rows(path, text, _separator(head, asked))
    line, names = next(rows, (1, []))
    names = [name.strip() for name in names]
    if not names:
        raise cli.UserError(f"{path}: the file is empty; its first line must name {', '.join(required)}")
    if missing := [name for name in required if name not in names]:
        raise cli.UserError(f"{path}: line {line}: no column {missing[0]}; it must name {', '.join(required)}")
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise cli.UserError(f"{path}: line {line}: the column {twice[0]} is there twice")
    kept: list[list[str]] = []
    lines = []
    for line, row in rows:
        if len(row) > len(names):
            raise cli.UserError(
                f"{path}: line {line}: {len(row)} fields, but the first line names {len(names)};"
                " put a text that holds the separator in double quotes"
            )
        kept.append(row + [""] * (len(names) - len(row)))
        lines.append(line)
    columns = {name: [row[names.index(name)] for row in kept] for name in asked if name in names}
    return Table(columns, lines, [name for name in names if name and name not in asked])


def _decoded(path: Path, content: bytes) -> str:
    for start, kind in NO_TABLES.items():
        if content.startswith(start):
            raise cli.UserError(f"{path}: {kind}")
    encoding = next((name for mark, name in ENCODINGS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        raise cli.UserError(
            f"{path}: line {len(LINE_END.split(before))}: not {encoding.upper().removesuffix('-SIG')}"
            f" (byte 0x{content[error.start]:02x}); {AS_UTF8}"
        ) from None
    if "\0" in text:
        raise cli.UserError(f"{path}: line {len(LINE_END.split(text[: text.index(chr(0))]))}: a zero byte; {AS_UTF8}")
    return text


def _separator(head: str, asked: list[str]) -> str:
    """The one by which most of the columns asked for are found."""
    return max(SEPARATORS, key=lambda separator: len({part.strip(' "') for part in head.split(separator)} & {*asked}))


def _rows(path: Path, text: str, separator: str):
    """Yield the rows that are not blank, with the line at which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            is_open = "unexpected end" in str(error) or "field larger" in str(error)
            reason = "a double quote is opened and not closed" if is_open else "a text goes on after its closing quote"
            raise cli.UserError(f"{path}: line {line}: {reason}; a quote inside a text is written twice") from None
        if any(cell.strip() for cell in row):
            yield line, row


def zipped(content: bytes) -> bytes:
    """A .gz without time and name, so that equal tables are equal files.

    zlib writes the same header under every Python; what the module gzip says of the system depends on its version.
    """
    return zlib.compress(content, level=9, wbits=zlib.MAX_WBITS | 16)
