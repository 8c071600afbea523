"""Self-contained HTML pages of the report."""

import base64
from collections.abc import Iterable
from html import escape

NONE = "\u2013"  # where there is no figure
STYLE = """
body { font: 14px/1.4 'DejaVu Sans', Verdana, sans-serif; color: #111; margin: 1.5em }
p { max-width: 60em }
table { border-collapse: collapse; margin: 0.5em 0 1.5em }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid #ccc }
th { border-bottom: 2px solid #111; vertical-align: bottom; font-size: 12px; max-width: 9em }
td { white-space: nowrap }
td.text, th.text { text-align: left; white-space: normal; overflow-wrap: break-word }
figure { display: inline-block; margin: 2px; font-size: 11px; text-align: center }
figure img { display: block; width: 110px; height: 110px; object-fit: contain; border: 1px solid #ccc }
"""


def page(title: str, *parts: str, refresh: int | None = None) -> str:
    """A page; with refresh, the browser loads it again after so many seconds."""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    head = f'<meta charset="utf-8">{again}<title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en">{head}\n<body>\n<h2>{escape(title)}</h2>\n{body}\n</body></html>\n'


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def table(rows: list[dict[str, object]], text_columns: int) -> str:
    """A table of cells by head, the same in each row; the first text_columns are flush left, the others flush right."""
    cells = [[escape(str(cell)) for cell in row.values()] for row in rows]
    return markup_table(map(escape, rows[0]), cells, text_columns)


def markup_table(head: Iterable[str], rows: Iterable[Iterable[str]], text_columns: int) -> str:
    """A table of cells that are markup themselves."""
    lines = [_row("th", head, text_columns), *(_row("td", row, text_columns) for row in rows)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _row(tag: str, cells: Iterable[str], text_columns: int) -> str:
    parts = [
        f"<{tag}{' class=text' if position < text_columns else ''}>{cell}</{tag}>"
        for position, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(parts)}</tr>"


def picture(jpeg: bytes, caption: str = "") -> str:
    """A picture that lies in the page."""
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return f'<figure><img alt="" src="{source}">{escape(caption)}</figure>'


def percent(value: float | None) -> str:
    """A share as per cent with two digits; a dash where there is none."""
    return NONE if value is None else f"{100 * value:.2f}"
