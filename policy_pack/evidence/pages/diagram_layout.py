"""A picture's layout: lanes of titled groups of boxes, and arrows; the same parts give the same picture."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LETTER, LINE, PAD, GAP = 7.2, 16, 10, 18
HEAD, LANE_GAP, ARC, MARGIN = 34, 112, 46, 12
LEAST, MOST = 120, 32
"""The least width of a box, and the most letters of a line in it."""


@dataclass(frozen=True)
class Box:
    """A box: its key, its lines (the first is its name), its look, and the full text for readers of screens."""

    key: str
    lines: tuple[str, ...]
    look: str = ""
    title: str = ""


@dataclass(frozen=True)
class Group:
    """Boxes with a frame and a title around them."""

    title: str
    boxes: tuple[Box, ...]
    look: str = ""


@dataclass(frozen=True)
class Arrow:
    """An arrow from one box to another, with its label, look and full text."""

    source: str
    target: str
    label: str = ""
    look: str = ""
    title: str = ""


@dataclass(frozen=True)
class Frame:
    """A rectangle of the picture, with lines of text at their places."""

    x: float
    y: float
    width: float
    height: float
    look: str
    title: str
    texts: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Curve:
    """A line of the picture, and the place of its label."""

    path: str
    look: str
    title: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Picture:
    """A picture as numbers: frames of groups, boxes, and curves."""

    width: float
    height: float
    groups: tuple[Frame, ...]
    boxes: tuple[Frame, ...]
    curves: tuple[Curve, ...]


@dataclass
class _Laid:
    groups: list[Frame] = field(default_factory=list)
    boxes: dict[str, Frame] = field(default_factory=dict)
    lane: dict[str, int] = field(default_factory=dict)


def drawn(lanes: Sequence[Sequence[Group]], arrows: Iterable[Arrow]) -> Picture:
    """Return the picture of lanes, first at the top, and the arrows between boxes that are in it."""
    there = [[group for group in lane if group.boxes] for lane in lanes]
    shown = [lane for lane in there if lane]
    width = max((sum(_width(g) for g in lane) + GAP * (len(lane) + 1) for lane in shown), default=200.0)
    laid = _Laid()
    arrows = list(arrows)
    first = {box.key for group in shown[0] for box in group.boxes} if shown else set()
    y = float(MARGIN + (ARC if any({arrow.source, arrow.target} <= first for arrow in arrows) else 0))
    for number, lane in enumerate(shown):
        y = _lane(laid, lane, number, y, width) + LANE_GAP
    known = [arrow for arrow in arrows if {arrow.source, arrow.target} <= laid.boxes.keys()]
    return Picture(width, y - LANE_GAP + MARGIN, tuple(laid.groups), tuple(laid.boxes.values()), _curves(laid, known))


def short(text: str) -> str:
    """Return a line that fits into a box."""
    return text if len(text) <= MOST else f"{text[: MOST - 9]}…{text[-8:]}"


def _box_width(box: Box) -> float:
    return max(LEAST, *(len(short(line)) * LETTER + 2 * PAD for line in box.lines))


def _width(group: Group) -> float:
    title = len(group.title) * LETTER + 2 * PAD
    return max(title, sum(_box_width(box) + PAD for box in group.boxes) + PAD)


def _lane(laid: _Laid, lane: Sequence[Group], number: int, y: float, width: float) -> float:
    """Lay a lane out over the whole width, and return where it ends."""
    free = (width - sum(_width(group) for group in lane)) / (len(lane) + 1)
    tall = max(len(box.lines) for group in lane for box in group.boxes) * LINE + PAD
    height = HEAD + tall + PAD
    x = free
    for group in lane:
        wide = _width(group)
        laid.groups.append(Frame(x, y, wide, height, group.look, group.title, ((x + PAD, y + 16, group.title),)))
        inner = x + (wide - sum(_box_width(box) for box in group.boxes) - PAD * (len(group.boxes) - 1)) / 2
        for box in group.boxes:
            own = _box_width(box)
            texts = tuple(
                (inner + own / 2, y + HEAD + 16 + LINE * row, short(line)) for row, line in enumerate(box.lines)
            )
            laid.boxes[box.key] = Frame(inner, y + HEAD, own, tall, box.look, box.title or box.lines[0], texts)
            laid.lane[box.key] = number
            inner += own + PAD
        x += wide + free
    return y + height


def _curves(laid: _Laid, arrows: Sequence[Arrow]) -> tuple[Curve, ...]:
    ports = _ports(laid, arrows)
    order = sorted(range(len(arrows)), key=lambda number: (arrows[number].target, ports[number, 1]))
    # Labels stand at the end of their arrow, each second one a line further away.
    far = {number: place % 2 for place, number in enumerate(order)}
    return tuple(
        _curve(
            arrow, ports[number, 0], ports[number, 1], far[number], laid.lane[arrow.source] == laid.lane[arrow.target]
        )
        for number, arrow in enumerate(arrows)
    )


def _middle(frame: Frame) -> float:
    return frame.x + frame.width / 2


def _ports(laid: _Laid, arrows: Sequence[Arrow]) -> dict[tuple[int, int], tuple[float, float]]:
    """Return where each arrow leaves and enters, spread over the side of its box in the order of the other ends."""
    sides: dict[tuple[str, bool], list[tuple[float, int, int]]] = defaultdict(list)
    for number, arrow in enumerate(arrows):
        for end, (own, other) in enumerate(((arrow.source, arrow.target), (arrow.target, arrow.source))):
            below = laid.lane[other] > laid.lane[own]
            sides[own, below].append((_middle(laid.boxes[other]), number, end))
    found = {}
    for (key, below), ends in sides.items():
        frame = laid.boxes[key]
        for place, (_, number, end) in enumerate(sorted(ends), start=1):
            x = frame.x + frame.width * place / (len(ends) + 1)
            found[number, end] = (x, frame.y + frame.height if below else frame.y)
    return found


def _curve(arrow: Arrow, start: tuple[float, float], end: tuple[float, float], far: int, level: bool) -> Curve:
    (x1, y1), (x2, y2) = start, end
    if level:
        top = min(y1, y2) - HEAD - ARC
        path = f"M{x1:.1f} {y1:.1f} C{x1:.1f} {top:.1f} {x2:.1f} {top:.1f} {x2:.1f} {y2:.1f}"
        return Curve(path, arrow.look, arrow.title, arrow.label, (x1 + x2) / 2, min(y1, y2) - (HEAD + ARC) * 0.75 - 4)
    bend = (y2 - y1) / 2
    path = f"M{x1:.1f} {y1:.1f} C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    away = (PAD + LINE + LINE * far) * (-1 if y2 > y1 else 1)
    return Curve(path, arrow.look, arrow.title, arrow.label, x2, y2 + away)
