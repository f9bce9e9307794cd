"""The native builds that this machine can run: base, AVX2, AVX-512."""

from __future__ import annotations

import pytest

from py_edge.kernels.load import Library, native_paths, open_library


@pytest.fixture(scope="session")
def libraries() -> list[Library]:
    """Every native build that runs here, slowest first."""
    return [open_library(path) for path in native_paths()]
