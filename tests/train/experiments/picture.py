"""An experiment as a picture: a panel per measure, a row per arm, its mean with the 95 % interval, and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

LEFT, WIDTH, GAP, ROW, TOP = 120, 210, 56, 24, 108
INK, OTHER, WANTED, GRID = "#1d4ed8", "#6b7280", "#15803d", "#e5e7eb"


@dataclass(frozen=True, slots=True)
class Panel:
    """arms: name -> (mean, half-width); low, high: ends of the axis, what lies outside is drawn at the edge with its number.

    wanted: at least so much; None where nothing is.
    """

    title: str
    arms: Mapping[str, Sequence[float]]
    low: float
    high: float
    wanted: float | None = None


def draw(title: str, subtitle: str, panels: Sequence[Panel], own: Sequence[str]) -> str:
    """SVG text. own: the arms that are the product, drawn in colour; all others are controls."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.arms))
    width, bottom = LEFT + (WIDTH + GAP) * len(panels), TOP + ROW * len(names)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 34}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<rect width="100%" height="{bottom + 34}" fill="#fff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="16" y="45" fill="#666">{escape(subtitle)}</text>',
    ]
    for row, name in enumerate(names):
        weight = "600" if name in own else "400"
        out.append(f'<text x="{LEFT - 12}" y="{TOP + ROW * row + 16}" text-anchor="end" font-weight="{weight}">{escape(name)}</text>')  # fmt: skip
    for column, panel in enumerate(panels):
        out += _panel(panel, names, own, LEFT + (WIDTH + GAP) * column, bottom)
    return "\n".join([*out, "</svg>", ""])


def _panel(panel: Panel, names: Sequence[str], own: Sequence[str], left: int, bottom: int) -> list[str]:
    def at(value: float) -> float:
        share = (min(max(value, panel.low), panel.high) - panel.low) / (panel.high - panel.low)
        return round(left + WIDTH * share, 1)

    out = [f'<text x="{left}" y="{TOP - 30}" font-weight="600">{escape(panel.title)}</text>']
    for tick in (panel.low, (panel.low + panel.high) / 2, panel.high):
        out.append(f'<line x1="{at(tick)}" x2="{at(tick)}" y1="{TOP - 4}" y2="{bottom}" stroke="{GRID}"/>')
        out.append(f'<text x="{at(tick)}" y="{bottom + 16}" text-anchor="middle" fill="#666">{tick:g}</text>')
    if panel.wanted is not None:
        x = at(panel.wanted)
        out.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{bottom}" stroke="{WANTED}" stroke-width="1.5" stroke-dasharray="4 3"/>')  # fmt: skip
        out.append(f'<text x="{x}" y="{TOP - 10}" text-anchor="middle" fill="{WANTED}">wanted {panel.wanted:g}</text>')  # fmt: skip
    for row, name in enumerate(names):
        if name in panel.arms:
            mean, half = panel.arms[name]
            y, colour = TOP + ROW * row + 12, INK if name in own else OTHER
            out.append(f'<line x1="{at(mean - half)}" x2="{at(mean + half)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>')  # fmt: skip
            beyond = (mean > panel.high) - (mean < panel.low)  # an arrowhead where the axis ends
            tip = f"M{at(mean) + 6 * beyond},{y}l{-8 * beyond},-5v10z"
            out.append(f'<path d="{tip}" fill="{colour}"/>' if beyond else f'<circle cx="{at(mean)}" cy="{y}" r="4" fill="{colour}"/>')  # fmt: skip
            side, anchor = (12, "start") if at(mean) < left + WIDTH * 0.7 else (-12, "end")
            edge = at(mean + half) if side > 0 else at(mean - half)
            out.append(f'<text x="{edge + side}" y="{y + 4}" text-anchor="{anchor}" font-size="11" fill="{colour}" stroke="#fff" stroke-width="3" paint-order="stroke">{mean:.3f}</text>')  # fmt: skip
    return out
