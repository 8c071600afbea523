"""A plan as an SVG page and as a table of text."""

from html import escape

from plan.boxes import CATALOG, COLUMN_TITLES, ENSEMBLE, MODEL, RESULT, Box
from plan.hours import Cost

WIDTH, HEIGHT = 200, 62  # pixels of a box
GAP_X, GAP_Y = 34, 12
MARGIN, HEAD = 24, 84
LINE = 20  # below the boxes
ARC = 14  # how far a transfer's arrow stands out of the models' column
CHARACTERS = 34  # of a box's smaller lines
STYLE = """
    text { font-family: 'DejaVu Sans', Verdana, sans-serif; font-size: 10px; fill: #111 }
    .title { font-size: 20px; font-weight: bold } .column { font-size: 13px; font-weight: bold }
    .name { font-size: 12px; font-weight: bold } .status { font-style: italic }
    .foot { font-size: 12px }
    .asked { font-family: 'DejaVu Sans Mono', monospace; font-size: 12px; white-space: pre }
    rect { stroke: #111; fill: #fff } .done rect { fill: #e4e4e4; stroke: #888 } .done text { fill: #555 }
    .run rect { stroke-width: 1.6 } .critical rect { stroke-width: 3.4 }
    path { fill: none; stroke: #999; stroke-width: 0.9 } .waits { stroke: #333 } .far { stroke: #ccc }
    .transfer { stroke: #111; stroke-width: 2.2 }
"""


def hours_text(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.1f} days"
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:,.0f} min" if hours >= 1 / 60 else "under 1 min"


def size_text(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # three digits, rounded
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def cost_text(cost: Cost) -> str:
    """Time, GPU hours and disk in one line."""
    gpu = f"{cost.gpu_hours:,.1f} GPU h" if (cost.gpu_hours or 0) >= 0.05 else ""
    hours = "time not known" if cost.hours is None else "about " * cost.is_scaled + hours_text(cost.hours)
    return ", ".join(filter(None, (gpu, hours, cost.size and size_text(cost.size))))


def totals_text(
    boxes: dict[str, Box], costs: dict[str, Cost], chain: list[str], hours: float, days: dict[int, float]
) -> list[str]:
    """The lines below the drawing and the table.

    Args:
        chain: the boxes of the longest chain.
        hours: what it takes.
        days: of the whole run by the number of GPUs; empty where none are used.
    """
    jobs = sum(len(box.jobs) for box in boxes.values())
    if not jobs:
        return ["Nothing to be done: every file is up to date."]
    run = [key for key, box in boxes.items() if box.will_run]
    unknown = [boxes[key].title for key in run if costs[key].hours is None]
    least = "at least " if unknown else ""
    size = f"{size_text(sum(cost.size for cost in costs.values()))} of disk"
    gpu_hours = sum(costs[key].gpu_hours or 0.0 for key in run)
    gpus = f"{least}{gpu_hours:,.0f} GPU hours, " if gpu_hours else ""
    lines = [f"{jobs} jobs in {len(run)} of {len(boxes)} boxes: {gpus}{size}."]
    if not unknown or hours >= 1 / 60:
        titles = " > ".join(boxes[key].title for key in chain)
        lines.append(f"Longest chain, with machines enough for the rest: {least}{hours_text(hours)}: {titles}")
    if gpu_hours:
        each = ", ".join(f"{count}: {least}{hours_text(24 * value)}" for count, value in days.items())
        lines.append(f"With so many GPUs at all times, and CPU nodes enough: {each}.")
    if unknown:
        lines.append(
            f"Not in these times: {_few(unknown)}, whose speed nobody knows yet; the first finished epoch tells it."
        )
    return lines


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} other boxes"


