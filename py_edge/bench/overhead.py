"""What a call costs in JavaScript beyond the executor: predict.js against the same plan's bare steps, in turns."""

from __future__ import annotations

from py_edge.bench.browser import Tab, chromium
from py_edge.bench.mounts import MOUNTS
from py_edge.bench.server import Server
from py_edge.bench.suite import OURS, STEPS

MODEL = "A1"
TURNS = 7


def measure(pinned: tuple[int, ...], seconds: float) -> dict[str, str | float]:
    """{model, call_us, executor_us, overhead_us}: the least of TURNS blocks of `seconds` each, for what disturbs only adds."""
    calls, bare = [], []
    with Server(MOUNTS) as server, chromium(pinned) as context:
        whole, steps = Tab(context, server.url, OURS), Tab(context, server.url, STEPS.script)
        whole.call("load", model=MODEL)
        run = steps.call("ask", name="open", plan=f"/plans/{MODEL}.plan")["run"]
        whole.call("warm", seconds=4 * seconds, most=20 * seconds)
        for _ in range(TURNS):
            calls.append(1000 * whole.call("block", seconds=seconds)["least"])
            bare.append(1000 * steps.call("ask", name="time", range=run, seconds=seconds, least=True))
    figures = {"call_us": min(calls), "executor_us": min(bare), "overhead_us": min(calls) - min(bare)}
    return {"model": MODEL, **{name: round(value, 3) for name, value in figures.items()}}
