"""What was measured, as tables for people: times, ratios with their intervals, what is reached and what is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from py_edge.bench.native import NATIVE_PEER, TWO
from py_edge.bench.statistics import Ratio, geometric_mean, paired_ratio
from py_edge.bench.suite import GEOMETRIC, MODELS, NATIVE_TARGET, OURS, PEERS, PRODUCTS, RUNTIMES
from py_edge.bench.verdicts import Rows, judge, ratio


def text(result: Mapping[str, Any]) -> str:
    """The whole report."""
    parts = [_head(result)]
    ceiling = result.get("products", {}).get("ceiling", {}).get("fma")
    for part, title in (("latency", "One thread"), ("threads", "Two threads")):
        if part in result:
            parts.append(
                _latency(title, result[part], result["models"], ceiling if part == "latency" else None)
            )
    if "native" in result:
        parts.append(_native(result["native"]))
    if "start" in result:
        parts.append(_start(result))
    if "products" in result:
        parts.append(_products(result["products"]))
    if "overhead" in result:
        parts.append(_overhead(result["overhead"]))
    if "training" in result:
        peers = {"wasm": "TF.js wasm", "cpu": "TF.js cpu"}
        parts.append(_training(result["training"], peers, "Training step in the browser, ms"))
    if "training_native" in result:
        peers = {"tensorflow": "TensorFlow"}
        parts.append(_training(result["training_native"], peers, "Training step, native, one thread, ms"))
    verdicts = judge(result)
    if verdicts:
        parts.append(table(["To reach", "is", "must", "aim", ""], [verdict.cells for verdict in verdicts]))
    if "wall_s" in result:
        parts.append("took " + ", ".join(f"{name} {s:.0f} s" for name, s in result["wall_s"].items()))
    return "\n\n".join(part for part in parts if part)


def _head(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    quiet = "quiet" if machine.get("quiet") else "BUSY, do not publish"
    named = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [f"{result['made']}, {machine['cpu']}, {machine['cores']} cores, {machine['system']}, {quiet}"]
    lines += [f"Chromium {result['browser']}" if "browser" in result else "", named]
    return "\n".join(line for line in lines if line)


def _ms(row: Mapping[str, Any] | None) -> str:
    if not row or not row["blocks_ms"]:
        return "fails" if row and row["problem"] else "-"
    return f"{median(row['blocks_ms']):.3g}"


def _ratio(found: Ratio | None) -> str:
    return f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}]" if found else "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, the first to the left."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _latency(title: str, rows: Rows, models: Mapping[str, Any], ceiling: float | None) -> str:
    shown = [name for name in (OURS, *PEERS, "layers") if any(name in row for row in rows.values())]
    peers = [name for name in PEERS if name in shown]
    header = [f"{title}, ms", *(RUNTIMES[name].title for name in shown), "GFLOP/s"]
    header += ["of ceiling", *(f"{RUNTIMES[name].title} / ours" for name in peers)]
    lines = []
    for model, row in rows.items():
        ours = row.get(OURS, {}).get("blocks_ms")
        gflops = 2 * models[model]["mmac"] / median(ours) if ours else math.nan
        share = f"{gflops / ceiling:.0%}" if ours and ceiling else "-"
        cells = [f"{model} {MODELS[model].title}", *(_ms(row.get(name)) for name in shown)]
        cells += [
            f"{gflops:.1f}" if ours else "-",
            share,
            *(_ratio(ratio(rows, model, peer)) for peer in peers),
        ]
        lines.append(cells)
    means = [_mean(rows, peer, GEOMETRIC) for peer in peers]
    lines.append(["geometric mean", *[""] * len(shown), "", "", *means])
    problems = [
        f"  {RUNTIMES[name].title} on {model}: {row[name]['problem']}"
        for model, row in rows.items()
        for name in shown
        if row.get(name, {}).get("problem")
    ]
    variants = {
        name: row[name]["variant"]
        for row in rows.values()
        for name in shown
        if row.get(name, {}).get("variant")
    }
    told = "  " + "; ".join(f"{RUNTIMES[name].title}: {variant}" for name, variant in variants.items())
    return "\n".join([table(header, lines), told, *problems])


def _mean(rows: Rows, peer: str, models: Sequence[str]) -> str:
    found = [r.median for model in models if (r := ratio(rows, model, peer))]
    return f"{geometric_mean(found):.2f} ({len(found)})" if found else "-"


def _gain(row: Mapping[str, Any]) -> Ratio | None:
    """Time of one thread / time of two."""
    one, two = (row.get(name, {}).get("blocks_ms") for name in (OURS, TWO))
    return paired_ratio(one, two) if one and two and len(one) == len(two) else None


def _native(rows: Rows) -> str:
    lines = [
        [
            f"{model} {MODELS[model].title}",
            _ms(row.get(OURS)),
            _ms(row.get(NATIVE_PEER)),
            _ratio(ratio(rows, model, NATIVE_PEER)),
            _ms(row.get(TWO)),
            _ratio(_gain(row)),
        ]
        for model, row in rows.items()
    ]
    lines.append(["geometric mean", "", "", _mean(rows, NATIVE_PEER, NATIVE_TARGET.models), "", ""])
    return table(
        [
            "Native, one thread, ms",
            "py_edge",
            "onnxruntime",
            "onnxruntime / ours",
            "two threads",
            "one / two",
        ],
        lines,
    )


def _start(result: Mapping[str, Any]) -> str:
    lines = []
    entries = [
        (f"{model} {RUNTIMES[name].title}", row)
        for model, rows in result["start"].items()
        for name, row in rows.items()
    ]
    entries += [(f"Python ready, {who}", row) for who, row in result.get("python", {}).items()]
    for name, row in entries:
        if row["problem"]:
            lines.append([name, "fails", "", "", "", ""])
            continue
        lines.append(
            [
                name, f"{median(row['fresh_ms']):.0f}", f"{median(row['reload_ms']):.0f}", f"{row['brotli_bytes'] / 1000:.0f}",
                f"{row['raw_bytes'] / 1000:.0f}", f"{median(row['peak_mb']):.0f}",
            ]
        )  # fmt: skip
    header = ["First output, ms from navigation", "fresh profile", "reload", "kB brotli", "kB raw", "peak MB"]
    return (
        table(header, lines)
        + "\n  kB: everything but the page of the benchmark and the model; peak: resident set of the tab"
    )


def _products(found: Mapping[str, Any]) -> str:
    ceiling = found["ceiling"]
    lines = [
        [
            name, f"{found['relaxed'][name]['ms']:.3f}", f"{found['relaxed'][name]['gflops']:.1f}",
            f"{found['relaxed'][name]['share']:.0%}", f"{found['simd128'][name]['gflops']:.1f}",
        ]
        for name in PRODUCTS
        if name in found["relaxed"]
    ]  # fmt: skip
    head = ["Kernels in WebAssembly, one thread", "ms", "GFLOP/s", "of FMA ceiling", "GFLOP/s simd128"]
    return (
        table(head, lines)
        + f"\n  ceiling: {ceiling['fma']:.1f} GFLOP/s FMA, {ceiling['mul_add']:.1f} mul and add; "
        f"reading 5.1 MB: {ceiling['read_gb_s']:.0f} GB/s, so a product of one row, with 4 bytes for 2 flops, "
        f"{ceiling['read_gb_s'] / 2:.0f} GFLOP/s"
    )


def _overhead(found: Mapping[str, Any]) -> str:
    return (
        f"A call on {found['model']}: {found['call_us']:.1f} us, of them the executor {found['executor_us']:.1f}, "
        f"JavaScript {found['overhead_us']:.1f}"
    )


def _training(rows: Rows, peers: Mapping[str, str], title: str) -> str:
    """peers: key -> title. Where losses differ from ours the time is marked: it is of another training."""
    lines = []
    for name, row in rows.items():
        cells = [name, _ms(row.get(OURS)), _memory(row.get(OURS))]
        for peer in peers:
            found = row.get(peer) or {}
            differs = " (losses differ)" if found.get("agree") is False else ""
            cells += [_ms(found) + differs, _ratio(ratio(rows, name, peer)), _memory(found)]
        lines.append(cells)
    header = [title, "py_edge", "MB"]
    for peer in peers.values():
        header += [peer, f"{peer} / ours", "MB"]
    told = table(header, lines)
    failed = [
        f"  {peer} on {name}: {row[peer]['problem']}"
        for name, row in rows.items()
        for peer in (OURS, *peers)
        if row.get(peer, {}).get("problem")
    ]
    return "\n".join(
        [
            told,
            "  MB: ours weights, state and arena of a step; TF.js' peak of its tensors",
            *_fewer(rows, peers),
            *failed,
        ]
    )


def _fewer(rows: Rows, peers: Mapping[str, str]) -> list[str]:
    """Where a slow peer took fewer steps than we; the times are of one step either way."""
    return [
        f"  {title} on {name}: {row[peer]['steps']} steps a training, ours {row[OURS]['steps']}"
        for name, row in rows.items()
        for peer, title in peers.items()
        if 0 < row.get(peer, {}).get("steps", 0) < row.get(OURS, {}).get("steps", 0)
    ]


def _memory(row: Mapping[str, Any] | None) -> str:
    return f"{row['bytes'] / 1e6:.3g}" if row and row.get("bytes") else "-"
