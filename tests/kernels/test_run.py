"""The executor and absurd parameters: a status, never a trap."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.errors import KernelError
from py_edge.kernels.load import Library
from tests.kernels.cases import NUMBER, Case, run_native

BAD = [0, -1, -7, 2**31 - 1, -(2**31), 1 << 30]
# kernel: (number of params, those that are sizes, strides, counts or kinds and may hold anything)
SIZES = {
    "copy": (37, range(2, 12)), "fill": (4, [1, 2]), "elementwise": (13, range(13)), "pack_b": (8, [2, 4, 5]),
    "matmul": (28, [7, 8, 9, 15, 16, 17]), "conv2d": (26, range(6, 24)), "depthwise_conv2d": (22, range(5, 20)),
    "pool2d": (17, range(2, 17)), "pool2d_grad": (18, range(3, 18)), "conv2d_input_grad": (22, range(4, 22)),
    "conv2d_filter_grad": (22, range(4, 22)), "depthwise_input_grad": (18, range(3, 18)),
    "depthwise_filter_grad": (18, range(3, 18)), "reduce": (7, range(2, 7)), "cumulate": (9, range(2, 7)),
    "softmax": (5, [2, 3]), "normalize": (8, [4, 5]), "top_k": (8, range(4, 8)), "gather": (10, range(3, 9)),
    "scatter_add": (10, range(3, 9)), "resize": (10, range(2, 9)), "resize_grad": (10, range(2, 9)),
    "random": (6, [3, 4]), "scan": (7, range(7)), "cond": (5, range(1, 5)), "while": (7, range(1, 7)),
    "pack_winograd": (8, [2, 4, 5]), "conv2d_winograd": (26, range(6, 24)), "adam": (12, [9]),
}  # fmt: skip


@pytest.mark.parametrize("kernel", sorted(SIZES))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_absurd_sizes_give_a_status(libraries: list[Library], kernel: str, data: st.DataObject) -> None:
    """All sizes tiny but some senseless: the kernel refuses, or has nothing to do."""
    words, free = SIZES[kernel]
    params = [64 * i for i in range(words)]
    for i in free:
        params[i] = data.draw(st.sampled_from([0, 1, 2]))
    worst = data.draw(st.sampled_from(list(free)))
    params[worst] = data.draw(st.sampled_from(BAD))
    if kernel in ("copy", "elementwise"):
        params[12:] = [0] * len(params[12:])
    for library in libraries:
        case = Case(kernel, library.panel)
        case.space(1 << 16)
        case.step(kernel, params)
        status, _ = run_native(library, case)
        assert status == 0 or -5 * 65536 < status < 0


@given(words=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8))
@settings(deadline=None)
def test_noise_is_no_code(libraries: list[Library], words: list[int]) -> None:
    """Random words are refused before any of them is used."""
    case = Case("noise", 8)
    case.space(1 << 12)
    case.code = [words[0] if words and not 0 < words[0] <= max(NUMBER.values()) else 99, *words]
    for library in libraries:
        status, _ = run_native(library, case)
        assert status == -65536


def test_the_failing_step_is_told(libraries: list[Library]) -> None:
    """The status holds the index of the step, and check() says it in words."""
    for library in libraries:
        case = Case("third step", library.panel)
        place = case.space(64)
        for n in (1, 2, -3):
            case.step("fill", place, n, 4, 0)
        status, _ = run_native(library, case)
        assert status == -(3 * 65536 + 2)
        with pytest.raises(KernelError, match="step 2: a parameter cannot be right"):
            library.check(status)
    library.check(0)


def test_numpy_is_not_needed() -> None:
    """Loading the kernels imports nothing but the standard library."""
    code = "import sys, py_edge.kernels.load as l; l.library(); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
