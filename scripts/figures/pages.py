"""Tables of the report as self-contained HTML pages."""

from collections.abc import Iterable
from html import escape

NONE = "\u2013"  # where there is no figure
STYLE = """
body { font: 14px/1.4 'DejaVu Sans', Verdana, sans-serif; color: #111; margin: 1.5em }
table { border-collapse: collapse; margin: 0.5em 0 1.5em }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid #ccc }
th { border-bottom: 2px solid #111; vertical-align: bottom } td.text, th.text { text-align: left }
img { width: 110px; height: 110px; margin: 2px; border: 1px solid #ccc }
"""


def page(title: str, *parts: str) -> str:
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>' + (
        f"<style>{STYLE}</style>\n<body>\n<h2>{escape(title)}</h2>\n{body}\n</body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[object]], text_columns: int) -> str:
    """A table whose first text_columns are flush left, the others flush right."""
    lines = [_row("th", head, text_columns), *(_row("td", row, text_columns) for row in rows)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _row(tag: str, cells: Iterable[object], text_columns: int) -> str:
    parts = [
        f"<{tag}{' class=text' if place < text_columns else ''}>{escape(str(cell))}</{tag}>"
        for place, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(parts)}</tr>"


def percent(value: float | None) -> str:
    """A share as per cent with two digits; a dash where there is none."""
    return NONE if value is None else f"{100 * value:.2f}"
