"""Diagram layout: rows of groups of boxes, and arrows; the same diagram always has the same layout."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

CHAR_WIDTH, LINE_HEIGHT, PADDING, GAP = 7.2, 16, 10, 18
HEADER, ROW_GAP, ARC, MARGIN = 34, 112, 46, 12
MIN_BOX_WIDTH, MAX_LINE_LENGTH = 120, 32
"""The minimum width of a box, and the maximum number of characters of a line in it."""


@dataclass(frozen=True)
class Box:
    """A box: its key, its lines (the first is its name), its CSS class, and its full text for screen readers."""

    key: str
    lines: tuple[str, ...]
    css_class: str = ""
    title: str = ""


@dataclass(frozen=True)
class Group:
    """A group of boxes with a frame and a title."""

    title: str
    boxes: tuple[Box, ...]
    css_class: str = ""


@dataclass(frozen=True)
class Arrow:
    """An arrow from one box to another, with its label, CSS class and full text."""

    source: str
    target: str
    label: str = ""
    css_class: str = ""
    title: str = ""


@dataclass(frozen=True)
class Frame:
    """A rectangle with the positions of its lines of text."""

    x: float
    y: float
    width: float
    height: float
    css_class: str
    title: str
    texts: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Curve:
    """The curve of an arrow, with the position of its label."""

    path: str
    css_class: str
    title: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """The layout of a diagram: frames of groups and boxes, and curves."""

    width: float
    height: float
    groups: tuple[Frame, ...]
    boxes: tuple[Frame, ...]
    curves: tuple[Curve, ...]


@dataclass
class _Placement:
    groups: list[Frame] = field(default_factory=list)
    boxes: dict[str, Frame] = field(default_factory=dict)
    row: dict[str, int] = field(default_factory=dict)


def layout(rows: Sequence[Sequence[Group]], arrows: Iterable[Arrow]) -> Layout:
    """Return the layout of rows, the first at the top, and of the arrows whose boxes are in them."""
    non_empty = [[group for group in row if group.boxes] for row in rows]
    shown = [row for row in non_empty if row]
    width = max((sum(_width(g) for g in row) + GAP * (len(row) + 1) for row in shown), default=200.0)
    placement = _Placement()
    arrows = list(arrows)
    first = {box.key for group in shown[0] for box in group.boxes} if shown else set()
    y = float(MARGIN + (ARC if any({arrow.source, arrow.target} <= first for arrow in arrows) else 0))
    for number, row in enumerate(shown):
        y = _place_row(placement, row, number, y, width) + ROW_GAP
    placed = [arrow for arrow in arrows if {arrow.source, arrow.target} <= placement.boxes.keys()]
    return Layout(
        width,
        y - ROW_GAP + MARGIN,
        tuple(placement.groups),
        tuple(placement.boxes.values()),
        _curves(placement, placed),
    )


def shorten(text: str) -> str:
    """Return a line that fits into a box."""
    return text if len(text) <= MAX_LINE_LENGTH else f"{text[: MAX_LINE_LENGTH - 9]}…{text[-8:]}"


def _box_width(box: Box) -> float:
    return max(MIN_BOX_WIDTH, *(len(shorten(line)) * CHAR_WIDTH + 2 * PADDING for line in box.lines))


def _width(group: Group) -> float:
    title = len(group.title) * CHAR_WIDTH + 2 * PADDING
    return max(title, sum(_box_width(box) + PADDING for box in group.boxes) + PADDING)


def _place_row(placement: _Placement, row: Sequence[Group], number: int, y: float, width: float) -> float:
    """Place the groups of a row over the whole width, and return where the row ends."""
    space = (width - sum(_width(group) for group in row)) / (len(row) + 1)
    box_height = max(len(box.lines) for group in row for box in group.boxes) * LINE_HEIGHT + PADDING
    height = HEADER + box_height + PADDING
    x = space
    for group in row:
        group_width = _width(group)
        placement.groups.append(
            Frame(x, y, group_width, height, group.css_class, group.title, ((x + PADDING, y + 16, group.title),))
        )
        inner = x + (group_width - sum(_box_width(box) for box in group.boxes) - PADDING * (len(group.boxes) - 1)) / 2
        for box in group.boxes:
            box_width = _box_width(box)
            texts = tuple(
                (inner + box_width / 2, y + HEADER + 16 + LINE_HEIGHT * index, shorten(line))
                for index, line in enumerate(box.lines)
            )
            placement.boxes[box.key] = Frame(
                inner, y + HEADER, box_width, box_height, box.css_class, box.title or box.lines[0], texts
            )
            placement.row[box.key] = number
            inner += box_width + PADDING
        x += group_width + space
    return y + height


def _curves(placement: _Placement, arrows: Sequence[Arrow]) -> tuple[Curve, ...]:
    end_points = _end_points(placement, arrows)
    order = sorted(range(len(arrows)), key=lambda number: (arrows[number].target, end_points[number, 1]))
    # Labels are at the end of their arrow, every second one a line further away.
    offset_rows = {number: position % 2 for position, number in enumerate(order)}
    return tuple(
        _curve(
            arrow,
            end_points[number, 0],
            end_points[number, 1],
            offset_rows[number],
            placement.row[arrow.source] == placement.row[arrow.target],
        )
        for number, arrow in enumerate(arrows)
    )


def _middle(frame: Frame) -> float:
    return frame.x + frame.width / 2


def _end_points(placement: _Placement, arrows: Sequence[Arrow]) -> dict[tuple[int, int], tuple[float, float]]:
    """Return where each arrow starts and ends: spread over the side of its box, in the order of the other ends."""
    sides: dict[tuple[str, bool], list[tuple[float, int, int]]] = defaultdict(list)
    for number, arrow in enumerate(arrows):
        for end, (own, other) in enumerate(((arrow.source, arrow.target), (arrow.target, arrow.source))):
            below = placement.row[other] > placement.row[own]
            sides[own, below].append((_middle(placement.boxes[other]), number, end))
    end_points = {}
    for (key, below), ends in sides.items():
        frame = placement.boxes[key]
        for position, (_, number, end) in enumerate(sorted(ends), start=1):
            x = frame.x + frame.width * position / (len(ends) + 1)
            end_points[number, end] = (x, frame.y + frame.height if below else frame.y)
    return end_points


def _curve(
    arrow: Arrow, start: tuple[float, float], end: tuple[float, float], offset_rows: int, same_row: bool
) -> Curve:
    (x1, y1), (x2, y2) = start, end
    if same_row:
        top = min(y1, y2) - HEADER - ARC
        path = f"M{x1:.1f} {y1:.1f} C{x1:.1f} {top:.1f} {x2:.1f} {top:.1f} {x2:.1f} {y2:.1f}"
        return Curve(
            path, arrow.css_class, arrow.title, arrow.label, (x1 + x2) / 2, min(y1, y2) - (HEADER + ARC) * 0.75 - 4
        )
    bend = (y2 - y1) / 2
    path = f"M{x1:.1f} {y1:.1f} C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    label_offset = (PADDING + LINE_HEIGHT + LINE_HEIGHT * offset_rows) * (-1 if y2 > y1 else 1)
    return Curve(path, arrow.css_class, arrow.title, arrow.label, x2, y2 + label_offset)
