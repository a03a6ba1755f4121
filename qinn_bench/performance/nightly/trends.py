"""Trends over nights: a few characters for a terminal or Markdown, and drawings in SVG for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median, quantiles

BARS = "▁▂▃▄▅▆▇█"
SHOWN = 16
"""So many nights fit into a line of characters."""
BAND = 0.03
"""Changes that the gate takes for none."""
WIDTH, HEIGHT, EDGE = 150.0, 30.0, 4.0
PAGE, TALL, LEFT, BELOW = 900.0, 220.0, 52.0, 28.0
PEN, ALARM, SOFT = "#3f90da", "#d9412b", "#7f8ea3"
"""Colours seen on white and on black; they are attributes, so that a drawing is whole without a style sheet."""
SHADE = f'fill="{SOFT}" fill-opacity="0.18"'
CURVE = f'fill="none" stroke="{PEN}" stroke-width="1.4"'
DASHED = f'stroke="{SOFT}" stroke-width="0.8" stroke-dasharray="3 3"'
FAINT = f'stroke="{SOFT}" stroke-width="0.8" stroke-opacity="0.3"'
TEXT = f'fill="{SOFT}" font-size="12" font-family="sans-serif"'
SPACE = 'xmlns="http://www.w3.org/2000/svg"'
"""What makes a drawing a picture of its own."""
Trend = Sequence[tuple[str, float]]
"""Times (UTC) and ratios to the anchor, oldest first."""


def bars(trend: Trend) -> str:
    """The last nights as bars, the full height being the band around 1 or, if they leave it, the largest deviation."""
    ratios = [ratio for _, ratio in trend][-SHOWN:]
    reach = max([BAND, *(abs(ratio - 1) for ratio in ratios)])
    return "".join(BARS[round((len(BARS) - 1) * (ratio - 1 + reach) / (2 * reach))] for ratio in ratios)


def said_of(trend: Trend) -> str:
    """A trend in words.

    >>> said_of([("2026-01-02", 1.0), ("2026-01-03", 1.25)])
    '2 nights, 1 to 1.25, now 1.25'
    """
    values = [value for _, value in trend]
    return f"{len(values)} nights, {min(values):.4g} to {max(values):.4g}, now {values[-1]:.4g}" if values else ""


def drawing(trend: Trend, alarm: bool = False, *, banded: bool = True) -> str:
    """The nights of one workload as a small SVG: ratios to the anchor, the band of no change, and tonight's dot.

    The dot has another colour where it is an `alarm`; what is no ratio is drawn as it is, not `banded`.
    """
    if not trend:
        return ""
    ratios = [ratio for _, ratio in trend]
    low, high = _range(ratios) if banded else _reach(ratios)
    xs = [_along(at, len(trend), EDGE, WIDTH - EDGE) for at in range(len(trend))]
    points = [(x, _up(ratio, low, high)) for x, ratio in zip(xs, ratios, strict=True)]
    top, bottom = _up(min(high, 1 + BAND), low, high), _up(max(low, 1 - BAND), low, high)
    band = (
        f'<rect {SHADE} x="0" y="{top:.1f}" width="{WIDTH:g}" height="{bottom - top:.1f}"/>'
        f'<line {DASHED} x1="0" x2="{WIDTH:g}" y1="{_up(1, low, high):.1f}" y2="{_up(1, low, high):.1f}"/>'
    )
    x, y = points[-1]
    return (
        f'<svg {SPACE} viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}" role="img">'
        f"<title>{escape(said_of(trend))}</title>{band if banded else ''}"
        f'<polyline {CURVE} points="{_joined(points)}"/>'
        f'<circle fill="{ALARM if alarm else PEN}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    )


def overview(trends: Mapping[str, Trend]) -> str:
    """All workloads together as one SVG: by night the median of their ratios to the anchor, and the middle half.

    Nights of which fewer than half of the workloads are known are left out; a single night is no trend.
    """
    nights: dict[str, list[float]] = {}
    for trend in trends.values():
        for utc, ratio in trend:
            nights.setdefault(utc, []).append(ratio)
    kept = [(utc, of) for utc, of in sorted(nights.items()) if 2 * len(of) >= len(trends)]
    if len(kept) < 2:
        return ""
    middle = [median(of) for _, of in kept]
    halves = [quantiles(of, n=4, method="inclusive") if len(of) > 1 else of * 3 for _, of in kept]
    low, high = _range([value for half in halves for value in half])

    def at(place: int, ratio: float) -> tuple[float, float]:
        x = _along(place, len(kept), LEFT + 8, PAGE - 12)
        return x, 10 + (TALL - BELOW - 10) * (high - ratio) / (high - low)

    area = [at(k, half[2]) for k, half in enumerate(halves)] + [at(k, half[0]) for k, half in enumerate(halves)][::-1]
    dots = "".join(_dot(*at(k, ratio)) for k, ratio in enumerate(middle))
    return (
        f'<svg {SPACE} viewBox="0 0 {PAGE:g} {TALL:g}" width="{PAGE:g}" height="{TALL:g}" role="img">'
        "<title>median over all workloads of the time relative to the anchor, by night</title>"
        + "".join(_tick(ratio, at(0, ratio)[1]) for ratio in _ticks(low, high))
        + f'<polygon {SHADE} points="{_joined(area)}"/>'
        + f'<polyline {CURVE} points="{_joined([at(k, ratio) for k, ratio in enumerate(middle)])}"/>{dots}'
        + "".join(_date(utc, at(k, low)[0], anchor) for k, utc, anchor in _dates([utc for utc, _ in kept]))
        + "</svg>"
    )


def _range(ratios: Sequence[float]) -> tuple[float, float]:
    """What is shown: all ratios and the band, with some room."""
    low, high = min([1 - BAND, *ratios]), max([1 + BAND, *ratios])
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def _reach(values: Sequence[float]) -> tuple[float, float]:
    """All values, with some room."""
    room = 0.1 * (max(values) - min(values)) or 0.01 * max(abs(values[0]), 1e-9)
    return min(values) - room, max(values) + room


def _along(place: int, count: int, first: float, last: float) -> float:
    return last if count == 1 else first + (last - first) * place / (count - 1)


def _up(ratio: float, low: float, high: float) -> float:
    return HEIGHT * (high - ratio) / (high - low)


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios between the ends, with 1 among them."""
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 1e9) if (high - low) / step <= 6)
    first, last = -int((1 - low) / step), int((high - 1) / step)
    return [1 + k * step for k in range(first, last + 1)]


def _tick(ratio: float, y: float) -> str:
    pen = DASHED if ratio == 1 else FAINT
    label = "anchor" if ratio == 1 else f"{ratio - 1:+.0%}"
    return (
        f'<line {pen} x1="{LEFT:g}" x2="{PAGE:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text {TEXT} x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _dates(nights: Sequence[str]) -> list[tuple[int, str, str]]:
    """The nights that get a date below: the first, the middle and the last."""
    last = len(nights) - 1
    places = {0: "start", last // 2: "middle", last: "end"} if last > 1 else {last: "end"}
    return [(place, nights[place], anchor) for place, anchor in places.items()]


def _date(utc: str, x: float, anchor: str) -> str:
    return f'<text {TEXT} x="{x:.1f}" y="{TALL - 8:g}" text-anchor="{anchor}">{escape(utc[:10])}</text>'


def _dot(x: float, y: float) -> str:
    return f'<circle fill="{PEN}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
