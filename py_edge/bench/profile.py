"""Where one model's time goes: every step of its plan, natively and in WebAssembly, with its GFLOP/s."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from py_edge.bench.browser import Tab, chromium
from py_edge.bench.mounts import MOUNTS
from py_edge.bench.places import PLANS
from py_edge.bench.plans import WASM_PANEL, load
from py_edge.bench.server import Server
from py_edge.bench.steps import Step, steps_of
from py_edge.kernels.load import Library, library
from py_edge.plan import Plan, Run


@dataclass(frozen=True)
class Row:
    """One step and its mean time in both homes."""

    step: Step
    wasm_ms: float
    native_ms: float

    @staticmethod
    def gflops(macs: int, ms: float) -> str:
        return f"{2 * macs / ms / 1e6:6.1f}" if macs and ms else "     -"


def profile(model: str, pinned: tuple[int, ...], seconds: float = 2.0, variant: str = "relaxed") -> list[Row]:
    """Steps in order. Native and WebAssembly plans differ in panels only, so their steps are the same."""
    loaded = load(model)
    wasm, native = loaded.plan(1, panel=WASM_PANEL), loaded.plan(1)
    PLANS.mkdir(parents=True, exist_ok=True)
    (PLANS / f"{model}.plan").write_bytes(wasm.to_bytes())
    steps = steps_of(wasm)
    in_wasm = _wasm_ms(model, steps, pinned, seconds, variant)
    in_native = _native_ms(native, library(), seconds)
    assert len(in_native) == len(steps)
    return [Row(*row) for row in zip(steps, in_wasm, in_native, strict=True)]


def table(rows: Sequence[Row]) -> str:
    """The steps in order, then the sums per kernel, slowest first."""
    total = [sum(row.wasm_ms for row in rows), sum(row.native_ms for row in rows)]
    lines = [
        f"{'wasm ms':>9} {'share':>6} {'GFLOP/s':>7} | {'native ms':>9} {'share':>6} {'GFLOP/s':>7} | step"
    ]
    for row in rows:
        lines.append(
            _line(row.step.macs, row.wasm_ms, row.native_ms, total, f"{row.step.kernel} {row.step.shown}")
        )
    lines.append("")
    kernels = {row.step.kernel for row in rows}
    sums = {
        kernel: [
            sum(value)
            for value in zip(
                *((row.step.macs, row.wasm_ms, row.native_ms) for row in rows if row.step.kernel == kernel),
                strict=True,
            )
        ]
        for kernel in kernels
    }
    for kernel, (macs, wasm, native) in sorted(sums.items(), key=lambda item: -item[1][1]):
        count = sum(row.step.kernel == kernel for row in rows)
        lines.append(_line(int(macs), wasm, native, total, f"{count} {kernel}"))
    lines.append(_line(sum(row.step.macs for row in rows), total[0], total[1], total, "all"))
    return "\n".join(lines)


def _line(macs: int, wasm: float, native: float, total: list[float], name: str) -> str:
    shares = [value / all_ms if all_ms else 0.0 for value, all_ms in zip((wasm, native), total, strict=True)]
    left = f"{wasm:9.4f} {shares[0]:6.1%} {Row.gflops(macs, wasm):>7}"
    return f"{left} | {native:9.4f} {shares[1]:6.1%} {Row.gflops(macs, native):>7} | {name}"


def _wasm_ms(
    model: str, steps: Sequence[Step], pinned: tuple[int, ...], seconds: float, variant: str
) -> list[float]:
    with Server(MOUNTS) as server, chromium(pinned) as context:
        tab = Tab(context, server.url, "steps", query=f"&variant={variant}")
        tab.call("ask", name="open", plan=f"/plans/{model}.plan")
        ranges = [[step.begin, step.end] for step in steps]
        return list(tab.call("ask", name="times", ranges=ranges, seconds=seconds)["ms"])


def _native_ms(plan: Plan, library: Library, seconds: float) -> list[float]:
    run = Run(plan, library)
    run.execute()
    steps = steps_of(plan)
    times: list[list[float]] = [[] for _ in steps]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for step, row in zip(steps, times, strict=True):
            before = time.perf_counter()
            run.execute((step.begin, step.end))
            row.append(1000 * (time.perf_counter() - before))
    return [mean_of_faster_half(row) for row in times]


def mean_of_faster_half(times: list[float]) -> float:
    """In the slower half others had the core; a median would show the timer's grain. steps.js does the same."""
    kept = sorted(times)[: max(1, len(times) // 2)]
    return sum(kept) / len(kept)
