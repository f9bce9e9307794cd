"""The result as a picture: for every model and peer, how many times faster we are, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from py_edge.bench.statistics import geometric_mean
from py_edge.bench.suite import GEOMETRIC, MODELS, PEERS, RUNTIMES
from py_edge.bench.verdicts import ratio

COLOURS = {"tfjs": "#c2542d", "onnxruntime": "#2f6f9f", "litert": "#4c8c4a"}
LEFT, WIDTH, ROW, TOP = 190, 560, 40, 78
MOST = 16.0
"""Ratios beyond are drawn at the edge, with their number."""
PARTS = {"latency": "one thread", "threads": "two threads"}


def draw(result: Mapping[str, Any]) -> str | None:
    """SVG text of the first of PARTS that was measured, None without any.

    A bar to the right of 1 means that ours is faster; the thin line is the 95 % interval.
    """
    part = next((part for part in PARTS if result.get(part)), None)
    if part is None:
        return None
    rows = result[part]
    names = [*rows, "mean"]
    height = TOP + ROW * len(names) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 70} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<rect width="100%" height="{height}" fill="#fff"/>',
        '<text x="16" y="24" font-size="15" font-weight="600">Time of the peer divided by ours, '
        f"{PARTS[part]}, same browser</text>",
        f'<text x="16" y="42" fill="#666">{escape(_subtitle(result))}</text>',
    ]
    for index, peer in enumerate(PEERS):
        x = 16 + 150 * index
        out.append(f'<rect x="{x}" y="52" width="10" height="10" fill="{COLOURS[peer]}"/>')
        out.append(f'<text x="{x + 15}" y="61">{escape(RUNTIMES[peer].title)}</text>')
    bottom = TOP + ROW * len(names)
    for tick in (0.5, 1, 2, 4, 8, 16):
        colour = "#888" if tick == 1 else "#e4e4e4"
        out.append(f'<line x1="{_x(tick)}" x2="{_x(tick)}" y1="{TOP - 6}" y2="{bottom}" stroke="{colour}"/>')
        out.append(
            f'<text x="{_x(tick)}" y="{bottom + 16}" text-anchor="middle" fill="#666">{tick:g}x</text>'
        )
    for index, name in enumerate(names):
        y = TOP + ROW * index
        title = "geometric mean" if name == "mean" else f"{name} {MODELS[name].title}"
        weight = "600" if name == "mean" else "400"
        out.append(
            f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end" font-weight="{weight}">{escape(title)}</text>'
        )
        for place, peer in enumerate(PEERS):
            out += _bar(rows, name, peer, y + 2 + 11 * place)
    return "\n".join([*out, "</svg>", ""])


def _subtitle(result: Mapping[str, Any]) -> str:
    quiet = "" if result.get("publishable") else " — not for publication"
    return f"{result['machine']['cpu']}, Chromium {result.get('browser', '?')}, {result['made']}{quiet}"


def _x(value: float) -> float:
    share = (math.log2(min(max(value, 0.5), MOST)) + 1) / (math.log2(MOST) + 1)
    return round(LEFT + WIDTH * share, 1)


def _bar(rows: Mapping[str, Any], name: str, peer: str, y: int) -> list[str]:
    if name == "mean":
        means = [found.median for model in GEOMETRIC if (found := ratio(rows, model, peer))]
        if not means:
            return []
        middle = low = high = geometric_mean(means)
    else:
        found = ratio(rows, name, peer)
        if found is None:
            return []
        middle, low, high = found.median, found.low, found.high
    start, end = sorted((_x(1), _x(middle)))
    return [
        f'<rect x="{start}" y="{y}" width="{max(end - start, 1):.1f}" height="9" fill="{COLOURS[peer]}"/>',
        f'<line x1="{_x(low)}" x2="{_x(high)}" y1="{y + 4.5}" y2="{y + 4.5}" stroke="#222"/>',
        f'<text x="{max(end, _x(high)) + 4}" y="{y + 8.5}" font-size="10" fill="#444">{middle:.2f}</text>',
    ]
