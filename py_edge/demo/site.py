"""The bundled site that the story's site node serves; made once, made anew when a part of it changed."""

from __future__ import annotations

from pathlib import Path

from py_edge.bundle.collect import collect
from py_edge.bundle.lock import read_lock
from py_edge.bundle.parts import STAMP, find_parts, in_checkout, prepare
from py_edge.bundle.progress import Bar

_MADE_FROM = "made-from.json"


def make_site(folder: Path) -> Path:
    """The folder with the pages, written if it is not there as the parts are now. Raises what `collect` raises."""
    if in_checkout():
        prepare()
    parts = find_parts()
    stamp = (parts / STAMP).read_text(encoding="utf-8") + read_lock().pyodide
    made_from = folder.with_name(f"{folder.name}-{_MADE_FROM}")
    if not made_from.is_file() or made_from.read_text(encoding="utf-8") != stamp or not folder.is_dir():
        collect(folder, report=Bar("runtime"))
        made_from.write_text(stamp, encoding="utf-8")
    return folder