def table(boxes: dict[str, Box], costs: dict[str, Cost]) -> list[str]:
    """A head and a line per box."""
    rows = [("box", "", "what happens", "estimate")]
    for box in boxes.values():
        estimate = cost_text(costs[box.key]) if box.will_run else ""
        rows.append((box.title, box.subtitle, box.status, estimate))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def svg(
    title: str,
    boxes: dict[str, Box],
    costs: dict[str, Cost],
    chain: list[str],
    footer: list[str],
    requests: list[str] = (),
) -> str:
    """The page: a column per kind of box, edges behind the boxes, the longest chain with thick frames.

    Below it the footer, and the lines of a table of what jobs ask for.
    """
    columns = [[box for box in boxes.values() if box.column == column] for column in range(RESULT + 1)]
    tallest = max(map(len, columns))
    positions = {}
    for column, members in enumerate(columns):
        # Each submission stands beside its ensemble.
        count = max(len(columns[ENSEMBLE] if column == RESULT else members), 1)
        step = (HEIGHT + GAP_Y) * max(1.0, 0.8 * tallest / count)
        top = HEAD + ((tallest - 1) * (HEIGHT + GAP_Y) - (count - 1) * step) / 2
        for row, box in enumerate(members):
            positions[box.key] = (MARGIN + column * (WIDTH + GAP_X), top + row * step)
    width = 2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X
    lowest = max(y for _, y in positions.values())
    bottom = max(HEAD + tallest * (HEIGHT + GAP_Y), lowest + HEIGHT) + 20
    height = bottom + LINE * (len(footer) + len(requests) + 1) + MARGIN
    heads = [
        f'<text class="column" x="{MARGIN + column * (WIDTH + GAP_X)}" y="{HEAD - 16}">{text}</text>'
        for column, text in enumerate(COLUMN_TITLES)
    ]
    below = [*(("foot", text) for text in footer), *(("asked", text) for text in ["", *requests])]
    feet = [
        f'<text class="{kind}" x="{MARGIN}" y="{bottom + LINE * line}">{escape(text)}</text>'
        for line, (kind, text) in enumerate(below)
    ]
    edges = [_edge(box, boxes[source], positions) for box in boxes.values() for source in _drawn_sources(box)]
    edges.sort(key=lambda edge: "far" not in edge)
    frames = [_frame(box, costs[box.key], positions[box.key], box.key in chain) for box in boxes.values()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}">',
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" markerWidth="7" markerHeight="6" refX="6" refY="3" orient="auto">'
            '<path d="M0,0 L7,3 L0,6 z" style="fill:#111;stroke:none"/></marker></defs>',
            f'<rect width="{width}" height="{height}" style="stroke:none"/>',
            f'<text class="title" x="{MARGIN}" y="36">{escape(title)}</text>',
            *heads,
            *edges,
            *frames,
            *feet,
            "</svg>\n",
        ]
    )


def _drawn_sources(box: Box) -> list[str]:
    """All but the evaluation's, which waits for every prediction."""
    return [] if box.key == "evaluation" else box.sources


def _edge(box: Box, source: Box, positions: dict[str, tuple[float, float]]) -> str:
    (x, y), (source_x, source_y) = positions[box.key], positions[source.key]
    y, source_y = y + HEIGHT / 2, source_y + HEIGHT / 2
    kind = "waits" if source.will_run else ""
    if box.column - source.column > 1 and source.column != CATALOG:
        kind = "far"
    if box.column == source.column == MODEL:
        right = x + WIDTH
        bend = right + ARC * (1 + abs(y - source_y) / (HEIGHT + GAP_Y) / 6)
        curve = f"M{right},{source_y + 14} C{bend},{source_y + 14} {bend},{y - 8} {right + 1},{y - 8}"
        return f'<path class="transfer" marker-end="url(#head)" d="{curve}"/>'
    if box.column < source.column:  # a student learns from an ensemble
        right = x + WIDTH
        curve = f"M{source_x},{source_y} C{source_x - GAP_X},{source_y} {right + GAP_X},{y} {right + 1},{y}"
        return f'<path class="transfer" marker-end="url(#head)" d="{curve}"/>'
    if box.column == source.column:
        middle = x + WIDTH / 2
        return f'<path class="{kind}" d="M{middle},{source_y + HEIGHT / 2} L{middle},{y - HEIGHT / 2}"/>'
    right, bend = source_x + WIDTH, GAP_X + (x - source_x - WIDTH - GAP_X) / 2
    curve = f"M{right},{source_y} C{right + bend},{source_y} {x - bend},{y} {x},{y}"
    return f'<path class="{kind}" d="{curve}"/>'


def _frame(box: Box, cost: Cost, position: tuple[float, float], is_critical: bool) -> str:
    x, y = position
    kind = "run" if box.will_run else "done"
    lines = [
        f'<text class="name" x="{x + 8}" y="{y + 16}">{escape(box.title)}</text>',
        f'<text x="{x + 8}" y="{y + 29}">{escape(_shortened(box.subtitle))}</text>',
        f'<text class="status" x="{x + 8}" y="{y + 42}">{escape(_shortened(box.status))}</text>',
    ]
    if box.will_run:
        lines.append(f'<text x="{x + 8}" y="{y + 55}">{escape(_shortened(cost_text(cost)))}</text>')
    critical = " critical" if is_critical else ""
    rectangle = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
    return f'<g class="{kind}{critical}"><title>{escape(box.key)}</title>{rectangle}{"".join(lines)}</g>'


def _shortened(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
