"""Single kernels in the browser: GFLOP/s and the share of what one thread can do at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.bench.browser import Tab, chromium
from py_edge.bench.mounts import MOUNTS, build_ceiling
from py_edge.bench.places import PLANS
from py_edge.bench.plans import product_macs, product_plan
from py_edge.bench.server import Server
from py_edge.bench.suite import PRODUCTS, Product

VARIANTS = ("relaxed", "simd128")


def measure(
    pinned: tuple[int, ...], seconds: float, products: Mapping[str, Product] = PRODUCTS
) -> dict[str, Any]:
    """{ceiling: {mul_add, fma, read_gb_s}, relaxed: {name: {ms, gflops, share}}, simd128: ...}; shares are of the FMA ceiling."""
    build_ceiling()
    PLANS.mkdir(parents=True, exist_ok=True)
    for name, product in products.items():
        (PLANS / _file(name)).write_bytes(product_plan(product).to_bytes())
    found: dict[str, Any] = {}
    with Server(MOUNTS) as server, chromium(pinned) as context:
        for variant in VARIANTS:
            tab = Tab(context, server.url, "steps", query=f"&variant={variant}")
            found.setdefault("ceiling", tab.call("ask", name="ceiling"))
            found[variant] = {
                name: _one(tab, name, product, seconds, found["ceiling"]["fma"])
                for name, product in products.items()
            }
            tab.close()
    return found


def _one(tab: Tab, name: str, product: Product, seconds: float, ceiling: float) -> dict[str, float]:
    header = tab.call("ask", name="open", plan=f"/plans/{_file(name)}")
    ms = tab.call("ask", name="time", range=header["run"], seconds=seconds)
    gflops = 2 * product_macs(product) / ms / 1e6
    return {"ms": ms, "gflops": round(gflops, 2), "share": round(gflops / ceiling, 3)}


def _file(name: str) -> str:
    return f"D {name}.plan".replace(" ", "_")
