"""The lock of third-party bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.bundle.lock import find_lock, read_lock
from py_edge.errors import ModelFormatError, NotFoundError


def test_every_file_has_a_digest_a_licence_and_a_source_of_a_known_kind() -> None:
    """Nothing is shipped without saying what it is, under which licence, and where it can be had."""
    lock = read_lock()
    assert {file.name for file in lock.select(["runtime"])} >= {"pyodide.mjs", "pyodide.asm.wasm"}
    for file in lock.files:
        assert len(file.sha256) == 64
        assert file.size > 0
        assert file.licence
        assert file.sources
        for source in file.sources:
            kind = source.partition(":")[0]
            assert kind in ("npm", "cdn", "pypi")
            if kind != "cdn":
                assert source.partition("!")[0] in lock.containers


def test_an_unknown_tier_is_named_together_with_the_known_ones() -> None:
    """Whoever mistypes a tier sees what there is."""
    with pytest.raises(NotFoundError, match="runtime"):
        read_lock().select(["runtme"])


def test_a_tier_brings_what_it_stands_on() -> None:
    """scikit-learn cannot be imported without numpy, so its tier ships that too."""
    assert {"numpy", "scipy", "scikit_learn"} <= {
        file.name.partition("-")[0] for file in read_lock().select(["sklearn"])
    }


def test_a_broken_lock_is_refused_with_its_place(tmp_path: Path) -> None:
    """A truncated lock is an error with the path in it, never a half-read lock."""
    broken = tmp_path / "lock.json"
    broken.write_bytes(find_lock().read_bytes()[:500])
    with pytest.raises(ModelFormatError, match=str(broken)):
        read_lock(broken)
