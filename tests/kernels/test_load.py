"""Loading: the right build, the right version, errors in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.errors import EnvironmentProblem
from py_edge.kernels import load
from py_edge.kernels.load import Library


def test_panels_follow_the_vectors(libraries: list[Library]) -> None:
    """8 columns for 128 bit, 16 for AVX2, 32 for AVX-512, as pe.h says."""
    assert [library.panel for library in libraries] == [8, 16, 32][: len(libraries)]


def test_the_fastest_is_chosen_once() -> None:
    """library() is the last of what this machine can run, and always the same object."""
    assert load.library().name == load.native_paths()[-1].name
    assert load.library() is load.library()


def test_other_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ABI of another number is never called."""
    monkeypatch.setattr(load, "ABI_VERSION", 99)
    with pytest.raises(EnvironmentProblem, match="another version"):
        load.open_library(load.native_paths()[0])


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    """A file that is no library gives our error, with its name."""
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    with pytest.raises(EnvironmentProblem, match=r"broken\.so"):
        load.open_library(broken)
