"""Several threads on one program: every kernel's cases, each step cut wherever it can be, against the slow truth."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

from py_edge.kernels.load import Library
from tests.kernels.cases import Case, run_native
from tests.kernels.suite import ALL

CREW_BYTES, SEEDS = 512, 12


def run_crew(library: Library, case: Case, threads: int) -> tuple[int, bytes] | None:
    """As run_native, with threads and every possible cut; None when there is no step to cut."""
    code = (ctypes.c_int32 * max(len(case.code), 1))(*case.code)
    handle, end = library.handle, len(case.code)
    own = handle.pe_crew_private(ctypes.addressof(code), 0, end, threads, 1, 1)
    if own < 0:
        return None
    memory = ctypes.create_string_buffer(len(case.arena) + CREW_BYTES + own * (threads - 1) + 192)
    base = ctypes.addressof(memory) + -ctypes.addressof(memory) % 64
    ctypes.memmove(base, bytes(case.arena), len(case.arena))
    crew = base + (len(case.arena) + 63) // 64 * 64
    handle.pe_crew_open(crew, threads, ctypes.addressof(code), base, base, crew + CREW_BYTES, own, 1)
    helpers = [
        threading.Thread(target=handle.pe_crew_run, args=(crew, thread, 0, end), daemon=True)
        for thread in range(1, threads)
    ]
    for helper in helpers:
        helper.start()
    status = int(handle.pe_crew_run(crew, 0, 0, end))
    for helper in helpers:
        helper.join(30)
        assert not helper.is_alive()
    return status, ctypes.string_at(base, len(case.arena))


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("name", sorted(ALL))
def test_shares_are_the_whole(libraries: list[Library], name: str, threads: int) -> None:
    """Cut by rows, columns, images or batches, a step gives the truth and writes nowhere else."""
    for library in libraries[-1:]:
        for seed in range(SEEDS):
            case = ALL[name](np.random.default_rng(seed), library.panel)
            if found := run_crew(library, case, threads):
                case.judge(*found)


CUT = (
    "matmul",
    "conv2d",
    "conv2d_winograd",
    "depthwise_conv2d",
    "pool2d",
    "chain",
    "copy",
    "softmax",
    "reduce",
    "normalize",
    "adam",
)


def test_every_kernel_with_shares_was_cut(libraries: list[Library]) -> None:
    """The cases above really are cut: for each kernel that can be, some case is."""
    cut = {
        name
        for name, make in ALL.items()
        for seed in range(SEEDS)
        if run_crew(libraries[0], make(np.random.default_rng(seed), libraries[0].panel), 2)
    }
    assert set(CUT) - cut == set()


def test_a_failure_in_a_share_is_told_and_nobody_waits(libraries: list[Library]) -> None:
    """A refused step ends the run for all threads with the same status as without threads."""
    case = Case("refused", libraries[-1].panel)
    x, y = case.put(np.ones(4096)), case.space(4096 * 4)
    case.step("softmax", [y, x, 64, 64, 0])
    case.step("reduce", [y, x, 77, 0, 64, 64, 1])
    case.step("softmax", [y, x, 64, 64, 0])
    alone, _ = run_native(libraries[-1], case)
    found = run_crew(libraries[-1], case, 2)
    assert found is not None
    assert alone < 0
    assert found[0] == alone
