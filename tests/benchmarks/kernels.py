"""Single kernels, one thread: GFLOP/s, or GB/s of what is read and written, per home.

python -m tests.benchmarks.kernels [--home native|node|chromium] [--variant relaxed|simd128|base|-avx2|-avx512]
[--only TEXT] [--blocks 40]. The fastest of many short blocks counts, so that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from py_edge.bench.mounts import build_ceiling
from py_edge.kernels.build import OUTPUT
from py_edge.kernels.load import native_paths, open_library
from tests.kernels.cases import NONE, Case, padded
from tests.kernels.cases_elementwise import UNARY
from tests.kernels.cases_products import pack, pack_winograd, round32

HERE = Path(__file__).parent
RNG = np.random.default_rng(0)


@dataclass
class Bench:
    """case.code[run:] is timed, what stands before runs once. work: flops, or bytes when unit is GB/s."""

    name: str
    case: Case
    run: int
    work: float
    unit: str = "GFLOP/s"


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def matmul(
    panel: int, M: int, N: int, K: int, batch: int = 1, packed: bool = True, tb: bool = False
) -> Bench:
    case = Case(
        f"matmul {f'{batch} x ' if batch > 1 else ''}{M}x{N}x{K}{'' if packed else ' b as it lies'}{' t' if tb else ''}",
        panel,
    )
    a, b = case.put(normal(batch * M, K)), normal(K, N) if packed else normal(batch * K, N)
    b_place = pack(case, b) if packed else case.put(b)
    run, scratch = len(case.code), 4 * (64 * K + K * round32(N))
    y, bias = case.space(4 * batch * M * N), case.put(normal(N))
    case.step("matmul", y, a, b_place, bias, NONE, case.space(scratch), scratch, M, N, K, K, 1, *((1, K) if tb else (N, 1)),
              int(packed), [batch, 1, 1], [M * K, 0, 0], [0 if packed else K * N, 0, 0], 0, 0.0, 0)  # fmt: skip
    return Bench(case.name, case, run, 2.0 * batch * M * N * K)


def conv2d(panel: int, H: int, C: int, out: int, k: int, s: int, act: str = "relu6") -> Bench:
    OH = -(-H // s)
    pad = max((OH - 1) * s + k - H, 0) // 2
    case = Case(f"conv2d {k}x{k} s{s} {H}x{H}x{C} -> {out}", panel)
    x, w = case.put(normal(1, H, H, C)), pack(case, normal(k * k * C, out))
    run, scratch = len(case.code), 4 * 64 * k * k * C
    case.step("conv2d", case.space(4 * OH * OH * out), x, w, case.put(normal(out)), NONE, case.space(scratch), scratch,
              1, H, H, C, OH, OH, out, k, k, s, s, 1, 1, pad, pad, 1, UNARY.index(act), 0.0, 0)  # fmt: skip
    return Bench(case.name, case, run, 2.0 * OH * OH * out * k * k * C)


def winograd(panel: int, H: int, C: int, out: int) -> Bench:
    """Rated by the products of the plain sum, so that the line stands beside conv2d's."""
    case = Case(f"winograd 3x3 s1 {H}x{H}x{C} -> {out}", panel)
    x, w = case.put(normal(1, H, H, C)), pack_winograd(case, normal(3, 3, C, out))
    run, scratch = len(case.code), 4 * 16 * min((H + 1) // 2 * ((H + 1) // 2), 60) * (C + out)
    case.step("conv2d_winograd", case.space(4 * H * H * out), x, w, case.put(normal(out)), NONE, case.space(scratch), scratch,
              1, H, H, C, H, H, out, 3, 3, 1, 1, 1, 1, 1, 1, 1, UNARY.index("relu"), 0.0, 0)  # fmt: skip
    return Bench(case.name, case, run, 2.0 * H * H * out * 9 * C)


def depthwise(panel: int, H: int, C: int, k: int, s: int) -> Bench:
    OH = -(-H // s)
    pad = max((OH - 1) * s + k - H, 0) // 2
    case = Case(f"depthwise {k}x{k} s{s} {H}x{H}x{C}", panel)
    case.step("depthwise_conv2d", case.space(4 * OH * OH * C), case.put(normal(1, H, H, C)), case.put(normal(k, k, C)),
              case.put(normal(C)), NONE, 1, H, H, C, 1, OH, OH, k, k, s, s, 1, 1, pad, pad, UNARY.index("relu6"), 0.0, 0)  # fmt: skip
    return Bench(case.name, case, 0, 2.0 * OH * OH * C * k * k)


def conv2d_grad(panel: int, of_input: bool, n: int, H: int, C: int, out: int, k: int, s: int = 1) -> Bench:
    OH, K = -(-H // s), k * k * C
    pad = max((OH - 1) * s + k - H, 0) // 2
    kernel = "conv2d_input_grad" if of_input else "conv2d_filter_grad"
    case = Case(f"{kernel} {k}x{k} s{s} {n}x{H}x{H}x{C} -> {out}", panel)
    x, dy, w = case.put(normal(n, H, H, C)), case.put(normal(n, OH, OH, out)), case.put(normal(k, k, C, out))
    inputs = [x, dy, w] if of_input else [w, x, dy]
    scratch = 4 * max(64 * (out + round32(K)) + out * round32(K), 256 * (K + round32(out)))
    case.step(
        kernel, inputs, case.space(scratch), scratch, n, H, H, C, OH, OH, out, k, k, s, s, 1, 1, pad, pad, 1
    )
    return Bench(case.name, case, 0, 2.0 * n * OH * OH * out * K)


def unary(panel: int, name: str, n: int = 16384) -> Bench:
    case = Case(f"unary {name} {n}", panel)
    case.step("elementwise", 1, padded([n]), 1, 1, 1, 2, [case.put(normal(n)), 0, padded([1])], [case.space(4 * n), 0, 1],
              [UNARY.index(name), 1, 0, 1.0, -1])  # fmt: skip
    return Bench(case.name, case, 0, n, "Gelement/s")


def rows(panel: int, kernel: str, count: int, n: int) -> Bench:
    case = Case(f"{kernel} {count}x{n}", panel)
    x, y = case.put(normal(count, n)), case.space(4 * count * n)
    if kernel == "softmax":
        case.step(kernel, y, x, count, n, 0)
    elif kernel == "normalize":
        case.step(kernel, y, x, case.put(normal(n)), case.put(normal(n)), count, n, 1e-3, 0)
    else:
        case.step("reduce", y, x, 1, 0, 1, count, n)
    return Bench(case.name, case, 0, count * n, "Gelement/s")


def pool(panel: int, H: int, C: int, k: int, s: int) -> Bench:
    case = Case(f"max pool {k}x{k} s{s} {H}x{H}x{C}", panel)
    OH = (H - k) // s + 1
    case.step(
        "pool2d",
        case.space(4 * OH * OH * C),
        case.put(normal(H, H, C)),
        0,
        1,
        H,
        H,
        C,
        OH,
        OH,
        k,
        k,
        s,
        s,
        1,
        1,
        0,
        0,
    )
    return Bench(case.name, case, 0, OH * OH * C * k * k, "Gelement/s")


def transpose(panel: int, shape: tuple[int, ...], perm: tuple[int, ...]) -> Bench:
    case = Case(f"transpose {shape} {perm}", panel)
    x = normal(*shape)
    view = x.transpose(perm)
    case.step("copy", case.space(x.nbytes), case.put(x), 4, x.ndim, padded(view.shape), 0,
              padded([v // 4 for v in np.empty(view.shape, np.float32).strides]), 0, padded([v // 4 for v in view.strides]))  # fmt: skip
    return Bench(case.name, case, 0, x.size, "Gelement/s")


def benches(panel: int) -> list[Callable[[], Bench]]:
    p = panel
    products = [(12544, 32, 27), (3136, 64, 64), (196, 512, 512), (49, 1024, 1024), (49, 512, 2048), (128, 384, 384),
                (128, 384, 1536), (784, 24, 144), (12544, 16, 32), (3136, 144, 24)]  # fmt: skip
    return [
        *(lambda s=s: matmul(p, *s) for s in products),
        *(lambda s=s: matmul(p, *s) for s in ((1, 1000, 1280), (1, 128, 784), (1, 192, 64), (4, 1000, 1280))),
        lambda: matmul(p, 128, 128, 32, 12, packed=False, tb=True), lambda: matmul(p, 128, 32, 128, 12, packed=False),
        lambda: conv2d(p, 224, 3, 32, 3, 2), lambda: conv2d(p, 224, 3, 64, 7, 2), lambda: conv2d(p, 128, 3, 8, 3, 2),
        lambda: conv2d(p, 56, 64, 64, 3, 1), lambda: conv2d(p, 28, 128, 128, 3, 1), lambda: conv2d(p, 14, 256, 256, 3, 1),
        lambda: conv2d(p, 7, 512, 512, 3, 1),
        *(lambda s=s: winograd(p, *s) for s in ((56, 64, 64), (28, 128, 128), (14, 256, 256), (7, 512, 512))), lambda: conv2d(p, 56, 256, 512, 1, 2),
        lambda: conv2d(p, 14, 96, 576, 1, 1), lambda: conv2d(p, 14, 96, 576, 1, 1, "hard_swish"),
        *(lambda s=s: depthwise(p, *s) for s in ((112, 32, 3, 1), (112, 96, 3, 2), (56, 144, 3, 1), (28, 192, 3, 1),
                                                 (14, 576, 3, 1), (7, 960, 3, 1), (14, 480, 5, 1), (7, 960, 5, 1), (28, 72, 5, 2))),
        lambda: conv2d_grad(p, True, 16, 28, 8, 16, 5), lambda: conv2d_grad(p, False, 16, 28, 8, 16, 5),
        lambda: conv2d_grad(p, True, 8, 14, 64, 64, 3), lambda: conv2d_grad(p, False, 8, 14, 64, 64, 3),
        lambda: conv2d_grad(p, True, 8, 7, 160, 960, 1), lambda: conv2d_grad(p, False, 8, 7, 160, 960, 1),
        *(lambda n=n: unary(p, n) for n in ("copy", "relu", "exp", "tanh", "sigmoid", "gelu", "hard_swish", "log", "sin", "mish")),
        lambda: rows(p, "softmax", 1536, 128), lambda: rows(p, "normalize", 128, 384), lambda: rows(p, "mean", 49, 1280),
        lambda: pool(p, 112, 64, 3, 2), lambda: transpose(p, (128, 12, 32), (1, 0, 2)), lambda: transpose(p, (512, 512), (1, 0)),
    ]  # fmt: skip


def run_native(variant: str, only: str, blocks: int) -> None:
    wanted = {"base": ".so"}.get(variant, variant)
    paths = [path for path in native_paths() if wanted in path.name]
    library = open_library(paths[0] if variant == "base" else paths[-1])
    for bench in (make() for make in benches(library.panel)):
        if only not in bench.name:
            continue
        code = (ctypes.c_int32 * len(bench.case.code))(*bench.case.code)
        memory = ctypes.create_string_buffer(len(bench.case.arena) + 128)
        base = ctypes.addressof(memory) + -ctypes.addressof(memory) % 64
        ctypes.memmove(base, bytes(bench.case.arena), len(bench.case.arena))
        end, address = len(bench.case.code), ctypes.addressof(code)
        library.check(library.run(address, 0, end, base, base, base), bench.name)

        def block(
            times: int, run: int = bench.run, end: int = end, address: int = address, base: int = base
        ) -> float:
            begin = time.perf_counter()
            for _ in range(times):
                library.run(address, run, end, base, base, base)
            return (time.perf_counter() - begin) / times

        times = max(1, int(0.003 / block(3)))
        tell(bench, min(block(times) for _ in range(blocks)))


def tell(bench: Bench, seconds: float, ceiling: float = 0) -> None:
    """One line; with a ceiling also which share of it."""
    rate = bench.work / seconds
    share = (
        f" {100 * rate / ceiling:>5.1f} % of {ceiling / 1e9:.1f}" if ceiling and "FLOP" in bench.unit else ""
    )
    print(f"{bench.name:<45} {seconds * 1e6:>10.1f} us {rate / 1e9:>9.2f} {bench.unit}{share}", flush=True)


def run_wasm(home: str, variant: str, only: str, blocks: int) -> None:
    chosen = [bench for bench in (make() for make in benches(8)) if only in bench.name]
    cases = [{"code": b.case.code, "run": b.run, "bytes": len(b.case.arena)} for b in chosen]
    module = OUTPUT / f"alone-{variant}.wasm"
    script = (HERE / "kernels.mjs").read_text()
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "cases.json"
        given.write_text(
            json.dumps(
                {
                    "module": base64.b64encode(module.read_bytes()).decode(),
                    "cases": cases,
                    "blocks": blocks,
                    "ceiling": base64.b64encode(build_ceiling().read_bytes()).decode(),
                }
            )
        )
        if home == "node":
            command = ["node", "--experimental-wasm-relaxed-simd", str(HERE / "kernels.mjs"), str(given)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        else:
            found = _in_chromium(script, given.read_text())
    for bench, (seconds, ceiling) in zip(chosen, found, strict=True):
        tell(bench, seconds, ceiling)


def _in_chromium(script: str, given: str) -> Any:
    from playwright.sync_api import sync_playwright

    from py_edge.host.chromium import chromium_flags, find_chromium

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(find_chromium()), args=chromium_flags())
        page = browser.new_page()
        page.set_content("<p>kernels")
        page.set_default_timeout(120_000)
        page.add_script_tag(content=script, type="module")
        found = page.evaluate("given => globalThis.runCases(JSON.parse(given))", given)
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", default="native", choices=["native", "node", "chromium"])
    parser.add_argument("--variant", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--blocks", type=int, default=40)
    options = parser.parse_args()
    if options.home == "native":
        run_native(options.variant, options.only, options.blocks)
    else:
        run_wasm(options.home, options.variant or "relaxed", options.only, options.blocks)


if __name__ == "__main__":
    main()
